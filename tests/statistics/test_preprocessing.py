"""Models that do something with data before their layers see them: statistics of what those see."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.statistics.mismatch import Probe
from tfbn.statistics.recalibration import population_statistics, recalibrate
from tfbn.statistics.two_modes import Performance

L = keras.layers


def with_predict_step(rng):
    class Scaled(keras.Model):
        def predict_step(self, data):
            x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
            return super().predict_step((x / 255,))

    return network(Scaled)


def network(kind):
    inputs = keras.Input((8, 8, 3))
    x = L.BatchNormalization(name="bn")(L.Conv2D(4, 3, use_bias=False, name="conv")(inputs))
    return kind(inputs, L.Dense(3, name="head")(L.GlobalAveragePooling2D(name="pool")(x)))


class Pipeline(keras.Model):
    """The protocol of a keras-hub task, written out: `fit` and `predict` preprocess raw samples."""

    def preprocess_samples(self, x, y=None, sample_weight=None):
        return keras.utils.pack_x_y_sample_weight(x / 255, y, sample_weight)

    def predict(self, x, **kwargs):
        return super().predict(x / 255, **kwargs)


def pipeline(rng):
    return network(Pipeline)


def keras_hub_task(rng):
    hub = pytest.importorskip("keras_hub")
    backbone = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(8, 8, 3),
    )
    converter = hub.layers.ResNetImageConverter(image_size=(8, 8), scale=1 / 255.0)
    preprocessor = hub.models.ResNetImageClassifierPreprocessor(converter)
    return hub.models.ResNetImageClassifier(backbone=backbone, num_classes=3, preprocessor=preprocessor)


HUB_TASK = pytest.param(keras_hub_task, marks=pytest.mark.slow)
MODELS = [with_predict_step, pipeline, HUB_TASK]


@pytest.fixture
def raw(rng):
    return rng.integers(0, 256, (10, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize("make", MODELS)
def test_statistics_are_those_of_what_the_layers_see(make, rng, raw):
    model = make(rng)
    bare = keras.Model(model.input, model.output)  # the graph alone, on data that are preprocessed
    for method in ("batch", "exact"):
        expected = population_statistics(bare, raw / 255, batch_size=4, method=method)
        found = population_statistics(model, raw, batch_size=4, method=method)
        assert found.keys() == expected.keys()
        for path, statistics in found.items():
            np.testing.assert_allclose(statistics.mean, expected[path].mean, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(statistics.variance, expected[path].variance, rtol=1e-4)
    np.testing.assert_allclose(Probe(model, raw).measure(), Probe(bare, raw / 255).measure(), rtol=1e-3)
    expected = population_statistics(bare, raw / 255)
    recalibrate(model, raw, verbose=False)
    first = tfbn.traversal.batch_normalizations(bare)[0]
    np.testing.assert_allclose(
        np.array(first.layer.moving_mean), expected[first.path].mean, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("make", [pipeline, HUB_TASK])
def test_cached_features_are_those_of_preprocessed_data(make, rng, raw):
    model = make(rng)
    recalibrate(model, raw, verbose=False)
    head = model.layers[-1].name
    tfbn.freeze(model, up_to=model.layers[-2].name, training=False)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    y = np.arange(10) % 3
    outputs = model.predict(raw, verbose=0)
    for source in ((raw, y), (batches(raw, y),)):
        features = tfbn.cache_features(model, *source, verbose=False)
        cached = np.stack([x for x, _ in features.data.as_numpy_iterator()])
        labels = [int(label) for _, label in features.data.as_numpy_iterator()]
        assert labels == y.tolist()
        np.testing.assert_allclose(features.rest.predict(cached, verbose=0), outputs, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(features.prefix.predict(raw, verbose=0), cached, rtol=1e-4, atol=1e-5)
    before = np.array(model.get_layer(head).kernel, copy=True)
    features.rest.fit(features.data.batch(5), verbose=0, shuffle=False)
    assert (np.array(model.get_layer(head).kernel) != before).any()


def batches(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


def test_performance_in_both_modes_preprocesses_too(rng, raw):
    model, y = pipeline(rng), np.arange(10) % 3
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    probe = Probe(model, raw)
    probe.measure()
    found = Performance(model, raw, y).measure(probe.outputs)
    logits = np.float64(model.predict(raw, verbose=0))
    expected = -(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[np.arange(10), y].mean()
    assert found["inference"]["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_predict_step_of_ones_own_is_no_ground_for_cached_features(rng, raw):
    model = with_predict_step(rng)
    tfbn.freeze(model, up_to="pool")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"to be a Keras model with Keras's own predict_step"):
        tfbn.cache_features(model, raw, verbose=False)


def test_a_predict_step_with_several_calls(raw):
    class Flipped(keras.Model):
        def predict_step(self, data):
            return self(data[0], training=False) + self(data[0][:, :, ::-1], training=False)

    model = network(Flipped)
    assert population_statistics(model, raw)["bn"].count == 2 * 10 * 6 * 6
    with pytest.raises(ValueError, match=r"to call itself once in its own predict_step. Received: .*2 calls"):
        Probe(model, raw)


def test_a_model_without_call_is_not_blamed_on_the_data(raw):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = keras.Sequential([keras.Input((8, 8, 3)), L.BatchNormalization(name="bn")])
            self.built = True

        def train_step(self, data):
            return {"loss": keras.ops.mean(self.inner(data, training=True))}

    with pytest.raises(ValueError, match=r"Expected `model` to have a `call`, since `predict` runs it"):
        recalibrate(Pair(), raw, verbose=False)
