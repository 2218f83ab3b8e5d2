"""The contract on the backend that Keras uses: output, gradients and statistics against the oracle.

The quick run has TensorFlow; `make test-backends` runs this file on JAX and PyTorch too.
"""

import itertools

import keras
import numpy as np
import pytest

import tfbn
from tests.layers.oracle import Oracle
from tfbn.graph.traversal import batch_normalizations
from tfbn.layers import BatchNormalization
from tfbn.statistics import drift, take

if keras.backend.backend() == "jax":  # on a GPU, products are rounded to 10 bits (TF32) otherwise
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")

CHANNELS, MOMENTUM, EPSILON, RATE = 3, 0.8, 1e-3, 0.05
SHAPE = (4, 5, CHANNELS)


def numpy(value):
    return np.array(keras.ops.convert_to_numpy(value), copy=True)


def make_layer(**flags):
    rng = np.random.default_rng(1)
    layer = BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, **flags)
    layer.build((None, *SHAPE))
    layer.gamma.assign(rng.uniform(0.5, 2, CHANNELS))
    layer.beta.assign(rng.normal(size=CHANNELS))
    layer.moving_mean.assign(rng.normal(3, 1, CHANNELS))
    layer.moving_variance.assign(rng.uniform(2, 5, CHANNELS))
    return layer


def oracle_of(layer):
    state = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    return Oracle(*map(numpy, state), momentum=MOMENTUM, epsilon=EPSILON)


@keras.saving.register_keras_serializable(package="tests")
class WeightedSum(keras.losses.Loss):
    """Its gradient by the outputs is the targets."""

    def __init__(self, **kwargs):
        super().__init__(reduction="sum")

    def call(self, y_true, y_pred):
        return keras.ops.sum(y_true * y_pred, axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("training", "update", "trainable"), list(itertools.product([True, False], [True, False], [True, False]))
)
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.filterwarnings("ignore:.*custom_gradient.*")
def test_every_mode_in_fit(training, update, trainable, rng):
    layer = make_layer(training=training, update_statistics=update, trainable=trainable)
    oracle, before = oracle_of(layer), [numpy(w) for w in layer.weights]
    inputs = keras.Input(SHAPE)
    # A layer that trains, so that there is something to train where BatchNormalization is frozen.
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(layer(inputs)))
    model.compile(keras.optimizers.SGD(RATE), WeightedSum(), jit_compile="auto")
    x = np.float32(rng.normal(1, [1, 2, 3], (6, *SHAPE)))
    weights = np.float32(rng.normal(size=x.shape))
    if trainable:
        model.fit(x, weights, batch_size=6, verbose=0)
    else:
        layer(x, training=True)
    _, gamma, beta = oracle.train(x, weights, training, update)
    if trainable:
        oracle.gamma, oracle.beta = oracle.gamma - RATE * gamma, oracle.beta - RATE * beta
    np.testing.assert_allclose(numpy(layer.gamma), oracle.gamma, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(numpy(layer.beta), oracle.beta, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(numpy(layer.moving_mean), oracle.mean, rtol=1e-5)
    np.testing.assert_allclose(numpy(layer.moving_variance), oracle.variance, rtol=1e-5)
    for variable, value, moves in zip(layer.weights, before, [trainable] * 2 + [update] * 2, strict=True):
        assert np.all(numpy(variable) != value) if moves else np.all(numpy(variable) == value), variable.name
    np.testing.assert_allclose(model.predict(x, verbose=0), oracle.infer(x), rtol=1e-3, atol=1e-3)


def test_the_flag_is_the_constructors_on_every_backend():
    """On PyTorch a layer is a torch.nn.Module, whose `train()` and `eval()` set `training`."""
    layer = make_layer(training=False)
    model = keras.Sequential([keras.Input(SHAPE), layer])
    for name in ("train", "eval"):
        getattr(model, name, lambda: None)()
        assert layer.training is False
        assert layer.get_config()["training"] is False
    assert make_layer().training is None
    layer.training = True
    assert str(layer.mode).startswith("batch statistics, updating")


def small_model():
    inner = keras.Input((6,))
    x = keras.layers.BatchNormalization(name="bn", momentum=0.5)(keras.layers.Dense(5, name="dense")(inner))
    base = keras.Model(inner, keras.layers.ReLU()(x), name="base")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(base(inputs)))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def moved_by_fit(model, rng):
    before = {w.path: numpy(w) for w in model.weights}
    model.fit(
        np.float32(rng.normal(1, 2, (16, 6))), np.float32(rng.normal(size=(16, 2))), batch_size=8, verbose=0
    )
    return {w.path.split("/")[-1] for w in model.weights if np.any(numpy(w) != before[w.path])}


def test_freeze_takes_effect_in_the_next_fit(rng):
    model = small_model()
    everything = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"}
    assert moved_by_fit(model, rng) == everything
    tfbn.freeze(model, "base", training=False)
    assert moved_by_fit(model, rng) == {"kernel", "bias"}  # the head's
    tfbn.freeze(model, "base", training=True)
    assert moved_by_fit(model, rng) == {"kernel", "bias", "moving_mean", "moving_variance"}
    tfbn.unfreeze(model, "base")
    assert moved_by_fit(model, rng) == everything


def test_convert_keeps_outputs_and_saves(tmp_path, rng):
    model = small_model()
    x = np.float32(rng.normal(1, 2, (16, 6)))
    moved_by_fit(model, rng)
    outputs = model.predict(x, verbose=0)
    tfbn.convert(model, training=False)
    np.testing.assert_array_equal(model.predict(x, verbose=0), outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [named.layer.training for named in batch_normalizations(loaded)] == [False]
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), outputs)
    np.testing.assert_array_equal(tfbn.revert(loaded).predict(x, verbose=0), outputs)


