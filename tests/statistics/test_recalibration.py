"""Population statistics against float64 moments of the whole set, and nothing else changed."""

import contextlib

import keras
import numpy as np
import pytest

import tfbn
from tfbn.statistics.recalibration import batch_statistics, population_statistics, recalibrate

STOCK, TFBN = keras.layers.BatchNormalization, tfbn.layers.BatchNormalization
layers = keras.layers


def scramble(model, rng):
    """Weights and moving statistics that differ by channel and from the data's."""
    for layer in model._flatten_layers():
        for variable in layer.weights:
            if "seed" in variable.path:
                continue
            low = 0.5 if "variance" in variable.path or "stddev" in variable.path else -0.5
            variable.assign(rng.uniform(low, 1.5, variable.shape))


def state(model):
    return [np.array(variable, copy=True) for variable in model.weights]


def small_net(rng, bn=STOCK):
    model = keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            layers.Conv2D(3, 3, name="conv"),
            bn(name="first"),
            layers.ReLU(),
            layers.Dropout(0.5),
            layers.Conv2D(4, 2, name="conv2"),
            bn(name="second", scale=False, epsilon=1e-2),
            layers.Flatten(),
            layers.Dense(3, name="dense"),
            bn(name="third", center=False, trainable=False),
        ]
    )
    scramble(model, rng)
    return model


def data(rng, n=11):
    return rng.normal(1.5, 2.0, (n, 5, 4, 2)).astype("float32")


def inputs_of(model, name, x):
    """What a layer is called on, when the layers before it run in inference mode."""
    index = [layer.name for layer in model.layers].index(name)
    for layer in model.layers[:index]:
        x = layer(x, training=False)
    return np.array(x, "float64")


def forward(model, x, statistics):
    """The small net in float64 numpy from conv outputs on: each BN by its batch (`statistics=None`)."""
    seen = {}
    for layer in model.layers:
        if isinstance(layer, STOCK):
            axes = tuple(range(x.ndim - 1))
            seen[layer.name] = x
            mean, variance = statistics[layer.name] if statistics else (x.mean(axes), x.var(axes))
            x = (x - mean) / np.sqrt(variance + layer.epsilon)
            x = x * (np.array(layer.gamma, "float64") if layer.scale else 1)
            x = x + (np.array(layer.beta, "float64") if layer.center else 0)
        elif isinstance(layer, layers.Conv2D):
            kernel = np.array(layer.kernel, "float64")
            h, w = kernel.shape[:2]
            windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(1, 2))
            x = np.einsum("nyxihw,hwio->nyxo", windows, kernel) + np.array(layer.bias, "float64")
        elif isinstance(layer, layers.Dense):
            x = x @ np.array(layer.kernel, "float64") + np.array(layer.bias, "float64")
        elif isinstance(layer, layers.ReLU):
            x = np.maximum(x, 0)
        elif isinstance(layer, layers.Flatten):
            x = x.reshape(len(x), -1)
    return x, seen


def pooled(parts):
    """Moments of the concatenation of everything a layer saw, in float64."""
    rows = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    return rows.mean(0), rows.var(0)


@pytest.mark.parametrize("bn", [STOCK, TFBN])
def test_every_layer_gets_the_moments_of_all_its_inputs(rng, bn):
    model, x = small_net(rng, bn), data(rng)
    before = state(model)
    seen = [forward(model, part.astype("float64"), None)[1] for part in (x[:4], x[4:8], x[8:])]
    result = recalibrate(model, x, batch_size=4, verbose=False)
    assert (result.samples, result.batches) == (11, 3)
    assert result.layers == ("first", "second", "third")
    for name in result.layers:
        mean, variance = pooled([part[name] for part in seen])
        layer = model.get_layer(name)
        np.testing.assert_allclose(np.array(layer.moving_mean), mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.array(layer.moving_variance), variance, rtol=1e-5)
        assert result.statistics[name].count == seen[0][name][0, ..., 0].size * 11
    for variable, old in zip(model.weights, before, strict=True):
        changed = "moving" in variable.path
        assert np.array_equal(np.array(variable), old) is not changed, variable.path


