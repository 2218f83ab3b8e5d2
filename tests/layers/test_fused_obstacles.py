"""When the fused operation serves, and by what it normalizes then."""

import keras
import numpy as np
import pytest

from tfbn import BatchNormalization
from tfbn.layers import fused

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's operation")
SHAPE = (4, 6, 3, 3)  # every axis but the batch's could be that of three or six channels

CASES = {
    "nothing": ({}, {}, None),
    "the last axis by its number": ({"axis": 3}, {}, None),
    "the axis before it": ({"axis": 2}, {}, "the axis is not the last one"),
    "the first axis": ({"axis": 1}, {}, "the axis is not the last one"),
    "a mask": ({}, {"mask": True}, "a mask weighs the samples"),
    "synchronized": ({"synchronized": True}, {}, "the statistics are synchronized over replicas"),
    "epsilon just large enough": ({"epsilon": fused.MIN_EPSILON}, {}, None),
    "epsilon too small": ({"epsilon": 1e-5}, {}, "epsilon is below 1.001e-05"),
    "float64 inputs": ({}, {"dtype": "float64"}, "the inputs are float64"),
    "float16 inputs": ({}, {"dtype": "float16"}, None),
    "bfloat16 variables": ({"dtype": "bfloat16"}, {}, "the variables are bfloat16"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_in_the_way(case):
    arguments, call, expected = CASES[case]
    layer = BatchNormalization(**arguments)
    layer.build((None, *SHAPE[1:]))
    inputs = keras.ops.ones(SHAPE, dtype=call.get("dtype", "float32"))
    assert fused.obstacle(layer, inputs, call.get("mask")) == expected


def test_two_axes_are_enough_and_one_is_not():
    layer = BatchNormalization()
    layer.build((None, 3))
    assert fused.obstacle(layer, keras.ops.ones((4, 3))) is None
    assert fused.obstacle(layer, keras.ops.ones((3,))) == "the inputs have fewer than two axes"


@pytest.mark.skipif(not hasattr(BatchNormalization(), "renorm"), reason="before renorm")
def test_renorm_is_in_the_way():
    layer = BatchNormalization(renorm=True)
    layer.build((None, 3))
    assert fused.obstacle(layer, keras.ops.ones((4, 3))) == "renorm corrects the statistics"


@pytest.mark.parametrize("shape", [(7, 3), (4, 5, 3), SHAPE])
def test_the_batch_normalizes(rng, shape):
    x = rng.normal(2, 3, shape).astype("float32")
    gamma, beta = rng.normal(size=(2, 3)).astype("float32")
    wide, axes = x.astype("float64"), tuple(range(len(shape) - 1))
    expected = gamma * (wide - wide.mean(axes)) / np.sqrt(wide.var(axes) + 0.01) + beta
    np.testing.assert_allclose(fused.normalize_by_batch(x, gamma, beta, 0.01), expected, rtol=1e-4, atol=1e-5)