def test_recalibrate(rng):
    model = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization(name="bn")])
    x = np.float32(rng.normal(np.arange(6), 2, (50, 6)))
    tfbn.recalibrate(model, x, batch_size=16, verbose=False)
    np.testing.assert_allclose(
        numpy(model.layers[0].moving_mean), np.float64(x).mean(0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(numpy(model.layers[0].moving_variance), np.float64(x).var(0), rtol=1e-5)
    with tfbn.batch_statistics(model):
        outputs = model.predict(x, batch_size=50, verbose=0)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-4)


def test_a_recorder_sees_every_step(tmp_path, rng):
    model = small_model()
    tfbn.convert(model, training=True)
    before = take(model)
    recorder = tfbn.DriftRecorder(tmp_path, probe=np.ones((4, 6), "float32"), heat_maps=False)
    x, y = np.float32(rng.normal(1, 2, (20, 6))), np.float32(rng.normal(size=(20, 2)))
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[recorder])
    log = tfbn.callbacks.read_drift(tmp_path)
    assert log["step"].tolist() == list(range(7))
    assert log["mismatch"].notna().tolist() == [True, False, False, True, False, False, True]
    [path] = before
    for name, value in drift.distances(take(model)[path], before[path]).items():
        assert value > 0
        np.testing.assert_allclose(log[name].iloc[-1], value, rtol=1e-4)


