"""convert and revert: any model, in place, the same to the bit, and back."""

import keras
import numpy as np
import pytest

import tfbn
from tests import applications
from tests.without_tfbn import without_tfbn
from tfbn.graph import call_sites
from tfbn.graph.traversal import batch_normalizations
from tfbn.layers import BatchNormalization

L = keras.layers
Stock = keras.layers.BatchNormalization


@keras.saving.register_keras_serializable(package="tests")
class TheirNormalization(Stock):
    """A class that somebody else derived."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1.0


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """BN in a list, in a dict, in a wrapper, and one layer used twice."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.listed = [L.BatchNormalization(momentum=0.5)]
        self.named = {"bn": L.BatchNormalization(momentum=0.5)}
        self.wrapped = L.TimeDistributed(L.BatchNormalization(momentum=0.5))
        self.head = L.Dense(2)

    def call(self, x, training=None):
        for _ in range(2):
            x = self.listed[0](x, training=training)
        x = self.named["bn"](x, training=training)
        return self.head(self.wrapped(x, training=training))


def functional():
    inputs = keras.Input((4, 6))
    x = L.BatchNormalization(momentum=0.5)(L.Dense(5)(inputs))
    return keras.Model(inputs, L.Dense(2)(x))


def shared():
    inputs = keras.Input((4, 6))
    bn = L.BatchNormalization(momentum=0.5)
    return keras.Model(inputs, L.Dense(2)(bn(bn(inputs))))


def nested():
    """A model in a model in a model."""
    inputs = [keras.Input((4, 6)) for _ in range(3)]
    innermost = keras.Model(inputs[0], L.BatchNormalization(momentum=0.5)(inputs[0]))
    middle = keras.Model(inputs[1], innermost(inputs[1]))
    return keras.Model(inputs[2], L.BatchNormalization(momentum=0.5)(middle(inputs[2])))


def sequential():
    return keras.Sequential([keras.Input((4, 6)), L.BatchNormalization(momentum=0.5), L.Dense(2)])


FORMS = {f.__name__: f for f in (functional, shared, nested, sequential, Subclassed)}
COUNTS = {"functional": 1, "shared": 1, "nested": 2, "sequential": 1, "Subclassed": 3}
X = np.float32(np.random.default_rng(0).normal(1, 2, (10, 4, 6)))


def built(form):
    model = FORMS[form]()
    model(X[:2])
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def values(model):
    return [keras.ops.convert_to_numpy(w).copy() for w in model.weights]


def fit(model, **kwargs):
    return model.fit(X, targets(model), batch_size=4, verbose=0, **kwargs)


def train(form, model):
    """By `fit`, or by a step of the function that it runs: its trace for one shape takes half the time."""
    fit(model, shuffle=False) if form == "functional" else model.train_on_batch(X, targets(model))


def targets(model):
    return np.random.default_rng(2).normal(size=keras.ops.shape(model(X)))


@pytest.mark.parametrize("form", FORMS)
def test_same_object_variables_and_outputs(form):
    model = built(form)
    weights, before, outputs = list(model.weights), values(model), model.predict(X, verbose=0)
    names = [named.path for named in batch_normalizations(model)]
    assert tfbn.convert(model) is model
    found = batch_normalizations(model)
    assert [named.path for named in found] == names
    assert len(found) == COUNTS[form]
    assert all(type(named.layer) is BatchNormalization for named in found)
    assert all(a is b for a, b in zip(model.weights, weights, strict=True))
    for a, b in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.predict(X, verbose=0), outputs)


