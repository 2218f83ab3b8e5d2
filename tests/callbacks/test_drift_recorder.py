"""The recorder against statistics read by hand after every step, in every way of training."""

import keras
import numpy as np
import pytest

import tfbn
from tests import drift_oracle
from tfbn.callbacks import DriftRecorder, read_drift, step_ring
from tfbn.statistics import drift, take
from tfbn.transforms.retracing import TRACED_ATTRIBUTE

BATCH, STEPS = 8, 5  # the last batch is smaller
WAYS = {
    "plain": {},
    "jit": {"jit_compile": True},
    "eager": {"run_eagerly": True},
    "three_steps_per_execution": {"steps_per_execution": 3},
}
# XLA takes its time.
QUICK = {way: [pytest.mark.long] if way == "jit" else [] for way in WAYS}
METRICS = list(drift.METRICS)
FEW, FEWER = step_ring.FEW_CHANNELS, 8  # the model has nine

pytestmark = pytest.mark.usefixtures("without_graph_rewriting")


class Subclassed(keras.Model):
    def __init__(self, layers):
        super().__init__()
        self.stack = layers

    def call(self, x, training=None):
        for layer in self.stack:
            x = layer(x, training=training) if "norm" in layer.name else layer(x)
        return x


def stack():
    bn = {"momentum": 0.8}
    return [
        keras.layers.BatchNormalization(name="norm_stock", **bn),
        keras.layers.Dropout(0.3, seed=1),
        keras.layers.Dense(4, activation="relu"),
        tfbn.BatchNormalization(name="norm_apart", training=True, trainable=False, **bn),
        keras.layers.Dense(1),
    ]


def build(form="functional"):
    keras.utils.set_random_seed(3)
    inputs, layers = keras.Input((5,)), stack()
    if form == "subclassed":
        return Subclassed(layers)
    if form == "nested":
        inner = keras.Sequential([keras.Input((5,)), *layers], name="inner")
        return keras.Model(inputs, inner(inputs))
    if form == "shared":
        again = keras.layers.BatchNormalization(name="norm_shared", momentum=0.8, beta_initializer="ones")
        return keras.Model(inputs, keras.Sequential(layers)(again(inputs) + again(inputs * 2)))
    return keras.Sequential([inputs, *layers])


def compiled(form="functional", optimizer=None, **arguments):
    model = build(form)
    # Adam makes variables in the first step, which is traced twice for that.
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", **({"jit_compile": False} | arguments))
    return model


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(7)
    x = np.float32(rng.normal(2, [1, 2, 3, 4, 5], (BATCH * STEPS - 3, 5)))
    return x, np.float32(rng.normal(size=(len(x), 1)))


@pytest.fixture
def data(arrays):
    return tuple(array.copy() for array in arrays)


@pytest.fixture(scope="module")
def step_by_step(arrays):
    """What is read by hand in two epochs without a recorder."""
    by_hand = ByHand()
    train(compiled(), arrays, [by_hand], epochs=2)
    return by_hand.snapshots


class ByHand(keras.callbacks.Callback):
    """Reads all statistics with numpy after each batch."""

    def __init__(self):
        super().__init__()
        self.snapshots = []

    def on_train_begin(self, logs=None):
        self.snapshots.append(take(self.model))

    def on_train_batch_end(self, batch, logs=None):
        self.snapshots.append(take(self.model))


def expected(snapshots, path):
    first = snapshots[0][path]
    rows = [
        drift_oracle.metrics(s[path].mean, s[path].variance, first.mean, first.variance, first.epsilon)
        for s in snapshots
    ]
    return np.array([[row[name] for name in METRICS] for row in rows])


def train(model, data, callbacks=(), **arguments):
    return model.fit(*data, batch_size=BATCH, verbose=0, callbacks=list(callbacks), **arguments)


def is_clean(model):
    return "train_step" not in vars(model) and "fit" not in vars(model)


def check_against(log, snapshots, steps, tolerance):
    assert log["step"].unique().tolist() == steps
    for path in snapshots[0]:
        rows = log[log["layer"] == path]
        oracle = expected([snapshots[step] for step in steps], path)
        np.testing.assert_allclose(rows[METRICS].to_numpy(), oracle, rtol=tolerance, atol=1e-6, err_msg=path)
        assert np.all(rows[METRICS].to_numpy()[-1] > 1e-4)


