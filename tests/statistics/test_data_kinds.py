"""Whatever `predict` takes as data, `recalibrate`, `cache_features` and the probe take."""

import keras
import numpy as np
import pandas as pd
import pytest

import tfbn
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.recalibration import population_statistics, recalibrate
from tfbn.statistics.replaced_statistics import moments

L = keras.layers
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's tensors")


@pytest.fixture
def dense(rng):
    x = rng.normal(1, 2, (10, 4)) * (rng.uniform(size=(10, 4)) > 0.5)
    return x.astype("float32")


class Batched(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, index):
        x = self.x[3 * index : 3 * index + 3]
        return x, np.zeros((len(x), 2))


def sparse(x):
    import tensorflow as tf

    return tf.sparse.from_dense(x)


def sparse_batches(x):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((tf.sparse.from_dense(x), np.zeros((10, 2)))).batch(3)


def scipy_matrix(x):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return scipy_sparse.csr_matrix(x)


KINDS = {
    "SparseTensor": sparse,
    "batches of SparseTensor": sparse_batches,
    "SciPy": scipy_matrix,
    "pandas": lambda x: pd.DataFrame(x, index=range(100, 110)),
    "PyDataset": Batched,
    "generator": lambda x: ((x[i : i + 3], np.zeros((len(x[i : i + 3]), 2))) for i in range(0, 10, 3)),
    "generator of inputs": lambda x: (x[i : i + 3] for i in range(0, 10, 3)),
}


@pytest.mark.parametrize("sparse_input", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_statistics_features_and_mismatch_are_those_of_the_array(dense, kind, sparse_input):
    make = KINDS[kind]
    inputs = keras.Input((4,), sparse=sparse_input)
    hidden = L.BatchNormalization(name="bn")(L.Dense(3, name="dense")(inputs))
    model = keras.Model(inputs, L.Dense(2, name="head")(hidden))
    positions = np.float64(dense) @ np.float64(model.get_layer("dense").kernel)
    found = population_statistics(model, make(dense))["bn"]
    np.testing.assert_allclose(found.mean, positions.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.variance, positions.var(0), rtol=1e-5)
    assert np.isfinite(Probe(model, make(dense)).measure()).all()
    recalibrate(model, make(dense), verbose=False)
    np.testing.assert_allclose(np.array(model.get_layer("bn").moving_mean), positions.mean(0), atol=1e-5)
    tfbn.freeze(model, up_to="bn", training=False)
    model.compile("sgd", "mse")
    features = tfbn.cache_features(model, make(dense), verbose=False)
    cached = np.stack([e[0] if isinstance(e, tuple) else e for e in features.data.as_numpy_iterator()])
    outputs = model.predict(dense, verbose=0)
    np.testing.assert_allclose(features.rest.predict(cached, verbose=0), outputs, rtol=1e-4, atol=1e-6)


def test_ragged_positions_that_are_not_there_do_not_count(rng):
    import tensorflow as tf

    data = tf.ragged.constant([[1, 2, 3], [4], [5, 6]])
    inputs = keras.Input((None,), dtype="int32")
    hidden = L.BatchNormalization(name="bn")(L.Embedding(9, 3, name="table")(inputs))
    model = keras.Model(inputs, L.Dense(2, name="head")(L.GlobalAveragePooling1D(name="pool")(hidden)))
    norm = model.get_layer("bn")
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    positions = np.float64(model.get_layer("table").embeddings)[1:7]
    for source in (data, tf.data.Dataset.from_tensor_slices(data).batch(2)):
        for method in ("batch", "exact"):
            found = population_statistics(model, source, method=method)["bn"]
            np.testing.assert_allclose(found.mean, positions.mean(0), rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(found.variance, positions.var(0), rtol=1e-5)
            assert found.count == 6
    shift = np.sqrt(np.mean((positions.mean(0) - np.array(norm.moving_mean)) ** 2))
    assert Probe(model, data).measure()[0, 1] == pytest.approx(shift, rel=2e-3)
    tfbn.freeze(model, up_to="pool", training=False)
    model.compile("sgd", "mse")
    features = tfbn.cache_features(model, data, np.zeros((3, 2)), batch_size=2, verbose=False)
    cached = np.stack([x for x, _ in features.data.as_numpy_iterator()])
    outputs = model.predict(data, verbose=0)
    np.testing.assert_allclose(features.rest.predict(cached, verbose=0), outputs, rtol=1e-4, atol=1e-6)
    other = L.BatchNormalization(axis=1)
    other.build((None, 4, 3))
    with pytest.raises(ValueError, match=r"`axis` to be -1, since the inputs are ragged. Received: axis=1"):
        moments(other, data.with_flat_values(positions))


def test_nan_in_a_ragged_tensor_is_seen(rng):
    import tensorflow as tf

    inputs = keras.Input((None, 1))
    model = keras.Model(inputs, L.BatchNormalization(name="bn")(inputs))
    data = tf.ragged.constant([[[1.0]], [[2.0], [np.nan]]], ragged_rank=1)
    with pytest.raises(ValueError, match=r"free of NaN. Received: NaN in batch 0"):
        recalibrate(model, data, verbose=False)