@pytest.mark.parametrize("form", FORMS)
def test_a_converted_model_without_flags_trains_as_before(form):
    stock, ours = built(form), tfbn.convert(built(form))
    for model in (stock, ours):
        model.compile("sgd", "mse")
        train(form, model)
    for a, b in zip(values(ours), values(stock), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("form", FORMS)
def test_conversion_of_a_compiled_model_takes_effect_in_its_next_fit(form):
    model = built(form)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    train(form, model)
    state = [v.numpy().copy() for v in model.optimizer.variables]
    tfbn.convert(model, training=False)
    for a, b in zip(model.optimizer.variables, state, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    statistics = [
        v for s in batch_normalizations(model) for v in (s.layer.moving_mean, s.layer.moving_variance)
    ]
    before = [v.numpy().copy() for v in statistics]
    train(form, model)
    for variable, value in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    tfbn.revert(model)
    train(form, model)
    for variable, value in zip(statistics, before, strict=True):
        assert np.all(variable.numpy() != value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["keras", "weights.h5"])
def test_saved_form(form, suffix, tmp_path):
    model = built(form)
    outputs = np.array(model(X))
    tfbn.convert(model, training=True, update_statistics=False)
    path = tmp_path / f"model.{suffix}"
    if suffix == "keras":
        model.save(path)
        loaded = keras.models.load_model(path)
        layers = [named.layer for named in batch_normalizations(loaded)]
        if form == "Subclassed":  # its constructor makes the layers: stock ones
            assert [type(bn) for bn in layers] == [Stock] * COUNTS[form]
        else:
            assert [(bn.training, bn.update_statistics) for bn in layers] == [(True, False)] * COUNTS[form]
    else:  # weights alone go into a model that was never converted
        model.save_weights(path)
        loaded = built(form)
        for weight in loaded.weights:
            weight.assign(np.zeros(weight.shape))
        loaded.load_weights(path)
    np.testing.assert_array_equal(loaded(X), outputs)


def test_reverted_it_loads_where_tfbn_is_not_installed(tmp_path):
    model = tfbn.convert(built("nested"), training=True)
    model.compile("sgd", "mse", run_eagerly=True)
    fit(model)
    tfbn.revert(model)
    assert all(type(named.layer) is Stock for named in batch_normalizations(model))
    config = batch_normalizations(model)[0].layer.get_config()
    assert not {"training", "update_statistics", "fused"} & set(config)
    model.save(tmp_path / "model.keras")
    expected = model.predict(X, verbose=0)
    with without_tfbn():
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded.predict(X, verbose=0), expected)


def test_classes_by_others_are_left_alone_and_reported():
    inputs = keras.Input((6,))
    theirs, stock = TheirNormalization(name="theirs"), Stock(name="stock")
    model = keras.Model(inputs, stock(theirs(inputs)))
    with pytest.warns(UserWarning, match=r"Left alone: 1 layer .*subclasses=True.*: theirs"):
        tfbn.convert(model, training=True)
    assert type(theirs) is TheirNormalization
    assert type(stock) is BatchNormalization
    tfbn.convert(model, training=True, subclasses=True)
    assert type(theirs) is BatchNormalization
    tfbn.revert(model)
    assert (type(theirs), type(stock)) == (TheirNormalization, Stock)


class Unrelated(Stock):
    """Another class that somebody derived."""


@pytest.mark.parametrize("asked", [TheirNormalization, (TheirNormalization,)])
def test_only_the_classes_that_are_named_are_converted(asked):
    inputs = keras.Input((6,))
    theirs, other = TheirNormalization(name="theirs"), Unrelated(name="other")
    model = keras.Model(inputs, other(theirs(inputs)))
    with pytest.warns(UserWarning, match="Left alone: 1 layer .*: other"):
        tfbn.convert(model, subclasses=asked)
    assert (type(theirs), type(other)) == (BatchNormalization, Unrelated)
    tfbn.revert(model)
    assert type(theirs) is TheirNormalization


def test_flags_that_are_not_given_stay():
    model = tfbn.convert(built("functional"), training=True)
    tfbn.convert(model, update_statistics=False)
    layer = batch_normalizations(model)[0].layer
    assert (layer.training, layer.update_statistics) == (True, False)


def guides_recipe(training=False):
    """The official guide's transfer learning: `base(x, training=False)`, here with the base unfrozen."""
    inner = keras.Input((6,))
    x = L.Dropout(0.2, seed=1)(L.BatchNormalization(name="bn", momentum=0.5)(L.Dense(5)(inner)))
    base = keras.Model(inner, L.Activation("elu")(x), name="base")
    inputs = keras.Input((6,))
    x = L.BatchNormalization(name="head_bn", momentum=0.5)(base(inputs, training=training))
    model = keras.Model(inputs, L.Dense(2)(L.Dropout(0.5, seed=3, name="head_dropout")(x)))
    rng = np.random.default_rng(5)
    for bn in (base.get_layer("bn"), model.get_layer("head_bn")):
        for variable in bn.weights:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    model.compile("sgd", "mse")
    return model


SETTERS = {
    "convert the model": lambda model: (
        tfbn.convert(model, training=False),
        setattr(model.get_layer("head_bn"), "training", None),
    ),
    "convert the base": lambda model: tfbn.convert(model.get_layer("base"), training=False),
    "freeze": lambda model: tfbn.freeze(model, "base", training=False, trainable=True),
}


@pytest.mark.parametrize("setter", SETTERS)
def test_the_guides_recipe_converted(setter, tmp_path, rng):
    """Statistics held to the bit, gamma and beta trained, and the head in training mode, in every Keras."""
    model = guides_recipe()
    SETTERS[setter](model)
    bn, head_bn = model.get_layer("base").get_layer("bn"), model.get_layer("head_bn")
    state = model.get_layer("head_dropout").seed_generator.state
    watched = [*bn.weights, *head_bn.weights, state]
    before = {v.path: v.numpy().copy() for v in watched}
    model.fit(X[:, 0], rng.normal(size=(10, 2)), verbose=0)
    moved = {v.path: v.numpy() != before[v.path] for v in watched}
    assert not moved[bn.moving_mean.path].any()
    assert not moved[bn.moving_variance.path].any()
    for v in (bn.gamma, bn.beta, head_bn.gamma, head_bn.beta):
        assert moved[v.path].any(), v.path
    for v in (head_bn.moving_mean, head_bn.moving_variance):
        assert moved[v.path].all(), v.path
    assert moved[state.path].any()  # Dropout in the head drew


def test_revert_gives_the_call_site_its_flag_back():
    model = guides_recipe()
    base = model.get_layer("base")
    assert call_sites.training_flags(base) == [False]
    tfbn.convert(model, training=False)
    assert call_sites.training_flags(base) == []
    tfbn.revert(model)
    assert call_sites.training_flags(base) == [False]


def test_conversion_without_flags_leaves_the_call_site():
    model = guides_recipe()
    tfbn.convert(model)
    assert call_sites.training_flags(model.get_layer("base")) == [False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tfbn.convert(functional(), training=1), "Expected `training` to be True, False or None"),
        (lambda: tfbn.convert(keras.Sequential([keras.Input((2,)), L.Dense(1)])), "at least one BatchNorm"),
        (lambda: tfbn.convert(keras.Sequential([L.BatchNormalization()])), "to be built"),
        (lambda: tfbn.convert(functional(), fused="yes"), "Expected `fused`"),
        (lambda: tfbn.convert(functional(), subclasses="all"), "Expected `subclasses` to be True, False or"),
        (lambda: tfbn.convert(functional(), subclasses=(L.Dense,)), "Expected `subclasses`"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in applications.QUICK else pytest.mark.long) for n in applications.SIZES],
)
def test_applications(name, tmp_path):
    model, x = applications.build(name), applications.images(name)
    outputs = np.array(model(x, training=False))
    stock = [named.path for named in batch_normalizations(model) if type(named.layer) is Stock]
    tfbn.convert(model, training=True)
    assert [s.path for s in batch_normalizations(model) if type(s.layer) is BatchNormalization] == stock
    assert len(stock) == sum(type(layer).__name__ == "BatchNormalization" for layer in model.layers)
    np.testing.assert_array_equal(model(x, training=False), outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert all(named.layer.training is True for named in batch_normalizations(loaded))
    np.testing.assert_array_equal(tfbn.revert(loaded)(x, training=False), outputs)
