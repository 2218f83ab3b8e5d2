"""audit: what it says is what one `fit` step and one `evaluate` then do."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tests import applications
from tfbn.graph import keras_versions
from tfbn.graph.call_hooks import observed
from tfbn.graph.traversal import batch_normalizations

L = keras.layers
X = np.float32(np.random.default_rng(0).normal(1, 2, (12, 6)))
Y = np.float32(np.random.default_rng(1).normal(size=(12, 2)))
ONE_BATCH = tf.data.Dataset.from_tensors((X, Y))


@keras.saving.register_keras_serializable(package="tests")
class PassesFalse(keras.Model):
    """A subclassed model whose code passes training=False to one of its layers."""

    def __init__(self):
        super().__init__()
        self.dense, self.head = L.Dense(5), L.Dense(2)
        self.held, self.free = L.BatchNormalization(name="held_bn"), L.BatchNormalization(name="free_bn")

    def call(self, x, training=None):
        x = self.held(self.dense(x), training=False)
        return self.head(self.free(x, training=training))


def base():
    inner = keras.Input((6,))
    return keras.Model(inner, L.BatchNormalization(name="bn")(L.Dense(5)(inner)), name="base")


def functional(flag):
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="bn")(L.Dense(5)(inputs), **flag)
    return keras.Model(inputs, L.Dense(2)(L.BatchNormalization(name="after")(L.Activation("elu")(x))))


def nested(flag):
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="after")(L.Activation("elu")(base()(inputs, **flag)))
    return keras.Model(inputs, L.Dense(2)(L.Dropout(0.5, name="drop")(x)))


def shared(flag):
    inputs = keras.Input((6,))
    bn = L.BatchNormalization(name="bn")
    return keras.Model(inputs, L.Dense(2)(bn(L.Dense(6)(bn(inputs, **flag)), **flag)))


def sequential(flag):
    return keras.Sequential([keras.Input((6,)), L.BatchNormalization(name="bn"), L.Dense(2)])


def subclassed(flag):
    model = PassesFalse()
    model(X)
    return model


FORMS = {f.__name__: f for f in (functional, nested, shared, sequential, subclassed)}
CALL_SITES = {"none": {}, "False": {"training": False}, "True": {"training": True}}
SETTINGS = {
    "stock": lambda model: None,
    "stock frozen": lambda model: setattr(model, "trainable", False),
    "converted": lambda model: tfbn.convert(model),
}
FROZEN = {}
for t, u, g in itertools.product([True, False], [True, False, None], [True, False]):
    FROZEN[f"training={t} update={u} trainable={g}"] = lambda model, t=t, u=u, g=g: tfbn.freeze(
        model, "*bn*", training=t, update_statistics=u, trainable=g
    )
SETTINGS |= FROZEN


@functools.cache
def reused(form, call_site):
    """The one model for all of `FROZEN`, which differ in flags alone."""
    return FORMS[form](CALL_SITES[call_site])


def without_flags(model):
    model.trainable = True
    for named in batch_normalizations(model):
        if isinstance(named.layer, tfbn.BatchNormalization):
            named.layer.training = named.layer.update_statistics = None
    return model


def built(form, setting, call_site):
    if setting in FROZEN:
        model = without_flags(reused(form, call_site))
    else:
        model = FORMS[form](CALL_SITES[call_site])
    rng = np.random.default_rng(2)
    for named in batch_normalizations(model):
        for weight in named.layer.weights:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    SETTINGS[setting](model)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    return model


def what_happens(model, run):
    """For each layer: whether the batch normalized, the statistics moved, gamma or beta moved."""
    layers = [named.layer for named in batch_normalizations(model)]
    inputs = {}
    before = {id(w): keras.ops.convert_to_numpy(w).copy() for layer in layers for w in layer.weights}
    outputs = {}

    def see(layer, x, training, mask):
        inputs.setdefault(id(layer), keras.ops.convert_to_numpy(x))

    calls = {id(layer): layer.call for layer in layers}

    def remember(layer):
        def call(x, training=None, mask=None):
            y = calls[id(layer)](x, training=training, mask=mask)
            outputs.setdefault(id(layer), keras.ops.convert_to_numpy(y))
            return y

        return call

    for layer in layers:
        layer.__dict__["call"] = remember(layer)
    with observed(layers, see):
        run()
    for layer in layers:
        del layer.__dict__["call"]
    found = []
    for layer in layers:
        gamma, beta, mean, variance = (before[id(w)] for w in layer.weights[:4])
        x = inputs[id(layer)]
        by_moving = gamma * (x - mean) / np.sqrt(variance + layer.epsilon) + beta
        by_batch = gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + layer.epsilon) + beta
        distances = [np.abs(outputs[id(layer)] - y).max() for y in (by_batch, by_moving)]
        assert min(distances) < 1e-3 < max(distances)
        moved = [np.any(keras.ops.convert_to_numpy(w) != before[id(w)]) for w in layer.weights[:4]]
        found.append(
            (("batch", "moving")[int(np.argmin(distances))], bool(moved[2]), bool(moved[0] or moved[1]))
        )
    return found


FEW_SETTINGS = ("stock", "converted", "training=False update=None trainable=True")


def call_sites(form, setting):
    """All of them, or one for each combination of flags, such that each value of a flag meets all of them."""
    if form in ("sequential", "subclassed"):
        return ["none"]
    if form == "functional" or setting not in FROZEN or setting in FEW_SETTINGS:
        return list(CALL_SITES)
    t, u, g = np.unravel_index(list(FROZEN).index(setting), (2, 3, 2))
    return [list(CALL_SITES)[(t + u + g + (form == "shared")) % 3]]


def cases():
    """Every form and setting; all settings of one form and a few of the others are quick."""
    for form, setting in itertools.product(FORMS, SETTINGS):
        quick = form == "functional" or setting in FEW_SETTINGS
        for call_site in call_sites(form, setting):
            yield pytest.param(form, setting, call_site, marks=[] if quick else pytest.mark.slow)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("form", "setting", "call_site"), list(cases()))
def test_what_it_says_is_what_fit_and_evaluate_do(form, setting, call_site):
    model = built(form, setting, call_site)
    said = tfbn.audit(model)
    assert said.observed
    fit = what_happens(model, lambda: model.fit(ONE_BATCH, shuffle=False, verbose=0))
    for row, happened in zip(said.rows, fit, strict=True):
        assert (row.fit.normalizes_by, row.fit.updates, row.fit.trains) == happened, row.path
    evaluate = what_happens(model, lambda: model.evaluate(ONE_BATCH, verbose=0))
    for row, happened in zip(said.rows, evaluate, strict=True):
        assert (row.evaluate.normalizes_by, row.evaluate.updates, False) == happened, row.path


def test_it_changes_nothing():
    model = built("functional", "stock", "none")
    before = [v.numpy().copy() for v in model.variables]
    tfbn.audit(model, batch_size=4)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert "call" not in model.get_layer("bn").__dict__


def warnings_of(model, **kwargs):
    return " | ".join(tfbn.audit(model, **kwargs).warnings)


@pytest.mark.parametrize("form", ["functional", "nested"])
def test_call_site_false_is_overridden_or_leaks(form):
    said = warnings_of(built(form, "stock", "False"))
    if keras_versions.call_site_training_is_obeyed():
        assert "leaks" in said
        assert "after" in said.split("leaks")[1]
    else:
        assert "the call site says training=False, and fit overrides it" in said
    assert "call site" not in warnings_of(built(form, "stock", "none"))
    assert "call site" not in warnings_of(built(form, "training=False update=None trainable=True", "False"))


def test_call_site_true_in_evaluate():
    said = warnings_of(built("functional", "stock", "True"))
    if keras_versions.call_site_training_is_obeyed():
        assert "evaluate and predict call it with training=True" in said
    else:
        assert "evaluate" not in said


def test_flags_changed_since_the_train_step_was_traced():
    model = functional({})
    tfbn.freeze(model, "*bn*", training=True, trainable=True)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert "traced" not in warnings_of(model)
    bn = model.get_layer("bn")
    bn.training = False
    assert "flags changed since the train step was traced" in warnings_of(model)
    bn.training, bn.momentum = True, 0.5
    assert "flags changed" in warnings_of(model)
    bn.momentum = 0.99
    assert "traced" not in warnings_of(model)
    bn.trainable = False
    assert "trainable changed since the train step was traced" in warnings_of(model)
    model.compile("sgd", "mse")
    assert "traced" not in warnings_of(model)
    tfbn.freeze(model, "bn", training=False)
    assert "traced" not in warnings_of(model)


def test_statistics_bias_dead_channels_and_few_values():
    inputs = keras.Input((4, 4, 3))
    x = L.BatchNormalization(name="biased")(L.Conv2D(5, 3, padding="same")(inputs))
    x = L.BatchNormalization(name="lean")(L.Conv2D(5, 4, use_bias=False)(L.ReLU()(x)))
    x = L.BatchNormalization(name="relu_between")(L.Dense(5, activation="relu")(L.Flatten()(x)))
    model = keras.Model(inputs, x)
    model.get_layer("lean").moving_variance.assign([0, 1e-36, 1, 2, 3])
    rows = {row.path: " | ".join(row.warnings) for row in tfbn.audit(model, batch_size=1).rows}
    assert "bias" in rows["biased"]
    assert "bias" not in rows["lean"] + rows["relu_between"]
    assert "still at (0, 1)" in rows["biased"]
    assert "still at (0, 1)" not in rows["lean"]
    assert "2 of 5 channels are dead" in rows["lean"]
    assert "one value per channel" in rows["lean"]
    assert "one value" not in rows["biased"]
    few = {row.path: " | ".join(row.warnings) for row in tfbn.audit(model, batch_size=3).rows}
    assert "3 values per channel" in few["lean"]
    assert "values per channel" not in few["biased"]  # 3 x 4 x 4
    assert "values per channel" not in " ".join(tfbn.audit(model).warnings)


def test_table_and_frame():
    found = tfbn.audit(built("nested", "stock frozen", "none"))
    frame = found.to_frame()
    assert list(frame.path) == ["base/bn", "after"]
    assert list(frame.fit_normalizes_by) == ["moving", "moving"]
    text = str(found)
    assert "base/bn" in text
    assert "2 BatchNormalization layers. In fit 0 normalize by the batch, 0 update" in text
    assert max(map(len, text.splitlines())) <= 110


def test_long_tables_show_runs_of_layers_that_are_alike_and_what_stands_out():
    inputs = x = keras.Input((3,))
    for i in range(70):
        x = L.BatchNormalization(name=f"bn{i}")(x)
    model = keras.Model(inputs, x)
    tfbn.freeze(model, "bn30*", training=True)
    text = str(tfbn.audit(model))
    assert "(30 layers)" in text
    assert "(39 layers)" in text
    assert "bn30" in text
    assert "bn12" not in text


def test_a_model_that_cannot_be_run_on_symbols_is_told_by_its_flags():
    class Stubborn(keras.Model):
        def __init__(self):
            super().__init__()
            self.bn = L.BatchNormalization(name="bn")

        def call(self, x, training=None):
            if x.shape[0] is None:
                raise RuntimeError("I want real data")
            return self.bn(x, training=training)

    model = Stubborn()
    model(X)
    found = tfbn.audit(model)
    assert not found.observed
    assert "I want real data" in found.warnings[0]
    assert str(found.rows[0].fit) == "batch statistics, updating, gamma and beta train"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfbn.audit(keras.Sequential([keras.Input((2,)), L.Dense(1)])), "at least one BatchNorm"),
        (lambda: tfbn.audit(keras.Sequential([L.BatchNormalization()])), "to be built"),
        (lambda: tfbn.audit(base(), batch_size=0), "batch_size=0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in applications.QUICK else pytest.mark.long) for n in applications.SIZES],
)
def test_applications_agree_with_one_fit_step(name):
    model = applications.build(name)
    named_layers = batch_normalizations(model)
    third = len(named_layers) // 3
    tfbn.freeze(model, [s.path for s in named_layers[:third]], training=False)
    tfbn.freeze(
        model, [s.path for s in named_layers[third : 2 * third]], training=True, update_statistics=True
    )
    said = {row.path: row.fit for row in tfbn.audit(model).rows}
    before = {id(w): w.numpy().copy() for s in named_layers for w in s.layer.weights}
    model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=True)  # one step is not worth a trace
    x = applications.images(name, 4)
    model.fit(x, np.zeros((4, *model.output_shape[1:])), batch_size=4, verbose=0)
    for named in named_layers:
        moved = {w.name: bool(np.any(w.numpy() != before[id(w)])) for w in named.layer.weights}
        assert moved["moving_mean"] == said[named.path].updates, named.path
        trained = moved.get("gamma", False) or moved.get("beta", False)
        assert trained <= said[named.path].trains, named.path


def of_own_step(step, body):
    return type("Net", (keras.Model,), {step: body})


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("train_step", lambda self, data: {"loss": self(data[0], training=False)}),
        ("train_step", lambda self, data: {"loss": self(data[0], False)}),
        (
            "train_step",
            lambda self, data: {"loss": self(data[0], training=True) + self(data[0], training=True)},
        ),
        ("compute_loss", lambda self, x=None, **_: keras.ops.mean(self(x, training=False))),
    ],
)
def test_a_step_of_ones_own_is_what_the_audit_cannot_know(step, body):
    inputs = keras.Input((3,))
    outputs = keras.layers.BatchNormalization()(inputs)
    (warning,) = [
        w for w in tfbn.audit(of_own_step(step, body)(inputs, outputs)).warnings if "is not known" in w
    ]
    assert warning.startswith(f"Net has its own {step}, so how often and with which training= fit calls")
    assert not any("is not known" in w for w in tfbn.audit(keras.Model(inputs, outputs)).warnings)
