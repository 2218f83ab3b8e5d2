"""The gradient of `normalize_by_held`, x, gamma and beta, against float64 from the formula."""

import keras
import numpy as np
import pytest

from tfbn.layers import fused

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's operation")
EPSILON = 0.01


@pytest.mark.parametrize("shape", [(5, 3), (4, 6, 3), (2, 3, 4, 3), (2, 2, 3, 2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_are_those_of_the_formula(rng, shape, dtype):
    import tensorflow as tf

    x = rng.normal(2, 3, shape).astype(dtype)
    dy = rng.normal(size=shape).astype(dtype)
    gamma, beta, mean = (rng.normal(1, 1, 3).astype("float32") for _ in range(3))
    variance = rng.uniform(0.5, 4, 3).astype("float32")
    tensors = [tf.constant(value) for value in (x, gamma, beta)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = fused.normalize_by_held(*tensors, mean, variance, EPSILON)
    found = tape.gradient(y, tensors, output_gradients=tf.constant(dy))
    wide, wide_dy = x.astype("float64"), dy.astype("float64")
    deviation = np.sqrt(variance.astype("float64") + EPSILON)
    normalized = (wide - mean) / deviation
    axes = tuple(range(len(shape) - 1))
    expected = [wide_dy * gamma / deviation, (wide_dy * normalized).sum(axes), wide_dy.sum(axes)]
    tolerance = 1e-5 if dtype == "float32" else 2e-3
    np.testing.assert_allclose(y, gamma * normalized + beta, rtol=tolerance, atol=20 * tolerance)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=20 * tolerance)
    assert [gradient.dtype for gradient in found] == [x.dtype, "float32", "float32"]