@pytest.mark.parametrize(
    ("way", "every", "few"),
    [
        *(pytest.param(way, 1, few, marks=marks) for few in (FEW, FEWER) for way, marks in QUICK.items()),
        ("plain", 3, FEW),
    ],
)
def test_every_step_equals_the_oracle(way, every, few, step_by_step, data, tmp_path, monkeypatch):
    """Also where the step computes the metrics, as it does if the channels are many."""
    monkeypatch.setattr(step_ring, "FEW_CHANNELS", few)
    model = compiled(**WAYS[way])
    train(model, data, [DriftRecorder(tmp_path, every=every, tensorboard=False)], epochs=2)
    steps = list(range(0, 2 * STEPS + 1, every))
    log = read_drift(tmp_path)
    check_against(log, step_by_step, steps, 1e-3)
    assert log.groupby("step")["epoch"].first().tolist() == [0 if step <= STEPS else 1 for step in steps]
    assert is_clean(model)


@pytest.mark.parametrize("form", ["nested", "subclassed", "shared"])
def test_every_form_of_model(form, data, tmp_path):
    model, by_hand = compiled(form), ByHand()
    model(data[0])
    train(model, data, [by_hand, DriftRecorder(tmp_path, tensorboard=False)])
    check_against(read_drift(tmp_path), by_hand.snapshots, list(range(STEPS + 1)), 1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16", "float64", "bfloat16"])
def test_every_precision(policy, data, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model, by_hand = compiled(), ByHand()
        train(model, data, [by_hand, DriftRecorder(tmp_path, tensorboard=False)])
    finally:
        keras.config.set_dtype_policy("float32")
    check_against(read_drift(tmp_path), by_hand.snapshots, list(range(STEPS + 1)), 1e-3)


def test_probe_rows(data, tmp_path):
    x = data[0][:7]
    recorder = DriftRecorder(tmp_path, every=4, probe=x, probe_every=3, tensorboard=False)
    model = compiled()
    train(model, data, [recorder], epochs=2)
    log = read_drift(tmp_path).set_index("step")
    probed = [0, 3, 5, 6, 9, 10]
    assert log.index[log["mismatch"].notna()].unique().tolist() == probed
    assert log.index.unique().tolist() == sorted({*range(0, 11, 4), *probed})
    last = log.loc[10].set_index("layer")
    np.testing.assert_allclose(
        last[["mismatch", "mismatch_mean_shift"]].to_numpy(),
        tfbn.statistics.mismatch.Probe(model, x).measure(),
        rtol=1e-6,
    )
    assert np.all(last["mismatch"] > 0)


def test_a_layer_that_normalizes_by_moving_has_no_mismatch(data, tmp_path):
    model = compiled()
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    train(model, data, [DriftRecorder(tmp_path, probe=data[0], tensorboard=False)])
    log = read_drift(tmp_path).dropna().set_index("layer")
    assert np.all(log.loc["norm_stock", ["mismatch", *METRICS]] == 0)
    assert np.all(log.loc["norm_apart", "mismatch"] > 0)


def test_the_ring_goes_round(data, tmp_path, monkeypatch):
    monkeypatch.setattr(step_ring, "CAPACITY", 4)
    model, by_hand = compiled(), ByHand()
    train(model, data, [by_hand, DriftRecorder(tmp_path, probe=data[0], tensorboard=False)], epochs=3)
    log = read_drift(tmp_path)
    check_against(log, by_hand.snapshots, list(range(3 * STEPS + 1)), 1e-3)
    assert log.dropna()["step"].unique().tolist() == [0, 5, 10, 15]


def test_rows_that_a_custom_loop_lost_are_named_and_the_latest_are_right(data, tmp_path, monkeypatch):
    monkeypatch.setattr(step_ring, "CAPACITY", 4)
    model, recorder = compiled(), DriftRecorder(tmp_path, tensorboard=False)
    callbacks = keras.callbacks.CallbackList([recorder], model=model)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_train_batch_begin(0)
    snapshots = {0: take(model)}
    for step in range(1, 8):
        model.train_on_batch(*data)
        snapshots[step] = take(model)
    with pytest.warns(UserWarning, match=r"keeps 4 rows .* there were 7: those of steps 1 to 3 are lost"):
        callbacks.on_train_end()
    assert is_clean(model)
    check_against(read_drift(tmp_path), snapshots, [0, 4, 5, 6, 7], 1e-3)


def test_own_training_loop(data, tmp_path):
    model, by_hand = compiled(), ByHand()
    recorder = DriftRecorder(tmp_path, tensorboard=False)
    callbacks = keras.callbacks.CallbackList([by_hand, recorder], model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        for batch in range(3):
            callbacks.on_train_batch_begin(batch)
            model.train_on_batch(*data)
            callbacks.on_train_batch_end(batch)
        callbacks.on_epoch_end(epoch)
    callbacks.on_train_end()
    check_against(read_drift(tmp_path), by_hand.snapshots, list(range(7)), 1e-3)
    assert is_clean(model)


def test_own_loop_without_the_models_train_step(data, tmp_path):
    model, by_hand = compiled(), ByHand()
    recorder = DriftRecorder(tmp_path, every=2, tensorboard=False)
    callbacks = keras.callbacks.CallbackList([by_hand, recorder], model=model)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    for batch in range(4):
        callbacks.on_train_batch_begin(batch)
        model(data[0] + batch, training=True)
        callbacks.on_train_batch_end(batch)
    callbacks.on_epoch_end(0)
    callbacks.on_train_end()
    check_against(read_drift(tmp_path), by_hand.snapshots, [0, 2, 4], 1e-3)
    assert is_clean(model)


def test_second_fit_goes_on_from_the_same_reference(data, tmp_path):
    model, by_hand = compiled(), ByHand()
    recorder = DriftRecorder(tmp_path, tensorboard=False)
    train(model, data, [by_hand, recorder])
    train(model, data)
    before = take(model)
    train(model, data, [by_hand, recorder], epochs=2)
    log = read_drift(tmp_path)
    # Steps that were trained without the recorder are not counted.
    snapshots = by_hand.snapshots[: STEPS + 1] + by_hand.snapshots[STEPS + 2 :]
    check_against(log, snapshots, list(range(3 * STEPS + 1)), 1e-3)
    assert log.groupby("step")["epoch"].first().tolist() == [0] * 6 + [1] * 5 + [2] * 5
    assert by_hand.snapshots[STEPS + 1]["norm_stock"].mean.tolist() == before["norm_stock"].mean.tolist()


def test_a_given_reference_and_a_train_function_of_an_earlier_fit(data, tmp_path):
    """Drift is measured from the reference; the earlier function, which records nothing, is not used."""
    model, by_hand = compiled(), ByHand()
    reference = take(model)
    train(model, data)
    train(model, data, [by_hand, DriftRecorder(tmp_path, reference=reference, tensorboard=False)])
    log = read_drift(tmp_path)
    assert vars(model)[TRACED_ATTRIBUTE].ring is not None  # rows of the step, not of a reading after it
    assert log["step"].unique().tolist() == list(range(STEPS + 1))
    for path in reference:
        found = log[log["layer"] == path][METRICS].to_numpy()
        oracle = expected([reference, *by_hand.snapshots], path)[1:]
        np.testing.assert_allclose(found, oracle, rtol=1e-3, atol=1e-6, err_msg=path)
        assert np.all(found[0] > 1e-4)


class Fails(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt


def test_after_a_fit_that_raised_the_same_recorder_goes_on(data, tmp_path):
    model, by_hand = compiled(), ByHand()
    recorder = DriftRecorder(tmp_path, heat_maps=False)
    with pytest.raises(KeyboardInterrupt):
        train(model, data, [by_hand, recorder, Fails()])
    train(model, data, [by_hand, recorder])
    snapshots = by_hand.snapshots[:4] + by_hand.snapshots[5:]
    check_against(read_drift(tmp_path), snapshots, list(range(3 + STEPS + 1)), 1e-3)
    assert is_clean(model)


def test_as_a_context_manager_it_frees_the_model(data, tmp_path):
    model = compiled()
    with pytest.raises(KeyboardInterrupt), DriftRecorder(tmp_path, tensorboard=False) as recorder:
        train(model, data, [recorder, Fails()])
    assert is_clean(model)
    assert read_drift(tmp_path)["step"].max() == 3


def test_a_relative_folder_stays_where_training_began(data, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    moves = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: monkeypatch.chdir(elsewhere)
    )
    recorder = DriftRecorder("log", tensorboard=False)
    train(compiled(), data, [recorder, moves], epochs=2)
    assert read_drift(tmp_path / "log")["step"].max() == 2 * STEPS
    assert recorder.log_dir == tmp_path / "log"
    assert not any(elsewhere.iterdir())


def test_other_backends_read_after_the_batch(data, tmp_path, monkeypatch):
    """Without a hook, as on JAX and PyTorch; the reading itself is the same code there."""
    monkeypatch.setattr("tfbn.callbacks.drift_recorder.in_step", lambda: False)
    model, by_hand = compiled(), ByHand()
    train(model, data, [by_hand, DriftRecorder(tmp_path, every=2, tensorboard=False)], epochs=2)
    check_against(read_drift(tmp_path), by_hand.snapshots, [0, 2, 4, 6, 8, 10], 1e-3)
    model = compiled(steps_per_execution=2)
    with pytest.warns(UserWarning, match="sees only the last of each 2 steps"):
        train(model, data, [DriftRecorder(tmp_path, overwrite=True, tensorboard=False)])


# Bad input


def no_bn():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"every": 0}, "Expected `every` to be a whole number of at least 1. Received: every=0"),
        ({"probe_every": 2}, "Expected `probe` to be a batch of inputs"),
        ({"probe_labels": [1]}, "Expected `probe` to be a batch of inputs, since probe_labels is set"),
        ({"probe_every": -1, "probe": 1}, "Expected `probe_every`"),
    ],
)
def test_bad_arguments(arguments, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        DriftRecorder(tmp_path / "log", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_bad_models(data, tmp_path):
    model = no_bn()
    before = [v.numpy().copy() for v in model.variables]
    with pytest.raises(ValueError, match="at least one BatchNormalization layer"):
        train(model, data, [DriftRecorder(tmp_path)])
    unbuilt = Subclassed([keras.layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    with pytest.raises(ValueError, match="at least one BatchNormalization layer"):
        train(unbuilt, data, [DriftRecorder(tmp_path)])
    assert is_clean(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    other = take(compiled())
    other["norm_stock"] = other.pop("norm_apart")
    with pytest.raises(ValueError, match="Expected `reference` to have the model's layers"):
        train(compiled(), data, [DriftRecorder(tmp_path, reference=other)])
    assert list(tmp_path.iterdir()) == []
    recorder = DriftRecorder(tmp_path, tensorboard=False)
    first = compiled()
    train(first, data, [recorder])
    with pytest.raises(ValueError, match="use a new recorder"):
        train(compiled(), data, [recorder])


def test_another_recorders_log_is_not_overwritten(data, tmp_path, capsys):
    folder, model = tmp_path / "log", compiled()
    train(model, data, [DriftRecorder(folder, heat_maps=False)])
    (folder / "events.out.tfevents.1.of_someone_else").write_bytes(b"")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for number in (1, 2):
        again = DriftRecorder(folder)
        train(model, data, [again])
        assert again.log_dir == tmp_path / f"log-{number}"
        assert f"this one goes to {again.log_dir}" in capsys.readouterr().out
        assert read_drift(again.log_dir)["step"].max() == STEPS
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    train(model, data, [DriftRecorder(folder, overwrite=True, tensorboard=False)], epochs=2)
    assert read_drift(folder)["step"].max() == 2 * STEPS
    assert sorted(path.name for path in folder.iterdir()) == [
        "drift.parquet",
        "drift_reference.npz",
        "events.out.tfevents.1.of_someone_else",
    ]


@pytest.mark.parametrize("names", [["moving_mean"], ["moving_mean", "moving_variance"]])
def test_layers_whose_variables_are_replaced_are_named_and_fit_goes_on(names, data, tmp_path):
    model = compiled()
    layer = model.layers[0]

    class Replace(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                vars(layer).update({name: keras.Variable(np.ones(5, "float32")) for name in names})

    recorder = DriftRecorder(tmp_path, tensorboard=len(names) == 2)
    with pytest.warns(
        UserWarning, match=r"continues without the layers 'norm_stock': .* their values are NaN"
    ) as told:
        train(model, data, [recorder, Replace()], epochs=3)
    assert len([each for each in told if "norm_stock" in str(each.message)]) == 1
    log = read_drift(tmp_path)
    assert log["step"].unique().tolist() == list(range(3 * STEPS + 1))
    of_it, after = log["layer"] == "norm_stock", log["epoch"] > 0
    assert log["kl"].isna().tolist() == (of_it & after).tolist()
