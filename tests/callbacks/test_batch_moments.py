"""What the doctor measures of a batch, against float64 NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfbn.callbacks.batch_moments import (
    CHANNELS,
    CLASSES,
    as_one_operation,
    class_counts,
    input_moments,
    measured,
)


def padded(values):
    return np.pad(values[:CHANNELS], (0, max(0, CHANNELS - len(values))))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((6, 5), 1), ((7, 16, 16, 3), 3), ((6, 17, 16, 20), 3), ((6, 3, 60, 50), 1), ((6, 1000, 4), 2)],
)
def test_moments_of_both_halves(shape, axis, rng):
    x = rng.normal(3, 2, shape).astype("float32")
    moving = rng.normal(size=shape[axis]), rng.uniform(1, 2, shape[axis])
    rows = measured(tf.constant(x), axis, *(tf.constant(each, "float32") for each in moving)).numpy()
    parts = [np.moveaxis(part, axis, -1).reshape(-1, shape[axis]) for part in np.split(x, [shape[0] // 2])]
    expected = [each for part in parts for each in (part.mean(0, "float64"), part.var(0, "float64"))]
    np.testing.assert_allclose(rows, [padded(each) for each in (*expected, *moving)], rtol=1e-4, atol=1e-6)


def test_the_edge_counts_as_in_the_moving_statistics():
    """As padding leaves it: what stands at the edge is another value, and rare."""
    x = np.zeros((4, 57, 57, 1), "float32")
    x[:, [0, -1]] = x[:, :, [0, -1]] = 10
    rows = measured(tf.constant(x), 3, tf.zeros(1), tf.ones(1)).numpy()
    np.testing.assert_allclose(rows[:2, 0], [x.mean(dtype="float64"), x.var(dtype="float64")], rtol=1e-5)


def test_the_size_may_be_unknown(rng):
    x = rng.normal(size=(4, 40, 40, 2)).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2))])
    def traced(x):
        return measured(x, 3, tf.zeros(2), tf.ones(2))

    np.testing.assert_allclose(traced(x)[0, :2], x[:2].mean((0, 1, 2), "float64"), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shape", [(7, 3), (1, 3), (1, 1), (7, 5, 6, 3), (8, 4, 4, 20), (1, 4, 4, 3)])
def test_moments_of_inputs(shape, rng):
    x = rng.normal(100, 2, shape).astype("float32")
    rows = input_moments(tf.constant(x)).numpy().reshape(4, 2, CHANNELS)
    flat = x.reshape(shape[0], -1, shape[-1]).astype("float64")
    half = shape[0] // 2
    for row, part in zip(rows, (flat[:half], flat[half:], flat[::2], flat[1::2]), strict=True):
        if len(part):
            expected = part.mean((0, 1)), part.var((0, 1))
            np.testing.assert_allclose(row, [padded(each) for each in expected], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("one_hot", [False, True])
def test_counts_of_classes(one_hot):
    labels = np.array([2, 0, 2, 1, 2])
    counts = class_counts(tf.constant(np.eye(4)[labels] if one_hot else labels[:, None])).numpy()
    assert counts.tolist() == np.bincount(labels, minlength=CLASSES).tolist()


def test_what_is_no_class_is_not_counted():
    assert class_counts(tf.constant([0.5, 3.0, 0.25])).numpy().sum() == 1
    assert class_counts(tf.constant([[0.5, 0.5], [1.0, 1.0], [0.0, 1.0]])).numpy().sum() == 1


def test_one_operation_in_a_traced_step_and_none_in_eager_code():
    def many(x):
        return tf.reduce_sum(x * x) + tf.reduce_sum(x)

    assert as_one_operation(many) is many
    x = tf.constant([2.0, 3.0])
    step = tf.function(lambda x: as_one_operation(many)(x))
    assert step(x).numpy() == 18
    graph = step.get_concrete_function(x).graph.as_graph_def()
    assert not any(node.op in ("Mul", "Sum") for node in graph.node)
    (function,) = graph.library.function
    assert function.attr["_noinline"].b
    assert sorted(node.op for node in function.node_def if node.op in ("Mul", "Sum")) == ["Mul", "Sum", "Sum"]