class Looking(keras.callbacks.Callback):
    """Asks for the model at some batches; on JAX that brings its variables up to date."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_train_batch_end(self, batch, logs=None):
        if batch in self.batches:
            assert self.model is not None


def test_a_recorder_among_callbacks_that_look_at_the_model(tmp_path, rng):
    x, y = np.float32(rng.normal(1, 2, (20, 6))), np.float32(rng.normal(size=(20, 2)))
    logs = []
    for name, others in (("alone", []), ("before", [Looking({0})]), ("after", [Looking({1, 2})])):
        keras.utils.set_random_seed(3)
        model = small_model()
        recorder = tfbn.DriftRecorder(tmp_path / name, tensorboard=False, probe=x[:4], probe_every=2)
        callbacks = [*others, recorder] if name == "before" else [recorder, *others]
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        logs.append(tfbn.callbacks.read_drift(tmp_path / name))
        assert logs[-1]["step"].tolist() == list(range(7))
        assert logs[-1]["mismatch"].notna().tolist() == [True, False, True, True, True, False, True]
    for log in logs[1:]:
        np.testing.assert_allclose(log["kl"], logs[0]["kl"], rtol=1e-5)
        np.testing.assert_allclose(log["mismatch"], logs[0]["mismatch"], rtol=1e-4)
    assert np.all(np.diff(logs[0]["kl"][:4]) != 0)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX hands a state from step to step")
def test_a_recorder_leaves_the_variables_behind_on_jax(tmp_path, rng):
    x, y = np.float32(rng.normal(1, 2, (40, 6))), np.float32(rng.normal(size=(40, 2)))
    counts = []
    for callbacks in ([], [tfbn.DriftRecorder(tmp_path)], [Looking(set(range(5)))]):
        model, synced = small_model(), []
        sync = model.jax_state_sync

        def counting(sync=sync, model=model, synced=synced):
            synced.append(not model._jax_state_synced)
            sync()

        vars(model)["jax_state_sync"] = counting
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        counts.append(sum(synced))
    assert counts == [2, 2, 10]


def test_cached_features_and_folding(rng):
    model = small_model()
    x, y = np.float32(rng.normal(1, 2, (20, 6))), np.float32(rng.normal(size=(20, 2)))
    moved_by_fit(model, rng)
    np.testing.assert_allclose(
        tfbn.fold(model, verbose=False).predict(x, verbose=0),
        model.predict(x, verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )
    tfbn.convert(model)
    tfbn.freeze(model, "base", training=False)
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    twin.compile(keras.optimizers.SGD(0.1), "mse")
    features = tfbn.cache_features(model, x, y, verbose=False)
    assert features.up_to.startswith("base")
    features.rest.fit(features.data.batch(5), epochs=2, shuffle=False, verbose=0)
    twin.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(numpy(ours), numpy(theirs), rtol=1e-4, atol=1e-5, err_msg=ours.path)


def test_audit_says_what_fit_then_does(rng):
    model = small_model()
    tfbn.convert(model, training=True, update_statistics=False)
    audit = tfbn.audit(model, batch_size=1)
    assert audit.observed
    [row] = audit.rows
    assert str(row.fit).startswith("batch statistics, held")
    assert any("one value per channel in a batch" in warning for warning in row.warnings)
    assert moved_by_fit(model, rng) == {"kernel", "bias", "gamma", "beta"}


def test_audit_of_maps_of_a_size_that_is_not_known():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(name="maps")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(x))
    audit = tfbn.audit(keras.Model(inputs, keras.layers.BatchNormalization(name="vector")(x)), batch_size=8)
    assert audit.observed
    few = {row.path: [w for w in row.warnings if "values per channel" in w] for row in audit.rows}
    assert few == {"maps": [], "vector": ["8 values per channel in a batch: batch statistics mean little"]}


def test_the_fused_operation_is_tensorflows():
    if keras.backend.backend() == "tensorflow":
        BatchNormalization(fused=True)
    else:
        with pytest.raises(ValueError, match="Expected `fused` to be None or False on a backend other"):
            BatchNormalization(fused=True)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="compares programs of XLA")
@pytest.mark.parametrize("training", [True, False])
def test_on_jax_it_compiles_to_the_stock_layers_program(training):
    """So what differs in speed there is chance: neither fit as in stock Keras nor inference has a cost."""
    ours, other = (tfbn.models.build("resnet8", input_shape=(16, 16, 3), classes=10) for _ in range(2))
    stock = tfbn.revert(other)
    assert not any(isinstance(named.layer, BatchNormalization) for named in batch_normalizations(stock))
    assert _program(ours, training) == _program(stock, training)


def _program(model, training):
    def call(trainable, moving, x):
        return model.stateless_call(trainable, moving, x, training=training)

    values = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
    return jax.jit(call).lower(*values, np.zeros((4, 16, 16, 3), "float32")).as_text()
