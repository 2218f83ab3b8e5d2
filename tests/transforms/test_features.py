"""Training on cached features against training with the prefix in place; refusals; memory and disk."""

import gc
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfbn
from tfbn.transforms import frozen_prefix
from tfbn.utils.validation import InputError

layers = keras.layers
SHAPE, EXAMPLES = (8, 8, 3), 22


def backbone(name="base", bn=tfbn.layers.BatchNormalization, **flags):
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, use_bias=False, name="conv1")(inputs)
    x = layers.ReLU()(bn(name="bn1", **flags)(x))
    branch = bn(name="bn2", **flags)(layers.Conv2D(4, 3, padding="same", name="conv2")(x))
    x = layers.ReLU(name="relu2")(layers.Add(name="add")([x, branch]))
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(x), name=name)


def flat(rng, base):
    return base.input, base.output


def nested(rng, base):
    inputs = keras.Input(SHAPE)
    return inputs, base(layers.Rescaling(0.5)(inputs))


WIRINGS = {"flat": flat, "nested": nested}


def scrambled(model, rng):
    """Weights, and moving statistics unlike those of any batch."""
    for variable in model.variables:
        if "seed" in variable.path:
            continue
        low = 0.5 if "variance" in variable.path or "gamma" in variable.path else -0.5
        variable.assign(rng.uniform(low, 1.5 + low, variable.shape))
    return model


def build(rng, wiring=flat, base=None, head=(), compiled=True):
    base = base or backbone(training=False, trainable=False)
    inputs, x = wiring(rng, base)
    for layer in head:
        x = layer(x)
    outputs = layers.Dense(3, name="head", kernel_regularizer="l2")(x)
    model = scrambled(keras.Model(inputs, outputs, name="whole"), rng)
    base.trainable = False
    if compiled:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
    return model


def twin(model):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    for one, two in zip(model._flatten_layers(), other._flatten_layers(), strict=True):
        two.trainable = one.trainable
    other.compile_from_config(model.get_compile_config())
    return other


@pytest.fixture
def data(rng):
    x = rng.normal(1, 2, (EXAMPLES, *SHAPE)).astype("float32")
    return x, rng.integers(0, 3, EXAMPLES), rng.uniform(0.2, 2, EXAMPLES).astype("float32")


def fit(model, dataset, epochs=2):
    return model.fit(dataset.batch(8), epochs=epochs, verbose=0, shuffle=False).history


def assert_same_training(model, features, dataset, changing=("head/",)):
    """Trains a copy of the model in place and the model on features; compares all there is."""
    other = twin(model)
    other.run_eagerly = True  # a few steps of what it is compared with: not worth a trace
    before = {v.path: np.array(v, copy=True) for v in model.variables}
    expected, actual = fit(other, dataset), fit(features.rest, features.data)
    assert expected.keys() == actual.keys() > {"loss"}
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=2e-5)
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
        moved = not np.array_equal(one, before[one.path])
        assert moved == (one.path.startswith(changing)), one.path


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_rest_trains_as_the_whole_model_does(rng, data, wiring):
    model = build(rng, WIRINGS[wiring])
    features = tfbn.cache_features(model, *data, batch_size=4, verbose=False)
    assert features.rest.layers[-1] is model.get_layer("head")
    assert (features.examples, features.nbytes) == (EXAMPLES, EXAMPLES * 4 * 4)
    # Nothing of the prefix is left but the features.
    assert [type(layer) for layer in features.rest.layers] == [layers.InputLayer, layers.Dense]
    assert_same_training(model, features, tf.data.Dataset.from_tensor_slices(data))


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_cut_inside_the_backbone(rng, data, wiring):
    model = build(rng, WIRINGS[wiring])
    tfbn.unfreeze(model, "conv2")
    tfbn.freeze(model, "bn2", trainable=True, training=False)
    features = tfbn.cache_features(model, *data[:2], verbose=False)
    assert "re_lu" in features.up_to
    changing = ("head/", "conv2/", "bn2/gamma", "bn2/beta")
    dataset = tf.data.Dataset.from_tensor_slices(data[:2])
    assert_same_training(model, features, dataset, changing)


