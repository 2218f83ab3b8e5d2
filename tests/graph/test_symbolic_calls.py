"""What layers are said to receive, against what they then do receive."""

import keras
import numpy as np
import pytest

from tfbn.graph.symbolic_calls import Call, received, symbolic_inputs

VERSION = tuple(int(part) for part in keras.__version__.split(".")[:2])
L = keras.layers


def calls(model, layers, training):
    found = received(model, layers, training)
    return [found.get(id(layer)) for layer in layers]


def functional():
    inputs = keras.Input((8, 8, 3))
    first, second = L.BatchNormalization(), L.BatchNormalization()
    x = second(L.Conv2D(4, 3, strides=2)(first(inputs)))
    return keras.Model(inputs, x), [first, second]


@keras.saving.register_keras_serializable(package="tests")
class Stubborn(keras.Model):
    """Passes `training` on to one, its own value to the next, and leaves the third out in `fit`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.layers_of_it = [L.BatchNormalization() for _ in range(3)]

    def build(self, input_shape):
        for layer in self.layers_of_it:
            layer.build(input_shape)

    def call(self, inputs, training=False):
        first, second, third = self.layers_of_it
        x = second(first(inputs, training=training), training=False)
        return x if training else third(x, training=True)


@pytest.mark.parametrize("training", [True, False])
def test_a_functional_model_passes_on_how_it_is_called(training):
    model, layers = functional()
    expected = [[Call(training, (None, 8, 8, 3))], [Call(training, (None, 3, 3, 4))]]
    assert calls(model, layers, training) == expected


def test_a_subclassed_model_passes_on_as_it_likes():
    model = Stubborn()
    model.build((None, 5))
    shape = (None, 5)
    in_fit, in_evaluate = (calls(model, model.layers_of_it, training) for training in (True, False))
    assert in_fit == [[Call(True, shape)], [Call(False, shape)], None]
    assert in_evaluate == [[Call(False, shape)], [Call(False, shape)], [Call(True, shape)]]


def test_a_flag_at_a_call_site_is_told_as_this_keras_has_it():
    inputs = keras.Input((5,))
    here, later = L.BatchNormalization(), L.BatchNormalization()
    model = keras.Model(inputs, later(here(inputs, training=False)))
    obeyed = VERSION >= (3, 16)
    assert [found[0].training for found in calls(model, [here, later], True)] == [not obeyed, not obeyed]


def test_a_shared_layer_is_called_as_often_as_it_is_used():
    layer = L.BatchNormalization()
    first, second = keras.Input((4, 3)), keras.Input((6, 3))
    model = keras.Model([first, second], [layer(first), layer(layer(second))])
    [found] = calls(model, [layer], True)
    assert sorted(call.shape for call in found) == [(None, 4, 3), (None, 6, 3), (None, 6, 3)]
    assert all(call.training is True for call in found)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # for the layer that `fit` leaves out
def test_what_is_said_is_what_fit_and_predict_then_do(rng):
    """The moving statistics move in `fit` exactly where a trainable layer was told `training`."""
    model = Stubborn()
    model.build((None, 5))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    said = [found is not None and found[0].training for found in calls(model, model.layers_of_it, True)]
    before = [np.array(layer.moving_mean, copy=True) for layer in model.layers_of_it]
    x = np.float32(rng.normal(3, 2, (16, 5)))
    model.fit(x, x, batch_size=8, verbose=0)
    moved = [
        bool(np.any(np.array(layer.moving_mean) != value))
        for layer, value in zip(model.layers_of_it, before, strict=True)
    ]
    assert moved == said == [True, False, False]


def test_asking_changes_nothing(rng):
    model, layers = functional()
    for weight in model.weights:
        weight.assign(rng.uniform(1, 2, weight.shape))
    before = [np.array(weight, copy=True) for weight in model.weights]
    received(model, layers, training=True)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)
    assert all(type(layer) is L.BatchNormalization and "call" not in vars(layer) for layer in layers)


def test_a_model_that_fails_is_left_as_it_was():
    class Broken(keras.Model):
        def __init__(self):
            super().__init__()
            self.bn = L.BatchNormalization()

        def build(self, input_shape):
            self.bn.build(input_shape)

        def call(self, inputs, training=False):
            self.bn(inputs, training=training)
            if training:
                raise ZeroDivisionError("in the middle")
            return inputs

    model = Broken()
    model.build((None, 2))
    attributes = dict(vars(model.bn))
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        received(model, [model.bn], training=True)
    assert vars(model.bn).keys() == attributes.keys()
    assert calls(model, [model.bn], False) == [[Call(False, (None, 2))]]


def test_symbolic_inputs_have_the_models_structure_shapes_and_types():
    number, text = keras.Input((3,), name="number"), keras.Input((2, 4), name="code", dtype="int32")
    joined = L.Concatenate()([number, L.Flatten()(keras.ops.cast(text, "float32"))])
    model = keras.Model({"number": number, "code": text}, joined)
    found = symbolic_inputs(model)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in found.items()} == {
        "number": ((None, 3), "float32"),
        "code": ((None, 2, 4), "int32"),
    }
    assert found["number"] is not number


def test_symbolic_inputs_of_a_subclassed_model_are_those_it_was_built_with():
    model = Stubborn()
    with pytest.raises(ValueError, match=r"Expected `model` to know the shape .*`model.build\(shape\)`"):
        symbolic_inputs(model)
    model.build((7, 5))
    assert symbolic_inputs(model).shape == (None, 5)
