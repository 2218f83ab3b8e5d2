"""A mask is refused exactly where the stock layer refuses it, and weighs as it does there."""

import itertools

import keras
import numpy as np
import pytest

import tfbn

FLAGS = list(itertools.product((None, True, False), (None, True, False), (True, False)))
SHAPES = {
    (4, 4, 3): [(4,), (4, 4, 3), (4, 4), (1, 4), (4, 1), (4, 3), (2, 4), (1, 1)],
    (4, 3): [(4,), (1,), (3,), (4, 3), (), (4, 1)],
    (2, 4, 5, 3): [(2, 4), (2, 4, 5), (2, 1, 5), (4, 5), (2, 5, 4)],
}
CASES = [(shape, mask) for shape, masks in SHAPES.items() for mask in masks]


def built(kind, shape, rng, **flags):
    layer = kind(momentum=0.5, **flags)
    layer.build((None, *shape[1:]))
    layer.moving_mean.assign(rng.normal(size=shape[-1:]))
    layer.moving_variance.assign(rng.uniform(0.5, 2, shape[-1:]))
    return layer


def outcome(layer, x, mask, training):
    """The outputs and the statistics after a call, or None if it is refused."""
    try:
        outputs = layer(x, training=training, mask=mask)
    except Exception:  # of the backend's kinds, one for each way in which shapes do not fit
        return None
    return [np.array(value) for value in (outputs, layer.moving_mean, layer.moving_variance)]


@pytest.mark.parametrize("synchronized", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("shape", "mask_shape"), CASES, ids=str)
def test_a_mask_is_refused_where_stock_refuses_it(rng, shape, mask_shape, synchronized):
    x = rng.normal(5, 3, shape).astype("float32")
    mask = rng.uniform(size=mask_shape) < 0.7
    # What the batch's moments do not enter is the held layer, whose counterpart is frozen stock.
    stock = {
        by_moments: outcome(
            built(
                keras.layers.BatchNormalization, shape, rng, trainable=by_moments, synchronized=synchronized
            ),
            x,
            mask,
            True,
        )
        for by_moments in (True, False)
    }
    for training, update, trainable in FLAGS:
        for fused in (None, False)[: 1 if synchronized else 2]:  # synchronized layers have no fused kernel
            flags = {
                "training": training,
                "update_statistics": update,
                "trainable": trainable,
                "fused": fused,
            }
            layer = built(tfbn.BatchNormalization, shape, rng, synchronized=synchronized, **flags)
            before = np.array(layer.moving_mean)
            mode = layer.mode
            found = outcome(layer, x, mask, True)
            by_moments = mode.normalizes_by == "batch" or mode.updates
            assert (found is None) == (stock[by_moments] is None), flags
            if found is None:
                np.testing.assert_array_equal(layer.moving_mean, before)


@pytest.mark.parametrize("flags", [{}, {"batch_statistics_in_inference": True}])
@pytest.mark.parametrize("mask_shape", [(4,), (4, 4, 3), (4, 4)])
def test_an_inference_call_refuses_a_mask_of_another_rank(rng, flags, mask_shape):
    x, mask = rng.normal(5, 3, (4, 4, 3)).astype("float32"), np.ones(mask_shape, bool)
    layer = built(tfbn.BatchNormalization, x.shape, rng, **flags)
    assert (outcome(layer, x, mask, False) is None) == (len(mask_shape) != 2)
    assert (outcome(built(keras.layers.BatchNormalization, x.shape, rng), x, mask, False) is None) == (
        len(mask_shape) != 2
    )


@pytest.mark.parametrize("update", [True, False])
@pytest.mark.parametrize("mask_shape", [(4, 4), (1, 4), (4, 1)])
def test_the_mask_weighs_in_modes_that_stock_does_not_have(rng, mask_shape, update):
    x = rng.normal(5, 3, (4, 4, 3)).astype("float32")
    mask = rng.uniform(size=mask_shape) < 0.6
    mask.flat[0] = True
    layer = built(
        tfbn.BatchNormalization, x.shape, rng, training=True, trainable=False, update_statistics=update
    )
    old = np.array(layer.moving_mean, "float64")
    chosen = np.asarray(x, "float64")[np.broadcast_to(mask, (4, 4))]
    mean, variance = chosen.mean(0), chosen.var(0)
    stock = built(keras.layers.BatchNormalization, x.shape, rng)
    before = np.array(stock.moving_mean, "float64")
    if not np.allclose(outcome(stock, x, mask, True)[1], 0.5 * before + 0.5 * mean, rtol=1e-4):
        pytest.skip("the stock layer of this Keras weighs a mask that is broadcast otherwise")
    y, moving, _ = outcome(layer, x, mask, True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-4)
    expected = 0.5 * old + 0.5 * mean if update else old
    np.testing.assert_allclose(moving, expected, rtol=1e-5)