def test_exact_gives_what_predict_will_see_at_every_layer(rng):
    model, x = small_net(rng), data(rng)
    result = recalibrate(model, x, batch_size=4, method="exact", verbose=False)
    known = {}
    for name in ("first", "second", "third"):
        known[name] = pooled(
            [
                forward(
                    model,
                    x.astype("float64"),
                    {**known, **dict.fromkeys({"first", "second", "third"} - set(known), (0.0, 1.0))},
                )[1][name]
            ]
        )
    for name, (mean, variance) in known.items():
        np.testing.assert_allclose(result.statistics[name].mean, mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(result.statistics[name].variance, variance, rtol=1e-5)
        actual = pooled([inputs_of(model, name, x)])
        np.testing.assert_allclose(
            np.array(model.get_layer(name).moving_mean), actual[0], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(np.array(model.get_layer(name).moving_variance), actual[1], rtol=1e-4)
    batch = population_statistics(model, x, batch_size=4)
    assert np.abs(batch["third"].variance / known["third"][1] - 1).max() > 0.01


def test_population_statistics_assign_nothing(rng):
    model, x = small_net(rng), data(rng)
    before = state(model)
    found = population_statistics(model, x, batch_size=3)
    mean, variance = pooled([np.array(model.layers[0](x), "float64")])
    np.testing.assert_allclose(found["first"].mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["first"].variance, variance, rtol=1e-5)
    assert found["first"].mean.dtype == found["first"].variance.dtype == np.float64
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


class Sequence(keras.utils.PyDataset):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]


def kinds_of_data(x):
    import tensorflow as tf

    y = np.arange(len(x))
    return {
        "array": (x, {"batch_size": 4}),
        "tensor": (tf.constant(x), {"batch_size": 4}),
        "float64": (x.astype("float64"), {"batch_size": 4}),
        "dataset": (tf.data.Dataset.from_tensor_slices(x).batch(4), {}),
        "dataset with targets": (tf.data.Dataset.from_tensor_slices((x, y)).batch(4), {}),
        "weighted": (tf.data.Dataset.from_tensor_slices((x, y, y)).batch(4), {}),
        "infinite": (tf.data.Dataset.from_tensor_slices((x, y)).batch(4).repeat(), {"steps": 3}),
        "PyDataset": (Sequence([(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]), {}),
        "generator": ((part for part in (x[:4], x[4:8], x[8:])), {}),
        "generator of pairs": (((part, 0) for part in (x[:4], x[4:8], x[8:])), {"steps": 7}),
    }


def test_anything_that_fit_takes(rng):
    model, x = keras.Sequential([keras.Input((5, 4, 2)), STOCK(name="bn")]), data(rng)
    expected = population_statistics(model, x, batch_size=4)
    np.testing.assert_allclose(expected["bn"].mean, np.float64(x).mean((0, 1, 2)), rtol=1e-5)
    for kind, (source, arguments) in kinds_of_data(x).items():
        found = population_statistics(model, source, **arguments)
        for path, population in expected.items():
            assert found[path].count == population.count, kind
            np.testing.assert_allclose(found[path].mean, population.mean, rtol=1e-6, err_msg=kind)
            np.testing.assert_allclose(found[path].variance, population.variance, rtol=1e-6, err_msg=kind)


def test_steps_limit_what_is_read_of_a_generator(rng):
    model, x = small_net(rng), data(rng)
    source = iter([x[:4], x[4:8], x[8:]])
    result = recalibrate(model, source, steps=2, verbose=False)
    assert (result.samples, result.batches) == (8, 2)
    assert np.array_equal(next(source), x[8:])


def test_several_inputs_and_the_keys_of_a_dict(rng):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    outputs = layers.Concatenate()([TFBN(name="left")(a), STOCK(name="right")(b)])
    model = keras.Model({"a": a, "b": b}, outputs)
    x = {"a": rng.normal(3, 2, (7, 3)).astype("float32"), "b": rng.normal(-1, 5, (7, 2)).astype("float32")}
    recalibrate(model, x, batch_size=3, verbose=False)
    np.testing.assert_allclose(np.array(model.get_layer("left").moving_mean), x["a"].mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.array(model.get_layer("right").moving_variance), x["b"].var(0), rtol=1e-5)


@pytest.mark.parametrize("bn", [STOCK, TFBN])
def test_a_layer_used_three_times_pools_its_uses_with_their_true_sizes(rng, bn):
    shared = bn(name="shared")
    inputs = keras.Input((None, 2))
    short = layers.Cropping1D((0, 3))(inputs)
    outputs = [shared(inputs), shared(short), shared(layers.Rescaling(3.0)(short))]
    model = keras.Model(inputs, outputs)
    scramble(model, rng)
    x = rng.normal(1, 2, (5, 8, 2)).astype("float32")
    result = recalibrate(model, x, batch_size=2, verbose=False)
    mean, variance = pooled([x.astype("float64"), x[:, :-3], 3.0 * x[:, :-3]])
    np.testing.assert_allclose(np.array(shared.moving_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(np.array(shared.moving_variance), variance, rtol=1e-5)
    assert result.statistics["shared"].count == 5 * (8 + 5 + 5)


def test_nested_and_subclassed_models(rng):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            inner = keras.Sequential([keras.Input((3,)), STOCK(name="deep")], name="inner")
            self.block = keras.Sequential([keras.Input((3,)), inner], name="outer")
            self.unused = TFBN(name="unused")

        def call(self, inputs, training=True):  # a default that must not win
            return self.block(inputs, training=training)

    model = Net()
    model.unused.build((None, 3))
    x = rng.normal(2, 3, (6, 3)).astype("float32")
    model(x, training=False)
    scramble(model, rng)
    before = np.array(model.unused.moving_mean, copy=True)
    result = recalibrate(model, x, batch_size=4, verbose=False)
    assert result.layers == ("outer/inner/deep",)
    assert result.left_out == ("unused",)
    deep = model.block.get_layer("inner").get_layer("deep")
    np.testing.assert_allclose(np.array(deep.moving_mean), x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.array(deep.moving_variance), x.var(0), rtol=1e-5)
    assert np.array_equal(np.array(model.unused.moving_mean), before)


def test_another_axis_and_a_single_channel(rng):
    first, single = STOCK(axis=1, name="first"), TFBN(name="single")
    inputs = keras.Input((3, 4, 1))
    model = keras.Model(inputs, single(first(inputs)))
    scramble(model, rng)
    x = rng.normal(1, 2, (5, 3, 4, 1)).astype("float32")
    recalibrate(model, x, batch_size=2, verbose=False)
    np.testing.assert_allclose(np.array(first.moving_mean), x.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(np.array(first.moving_variance), x.var((0, 2, 3)), rtol=1e-5)
    assert single.moving_mean.shape == (1,)


def test_masked_positions_do_not_count(rng):
    # An Embedding, since a Masking layer also sets what it masks to zero.
    inputs, bn = keras.Input((4,), dtype="int32"), STOCK(name="bn")
    embedding = layers.Embedding(9, 2, mask_zero=True)
    model = keras.Model(inputs, bn(embedding(inputs)))
    scramble(model, rng)
    words = np.array([[3, 0, 0, 0], [1, 8, 5, 0], [0, 0, 0, 0], [0, 0, 0, 0], [2, 7, 0, 4]])
    result = recalibrate(model, words, batch_size=2, verbose=False)
    kept = np.array(embedding.embeddings, "float64")[words[words > 0]]
    assert result.statistics["bn"].count == len(kept) == 7
    np.testing.assert_allclose(np.array(bn.moving_mean), kept.mean(0), rtol=1e-5)
    np.testing.assert_allclose(np.array(bn.moving_variance), kept.var(0), rtol=1e-5)


def test_a_mask_along_the_axis_of_the_channels(rng):
    """Steps as channels: each has a number of words of its own."""
    inputs, bn = keras.Input((4,), dtype="int32"), STOCK(axis=1, name="bn")
    embedding = layers.Embedding(9, 4, mask_zero=True)
    model = keras.Model(inputs, bn(embedding(inputs)))
    scramble(model, rng)
    words = np.array([[3, 0, 0, 0], [1, 8, 5, 0], [0, 0, 0, 0], [0, 0, 0, 0], [2, 7, 0, 4]])
    result = recalibrate(model, words, batch_size=2, verbose=False)
    embedded = np.array(embedding.embeddings, "float64")[words]
    kept = [embedded[words[:, step] > 0, step] for step in range(4)]
    assert result.statistics["bn"].count.tolist() == [each.size for each in kept]
    np.testing.assert_allclose(np.array(bn.moving_mean), [each.mean() for each in kept], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.array(bn.moving_variance), [each.var() for each in kept], rtol=1e-5)
    before = state(model)
    with pytest.raises(ValueError, match=r"to have unmasked positions. Received: none for layer 'bn'"):
        recalibrate(model, words[:4], verbose=False)  # no word is a fourth one
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


def test_a_set_that_is_masked_as_a_whole(rng):
    inputs = keras.Input((4, 2))
    model = keras.Model(inputs, STOCK(name="bn")(layers.Masking(0.0)(inputs)))
    before = state(model)
    with pytest.raises(ValueError, match=r"to have unmasked positions. Received: none for layer 'bn'"):
        recalibrate(model, np.zeros((3, 4, 2), "float32"), verbose=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


def test_renorm_statistics_are_made_consistent(rng):
    try:
        bn = STOCK(name="bn", renorm=True, epsilon=0.01)
    except (TypeError, ValueError):
        pytest.skip("this Keras has no renorm")
    model = keras.Sequential([keras.Input((3,)), bn])
    scramble(model, rng)
    x = rng.normal(2, 3, (7, 3)).astype("float32")
    recalibrate(model, x, batch_size=4, verbose=False)
    stddev = np.sqrt(x.var(0) + 0.01)
    np.testing.assert_allclose(np.array(bn.moving_variance), x.var(0), rtol=1e-5)
    np.testing.assert_allclose(np.array(bn.moving_stddev), stddev, rtol=1e-5)
    np.testing.assert_allclose(np.array(bn.renorm_stddev), stddev, rtol=1e-5)
    np.testing.assert_allclose(np.array(bn.renorm_mean), x.mean(0), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_dtype_policies(rng, policy):
    bn = TFBN(name="bn", dtype=policy)
    model = keras.Sequential([keras.Input((3,), dtype="float32"), bn])
    scramble(model, rng)
    x = rng.normal(2, 3, (40, 3)).astype("float16").astype("float32")
    if policy == "mixed_bfloat16":
        x = (x * 4).round() / 4  # exact in bfloat16
    recalibrate(model, x, batch_size=16, verbose=False)
    tolerance = 2e-3 if policy == "float16" else 1e-5
    np.testing.assert_allclose(np.array(bn.moving_mean, "float64"), x.mean(0), rtol=tolerance)
    np.testing.assert_allclose(np.array(bn.moving_variance, "float64"), x.var(0), rtol=tolerance)


def test_a_large_offset_loses_nothing_between_batches(rng):
    model = keras.Sequential([keras.Input((2,)), STOCK(name="bn")])
    x = rng.normal([1e4, -3e3], 1, (3000, 2)).astype("float32")
    found = population_statistics(model, x, batch_size=7)["bn"]
    np.testing.assert_allclose(found.mean, x.astype("float64").mean(0), rtol=1e-7)
    np.testing.assert_allclose(found.variance, x.astype("float64").var(0), rtol=1e-3)


def test_a_compiled_model_trains_on_and_keeps_its_optimizer(rng):
    x, y = data(rng), rng.normal(size=(11, 3)).astype("float32")
    model = keras.Sequential([keras.Input((5, 4, 2)), TFBN(name="first"), layers.Flatten(), layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    step = model.train_function
    slots = [np.array(v, copy=True) for v in model.optimizer.variables]
    recalibrate(model, x, batch_size=4, verbose=False)
    assert model.train_function is step
    assert all(np.array_equal(a, np.array(v)) for a, v in zip(slots, model.optimizer.variables, strict=True))
    calibrated = np.array(model.get_layer("first").moving_mean, copy=True)
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    assert not np.array_equal(calibrated, np.array(model.get_layer("first").moving_mean))


def test_it_says_how_many_samples_it_used(rng, capsys):
    recalibrate(small_net(rng), data(rng), batch_size=4)
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert "3 BatchNormalization layers from 11 samples in 3 batches" in shown


def broken(x):
    yield x[:4]
    raise OSError("disk on fire")


def with_nan(x):
    x = x.copy()
    x[9, 2, 1, 0] = np.nan
    return x


def empty_dataset():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(np.zeros((0, 5, 4, 2), "float32")).batch(4)


def endless():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(np.zeros((4, 5, 4, 2), "float32")).batch(4).repeat()


BAD = {
    "fails": (broken, {}, r"readable to its end. Received: OSError at batch 1: disk on fire"),
    "nan": (with_nan, {"batch_size": 4}, r"free of NaN. Received: NaN in batch 2"),
    "overflow": (lambda x: np.sign(x) * np.float32(3e38), {}, r"infinity in the inputs of layer 'first'"),
    "empty array": (lambda x: x[:0], {}, r"at least one sample. Received: an empty data set"),
    "empty dataset": (lambda x: empty_dataset(), {}, r"at least one sample"),
    "empty generator": (lambda x: iter(()), {}, r"at least one sample"),
    "shape": (lambda x: x[:, :, :, :1], {}, r"the model 'sequential\S*' takes. Received: batch 0"),
    "late shape": (lambda x: iter([x[:4], x[:4, ..., :1]]), {}, r"Received: batch 1 of shape \(4, 5, 4, 1\)"),
    "lengths": (lambda x: [x, x[:3]], {}, r"arrays of the same length. Received: data=\[3, 11\]"),
    "infinite": (lambda x: endless(), {}, r"`steps` to be given, since the data set is infinite"),
    "nothing": (lambda x: 5, {}, r"`data` to be arrays, or a tf.data.Dataset .* Received: data=5"),
    "batch size": (lambda x: iter([x]), {"batch_size": 4}, r"`batch_size` to be None"),
    "no batch": (lambda x: x, {"batch_size": 0}, r"`batch_size` to be a whole number of at least 1"),
    "no steps": (lambda x: x, {"steps": 0}, r"`steps` to be a whole number of at least 1"),
    "method": (lambda x: x, {"method": "precise"}, r"`method` to be one of \['batch', 'exact'\]"),
    "once": (lambda x: iter([x]), {"method": "exact"}, r"readable more than once, since method=\"exact\""),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_data_gives_one_clear_error_and_leaves_the_model_as_it_was(rng, case):
    model, x = small_net(rng), data(rng)
    source, arguments, message = BAD[case]
    before = state(model)
    with pytest.raises(ValueError, match=message):
        recalibrate(model, source(x), verbose=False, **arguments)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))
    assert not any("call" in layer.__dict__ for layer in model.layers)


def test_a_statistic_that_does_not_fit_the_variables(rng):
    bn = STOCK(name="bn", dtype=keras.DTypePolicy("float16"))
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2), bn])
    before = state(model)
    x = np.stack([np.full(8, 4.0), np.linspace(-6e4, 6e4, 8)], -1).astype("float32")
    model.layers[0].kernel.assign(np.eye(2))
    before = state(model)
    with pytest.raises(ValueError, match=r"layer 'bn' has float16 variables, and a statistic as large as"):
        recalibrate(model, x, verbose=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


@pytest.mark.parametrize("beyond", [np.nan, np.inf])
def test_a_share_of_statistics_that_are_beyond_use(rng, beyond):
    bn = STOCK(name="bn")
    model = keras.Sequential([keras.Input((3,)), bn])
    bn.moving_variance.assign([1.0, beyond, 2.0])
    x = rng.normal(2, 3, (7, 3)).astype("float32")
    before = state(model)
    with pytest.raises(ValueError, match=r"`share` to be 1, .* layer 'bn' .* Received: share=0\.5"):
        recalibrate(model, x, share=0.5, verbose=False)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, state(model), strict=True))
    recalibrate(model, x, verbose=False)
    np.testing.assert_allclose(np.array(bn.moving_variance), x.var(0), rtol=1e-5)


def test_models_that_cannot_be_recalibrated():
    with pytest.raises(ValueError, match=r"Expected `model` to contain a BatchNormalization layer"):
        recalibrate(keras.Sequential([keras.Input((2,)), layers.Dense(2)]), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"`model` to be built: call it on a batch first"):
        recalibrate(keras.Sequential([STOCK(name="bn")]), np.ones((2, 2)))


def test_a_subclass_with_its_own_call_is_left_out(rng):
    class Special(STOCK):
        def call(self, inputs, training=None, mask=None):
            return super().call(inputs, training=training, mask=mask) * 2

    model = keras.Sequential([keras.Input((2,)), Special(name="special"), TFBN(name="plain")])
    scramble(model, rng)
    before = np.array(model.layers[0].moving_mean, copy=True)
    x = rng.normal(1, 2, (6, 2)).astype("float32")
    result = recalibrate(model, x, verbose=False)
    assert (result.layers, result.left_out) == (("plain",), ("special",))
    assert np.array_equal(np.array(model.layers[0].moving_mean), before)
    expected = np.array(model.layers[0](x), "float64").mean(0)
    np.testing.assert_allclose(np.array(model.layers[1].moving_mean), expected, rtol=1e-5)


@pytest.mark.parametrize(("bn", "error"), [(STOCK, None), (TFBN, KeyError())])
def test_batch_statistics_in_every_inference_call(rng, bn, error):
    """Until the block is left, at its end or by an error."""
    model, x = small_net(rng, bn), data(rng, 8)
    y = rng.normal(size=(8, 3)).astype("float32")
    model.compile("sgd", "mse")
    known = {
        layer.name: (np.array(layer.moving_mean, "float64"), np.array(layer.moving_variance, "float64"))
        for layer in model.layers
        if isinstance(layer, STOCK)
    }
    by_moving, _ = forward(model, x.astype("float64"), known)
    by_batch, _ = forward(model, x.astype("float64"), None)
    before = state(model)

    def outputs():
        loss = model.evaluate(x, y, batch_size=8, verbose=0)
        return model.predict(x, batch_size=8, verbose=0), np.array(model(x)), loss

    def check(expected):
        predicted, called, loss = outputs()
        np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(called, expected, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(loss, np.mean((expected - y) ** 2), rtol=1e-3)

    assert np.abs(by_moving - by_batch).max() > 0.1
    check(by_moving)
    with pytest.raises(KeyError) if error else contextlib.nullcontext(), batch_statistics(model):
        check(by_batch)
        if error:
            raise error
    check(by_moving)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model), strict=True))


def test_a_train_step_made_inside_is_as_ever(rng):
    x, y = rng.normal(1.5, 2.0, (11, 3)).astype("float32"), rng.normal(size=(11, 2)).astype("float32")
    results = []
    for inside in (False, True):
        norms = TFBN(name="first", training=False), TFBN(name="second"), TFBN(name="third", trainable=False)
        model = keras.Sequential([keras.Input((3,)), *norms, layers.Dense(2)])
        scramble(model, np.random.default_rng(3))
        model.compile("sgd", "mse")
        if inside:
            with batch_statistics(model):
                model.train_on_batch(x, y)
        else:
            model.train_on_batch(x, y)
        results.append(state(model))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_batch_statistics_of_models_inside(rng):
    inner = keras.Sequential([keras.Input((2,)), STOCK(name="bn")], name="inner")
    model = keras.Sequential([keras.Input((2,)), inner])
    scramble(model, rng)
    x = rng.normal(5, 3, (6, 2)).astype("float32")
    outside = inner.predict(x, verbose=0)
    with batch_statistics(model):
        inside = inner.predict(x, verbose=0)
    np.testing.assert_allclose(inside.mean(0), np.array(inner.layers[0].beta), rtol=1e-3, atol=1e-4)
    assert np.abs(outside - inside).max() > 0.1
    np.testing.assert_array_equal(inner.predict(x, verbose=0), outside)
