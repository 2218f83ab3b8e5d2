"""The `training=` of a call in a graph: found, taken away, put back."""

import keras
import pytest

from tfbn.graph import call_sites

L = keras.layers


@pytest.fixture
def layers():
    return {name: L.BatchNormalization(name=name) for name in ("flagged", "free", "deep", "beside")}


@pytest.fixture
def inner(layers):
    """Holds `deep`; is itself called with a flag."""
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers["deep"](inputs), name="inner")


@pytest.fixture
def model(layers, inner):
    inputs = keras.Input((3,))
    x = layers["free"](layers["flagged"](inputs, training=False))
    x = inner(x, training=True)
    return keras.Model(inputs, layers["beside"](x, training=False))


def flags(model, layers, inner):
    return {layer.name: call_sites.training_flags(layer) for layer in [*layers.values(), inner]}


SET = {"flagged": [False], "free": [], "deep": [], "beside": [False], "inner": [True]}


def test_flags_are_those_of_the_call(model, layers, inner):
    assert flags(model, layers, inner) == SET


def test_every_call_of_a_shared_layer_counts():
    inputs, layer = keras.Input((3,)), L.BatchNormalization()
    layer(layer(layer(layer(inputs), training=True), training=False), training=None)
    assert call_sites.training_flags(layer) == [True, False]


def test_a_layer_that_is_in_no_graph_has_none():
    assert call_sites.training_flags(L.BatchNormalization()) == []


@pytest.mark.parametrize(
    ("cleared", "gone"),
    [
        (["flagged"], ["flagged"]),
        (["deep"], ["inner"]),  # what is passed to the container reaches the layer
        (["free"], []),
        (["flagged", "deep", "beside"], ["flagged", "inner", "beside"]),
        ([], []),
    ],
)
def test_clear_takes_them_away_here_and_around_and_nowhere_else(cleared, gone, model, layers, inner):
    call_sites.clear(model, [layers[name] for name in cleared])
    assert flags(model, layers, inner) == SET | {name: [] for name in gone}


def test_the_model_itself_is_a_container(model, layers):
    inputs = keras.Input((3,))
    keras.Model(inputs, model(inputs, training=False))
    assert False in call_sites.training_flags(model)
    call_sites.clear(model, [layers["free"]])
    assert call_sites.training_flags(model) == []


def test_restore_undoes_clear_also_after_two_of_them(model, layers, inner):
    wanted = [layers["flagged"], layers["deep"]]
    call_sites.clear(model, wanted)
    call_sites.clear(model, wanted)  # takes away nothing more
    call_sites.restore(model, wanted)
    assert flags(model, layers, inner) == SET
    call_sites.restore(model, wanted)
    assert flags(model, layers, inner) == SET


def test_restore_leaves_alone_what_was_not_asked_for(model, layers, inner):
    call_sites.clear(model, [layers["flagged"], layers["beside"]])
    call_sites.restore(model, [layers["beside"]])
    assert flags(model, layers, inner) == SET | {"flagged": []}


def test_the_flag_decides_in_a_call_until_it_is_cleared(rng):
    """With a flag `training=True`, an inference call normalizes by the batch or not at all as Keras has it;
    without one it surely uses the moving statistics."""
    inputs, layer = keras.Input((3,)), L.BatchNormalization()
    model = keras.Model(inputs, layer(inputs, training=True))
    layer.moving_mean.assign([5, 6, 7])
    call_sites.clear(model, [layer])
    x = rng.normal(size=(8, 3)).astype("float32")
    expected = (x - [5, 6, 7]) / (1 + layer.epsilon) ** 0.5
    assert keras.ops.convert_to_numpy(model(x, training=False)) == pytest.approx(expected, rel=1e-5)