def test_features_are_what_the_model_computes(rng, data):
    model = build(rng, nested)
    features = tfbn.cache_features(model, data[0], verbose=False)
    pooled = keras.Model(model.get_layer("base").input, model.get_layer("base").output)
    expected = pooled(0.5 * data[0], training=False)
    stored = np.stack(list(features.data.as_numpy_iterator()))
    np.testing.assert_allclose(stored, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features.prefix.predict(data[0], verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert not any("bn" in layer.name for layer in features.prefix._flatten_layers())
    np.testing.assert_allclose(features.rest(stored), model(data[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up_to", ["conv1", "bn1", "base/conv1", "relu2", "base"])
def test_up_to_names_the_place(rng, data, up_to):
    model = build(rng, nested)
    features = tfbn.cache_features(model, data[0], up_to=up_to, verbose=False)
    assert features.up_to.endswith(up_to)
    (x,) = features.data.batch(EXAMPLES)
    np.testing.assert_allclose(features.rest(x), model(data[0]), rtol=1e-4, atol=1e-5)
    assert model.trainable_variables == features.rest.trainable_variables


@pytest.mark.parametrize("folder", [None, "kept"])
def test_past_the_memory_limit_all_is_on_disk(rng, data, tmp_path, folder):
    model = build(rng)
    place = folder and tmp_path / folder
    inside = tfbn.cache_features(model, *data, verbose=False)
    features = tfbn.cache_features(model, *data, batch_size=4, memory_limit=100, folder=place, verbose=False)
    assert (features.on_disk, inside.on_disk) == (True, False)
    assert features.data.cardinality() == inside.data.cardinality() == EXAMPLES
    for one, two in zip(features.data, inside.data, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)
            assert a.dtype == b.dtype
    if folder:  # what the data are is compared above; how they train, with those of a temporary folder
        assert any(place.iterdir())
    else:
        assert_same_training(model, features, tf.data.Dataset.from_tensor_slices(data))


def test_a_temporary_folder_lives_as_long_as_the_data(rng, data):
    features = tfbn.cache_features(build(rng), data[0], memory_limit=0, verbose=False)
    temporary = Path(features.data._temporary.name)
    derived = features.data.shuffle(9).batch(4)
    del features
    gc.collect()
    assert temporary.exists()
    assert sum(len(x) for x in derived) == EXAMPLES
    del derived
    gc.collect()
    assert not temporary.exists()


def test_data_sets_bring_their_targets_and_unequal_batches(rng, data):
    model = build(rng)
    whole = tf.data.Dataset.from_tensor_slices(data)
    features = tfbn.cache_features(model, whole.batch(7), verbose=False)
    from_arrays = tfbn.cache_features(model, *data, verbose=False)
    for one, two in zip(features.data, from_arrays.data, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_the_compiled_model_and_its_rest_share_the_optimizer(rng, data):
    model = build(rng)
    whole = tf.data.Dataset.from_tensor_slices(data[:2])
    fit(model, whole, epochs=1)
    other = twin(model)
    for mine, theirs in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        theirs.assign(mine)
    features = tfbn.cache_features(model, *data[:2], verbose=False)
    assert features.rest.optimizer is model.optimizer
    np.testing.assert_allclose(
        fit(features.rest, features.data)["loss"], fit(other, whole)["loss"], rtol=2e-5
    )
    np.testing.assert_allclose(fit(model, whole)["loss"], fit(other, whole)["loss"], rtol=1e-4)


def test_not_compiled_stays_not_compiled(rng, data):
    features = tfbn.cache_features(build(rng, compiled=False), data[0], verbose=False)
    assert not features.rest.compiled


def test_frozen_weights_with_a_regularizer_add_nothing_to_the_loss(rng, data):
    base = backbone(training=False)
    base.get_layer("conv1").kernel_regularizer = keras.regularizers.L2(0.1)
    base.get_layer("conv1")._kernel.regularizer = keras.regularizers.L2(0.1)
    model = build(rng, base=base)
    features = tfbn.cache_features(model, *data[:2], verbose=False)
    assert_same_training(model, features, tf.data.Dataset.from_tensor_slices(data[:2]))


def test_it_says_what_it_did(rng, data, capsys):
    tfbn.cache_features(build(rng), data[0])
    assert capsys.readouterr().out == "Cached outputs of 'pool' for 22 examples, 0.0 MiB in memory.\n"


class Own(keras.layers.Layer):
    def call(self, x, training=None):
        return x + 1.0 if training else x


class Penalty(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


def first(layer):
    """A wiring with a layer in front of the backbone."""

    def wiring(rng, base):
        inputs = keras.Input(SHAPE)
        return inputs, base(layer(inputs))

    return wiring


REFUSED = {
    "batch statistics": (lambda: {"base": backbone(training=True)}, "bn1': it normalizes by the batch"),
    "updating": (
        lambda: {"base": backbone(training=False, update_statistics=True)},
        "bn1': its moving statistics update",
    ),
    "dropout": (lambda: {"wiring": first(layers.Dropout(0.3, name="drop"))}, "'drop': it is random"),
    "augmentation": (lambda: {"wiring": first(layers.RandomFlip(name="flip"))}, "'flip': it is random"),
    "activity": (
        lambda: {"wiring": first(layers.ActivityRegularization(0.1, name="act"))},
        "'act': it adds to the loss",
    ),
    "add_loss": (lambda: {"wiring": first(Penalty(name="penalty"))}, "'penalty': it adds to the loss (add"),
    "own code": (lambda: {"wiring": first(Own(name="own"))}, "'own': it is a Own, whose own code"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("up_to", [None, "pool"])
def test_a_prefix_that_changes_is_refused(rng, data, case, up_to):
    arguments, reason = REFUSED[case]
    model = build(rng, **arguments())
    before = [np.array(v, copy=True) for v in model.variables]
    with pytest.raises(InputError, match=re.escape(reason)):
        tfbn.cache_features(model, *data, up_to=up_to, verbose=False)
    for variable, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_weights_that_train_are_refused(rng, data):
    model = build(rng)
    tfbn.unfreeze(model, "conv1")
    with pytest.raises(InputError, match="'conv1': its weights train"):
        tfbn.cache_features(model, data[0])


def test_a_stock_layer_that_trains_by_the_batch_ends_the_prefix(rng, data):
    model = build(rng, base=backbone(bn=layers.BatchNormalization))
    frozen_prefix.find(model)
    tfbn.unfreeze(model, "bn2")
    tfbn.revert(model)
    assert "re_lu" in frozen_prefix.find(model).operation.name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, y: {"up_to": "conv3"}, "Expected `up_to` to match a layer"),
        (lambda x, y: {"up_to": "conv2"}, "carries everything on. Received: up_to='conv2'"),
        (lambda x, y: {"memory_limit": -1}, "Expected `memory_limit`"),
        (lambda x, y: {"sample_weight": y}, "Expected `sample_weight` to be None, since y is"),
        (lambda x, y: {"x": tf.data.Dataset.from_tensors(x), "y": y}, "Expected `y` to be None, since a"),
        (lambda x, y: {"x": tf.data.Dataset.from_tensors(x).repeat()}, "the data set is infinite"),
        (
            lambda x, y: {"x": tf.data.Dataset.from_tensor_slices(x).shuffle(EXAMPLES).batch(11)},
            "Expected `x` to be the same each time",
        ),
        (lambda x, y: {"x": x[:0]}, "Expected `x` to hold at least one example"),
        (lambda x, y: {"folder": Path(__file__).parent}, "Expected `folder` to be an empty folder"),
    ],
)
def test_bad_input_is_told(rng, data, make, message):
    model = build(rng)
    arguments = {"x": data[0], **make(*data[:2])}
    with pytest.raises(ValueError, match=re.escape(message)):
        tfbn.cache_features(model, **arguments)


def test_models_that_cannot_be_cut(rng, data):
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    class OwnStep(keras.Model):
        def train_step(self, data):
            return {}

    frozen = build(rng)
    frozen.trainable = False
    for model, message in [
        (Subclassed(), "to be a Functional or Sequential model"),
        (OwnStep(frozen.inputs, frozen.outputs), "to be a Keras model with Keras's own train_step"),
        (frozen, "to have trainable weights"),
        ("resnet50", "to be a Keras 3 model"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)):
            tfbn.cache_features(model, data[0])


def test_a_mask_ends_the_prefix():
    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(inputs)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.get_layer("embedding").trainable = False
    assert frozen_prefix.find(model).operation.name == "mean"
