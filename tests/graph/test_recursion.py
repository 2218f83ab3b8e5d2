"""Networks deeper than Python's limit of nested calls, here lowered so that smaller ones are too deep."""

import sys

import keras
import numpy as np
import pytest

from tfbn import models


@pytest.fixture
def _low_limit():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(500)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_low_limit")
def test_deep_network_builds_under_a_low_limit():
    # Plain: no shortcut makes the way through the graph shorter.
    model = models.plain_cifar(182, width=1)
    assert len([layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]) == 181
    assert sys.getrecursionlimit() == 500
    # It is deep enough to need the room: Keras alone does not get through.
    with pytest.raises(RecursionError):
        keras.models.clone_model(model)


@pytest.mark.slow
@pytest.mark.usefixtures("_low_limit")
def test_deep_network_is_saved_loaded_and_cloned(tmp_path, rng):
    model = models.plain_cifar(182, width=1, input_shape=(8, 8, 1), normalization=None)
    for layer in model.layers[:-1]:  # the identity, so that something is left after 181 layers
        if layer.weights:
            kernel = np.zeros(layer.kernel.shape)
            kernel[1, 1] = np.eye(*kernel.shape[2:])
            layer.set_weights([kernel, np.zeros(kernel.shape[-1])])
    model.save(tmp_path / "deep.keras")
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    expected = np.asarray(model(x)).copy()
    with models.deep_graphs():
        loaded = keras.models.load_model(tmp_path / "deep.keras")
        clone = keras.models.clone_model(model)
    assert (expected[0] != expected[1]).all()
    assert (np.asarray(loaded(x)) == expected).all()
    assert len(clone.layers) == len(model.layers)
    again = models.plain_cifar(
        182, width=1, input_shape=(8, 8, 1), normalization=None, weights=tmp_path / "deep.keras"
    )
    assert (np.asarray(again(x)) == expected).all()


def test_limit_is_put_back_after_an_error_and_never_lowered():
    before = sys.getrecursionlimit()
    with pytest.raises(KeyError), models.deep_graphs():
        raise KeyError
    assert sys.getrecursionlimit() == before
    with models.deep_graphs(limit=10):
        assert sys.getrecursionlimit() == before


@pytest.mark.long
def test_1202_layers(tmp_path, rng):
    model = models.build("resnet1202")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 19_421_274
    x = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    outputs = np.asarray(model(x, training=True))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    assert (outputs[0] != outputs[1]).any()
    assert len(model.get_config()["layers"]) == len(model.layers)
    model.save(tmp_path / "network.keras")
    with models.deep_graphs():
        loaded = keras.models.load_model(tmp_path / "network.keras")
    for old, new in zip(model.weights, loaded.weights, strict=True):
        assert (np.array(old) == np.array(new)).all()
