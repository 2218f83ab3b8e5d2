"""Which layers a pattern chooses."""

import keras
import pytest

import tfbn
from tfbn.graph.selection import select
from tfbn.graph.traversal import named_layers

L = keras.layers


def automatic_names():
    """Names as Keras gives them: each is the start of the next."""
    layers = [L.Dense(3, name=name) for name in ("dense", "dense_1", "dense_2")]
    return keras.Sequential(
        [keras.Input((6,)), *layers, L.Dense(2, name="conv1_a"), L.Dense(2, name="conv1_b")]
    )


class Twins(keras.Model):
    """Two containers of the same name, as two blocks that both call themselves "block"."""

    def __init__(self):
        super().__init__()
        self.first = keras.Sequential([keras.Input((6,)), L.Dense(6, name="d")], name="block")
        self.second = keras.Sequential([keras.Input((6,)), L.Dense(2, name="d")], name="block")

    def call(self, x):
        return self.second(self.first(x))


def paths(*args, **kwargs):
    return [named.path for named in select(*args, **kwargs)]


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ({"layers": "dense"}, ["dense"]),
        ({"up_to": "dense"}, ["dense"]),
        ({"up_to": "dense_1"}, ["dense", "dense_1"]),
        ({"layers": "dense*"}, ["dense", "dense_1", "dense_2"]),
        ({"layers": "conv1"}, ["conv1_a", "conv1_b"]),  # no layer of that name: the stage
        ({"layers": ["conv1", "dense_2"]}, ["dense_2", "conv1_a", "conv1_b"]),
        ({"layers": "dense_[12]"}, ["dense_1", "dense_2"]),
    ],
)
def test_an_exact_name_means_that_layer(arguments, chosen):
    assert paths(automatic_names(), **arguments) == chosen


def test_containers_of_one_name_are_told_apart():
    model = Twins()
    model.build((None, 6))
    assert [named.path for named in named_layers(model)] == ["block", "block/d", "block#2", "block#2/d"]
    assert paths(model, "block#2") == ["block#2", "block#2/d"]
    tfbn.freeze(model, "block#2")
    assert {tuple(v.shape) for v in model.trainable_variables} == {(6, 6), (6,)}
    tfbn.freeze(model)
    tfbn.unfreeze(model, "block#2/d")
    assert {tuple(v.shape) for v in model.trainable_variables} == {(6, 2), (2,)}


def test_a_container_chooses_what_it_shares_with_another():
    shared = L.Dense(6, name="shared")
    a, b = (keras.Sequential([keras.Input((6,)), shared], name=name) for name in "ab")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, L.Dense(2, name="head")(b(a(inputs))))
    assert paths(model, "b") == ["a/shared", "b"]


def test_a_single_layer_is_refused():
    layer = L.BatchNormalization(name="bn")
    layer.build((None, 3))
    with pytest.raises(ValueError, match=r"Expected `model` to hold layers.*model='bn'"):
        tfbn.freeze(layer)
    assert layer.trainable
