"""Averaged weights get statistics of their own wherever they are in the model; training goes on as it was."""

import keras
import numpy as np
import pytest

import tfbn
from tfbn.utils.validation import InputError


def network(momentum=0.9):
    keras.utils.set_random_seed(3)
    layers = [keras.Input((4,)), keras.layers.Dense(5, name="first")]
    layers += [keras.layers.BatchNormalization(name="norm", momentum=momentum), keras.layers.Dense(1)]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(3, 2, (96, 4)).astype("float32"), rng.normal(size=(96, 1)).astype("float32")


def averaging(model):
    model.compile(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8), "mse")
    return model


def ready(model):
    """With the optimizer's variables, which the first step makes otherwise: it is traced twice for that."""
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, data, *callbacks, **arguments):
    model.fit(*data, batch_size=16, verbose=0, shuffle=False, callbacks=list(callbacks), **arguments)


def expected(model, x):
    """Of what reaches the layer, in float64."""
    kernel, bias = (np.float64(weight) for weight in model.get_layer("first").get_weights())
    inputs = x.astype("float64") @ kernel + bias
    return inputs.mean(0), inputs.var(0)


def statistics(model):
    norm = model.get_layer("norm")
    return [np.array(v, copy=True) for v in (norm.moving_mean, norm.moving_variance)]


def fits(model, x):
    return all(
        np.allclose(a, b, rtol=1e-3) for a, b in zip(statistics(model), expected(model, x), strict=True)
    )


class Watch(keras.callbacks.Callback):
    """Whether the statistics fit the weights, at each event."""

    def __init__(self, x):
        super().__init__()
        self.x, self.during, self.at_epochs, self.raw = x, [], [], []

    def on_test_batch_end(self, batch, logs=None):
        self.during.append(fits(self.model, self.x))

    def on_epoch_end(self, epoch, logs=None):
        self.at_epochs.append(fits(self.model, self.x))

    def on_train_batch_end(self, batch, logs=None):
        self.raw.append(statistics(self.model))


@pytest.mark.usefixtures("without_graph_rewriting")
def test_at_each_evaluation_and_at_the_end(data):
    model, watch, plain = ready(averaging(network())), Watch(data[0]), Watch(data[0])
    fit(model, data, tfbn.AveragedStatistics(data[0]), watch, epochs=3, validation_data=data)
    assert watch.during == [True] * 18
    assert fits(model, data[0])
    assert watch.at_epochs == [False] * 3  # raw weights and theirs
    other = ready(averaging(network()))
    fit(other, data, plain, epochs=3)
    assert not fits(other, data[0])
    # Training went on as without it: the statistics of each step are the same, the weights to rounding.
    assert np.allclose(watch.raw, plain.raw, rtol=1e-4, atol=1e-5)
    for name in ("first", "norm"):
        for a, b in zip(
            model.get_layer(name).trainable_variables, other.get_layer(name).trainable_variables, strict=True
        ):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_in_checkpoints(data, tmp_path):
    model, watch = averaging(network()), Watch(data[0])
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    averaged = tfbn.AveragedStatistics(data[0], swap_on_epoch=True)
    fit(model, data, averaged, watch, checkpoint, epochs=3, validation_data=data)
    assert watch.at_epochs == [True] * 3
    for epoch in (1, 2, 3):
        assert fits(keras.models.load_model(tmp_path / f"{epoch}.keras"), data[0])


@pytest.mark.usefixtures("without_graph_rewriting")
def test_resumed_as_uninterrupted_and_each_step_as_without_it(data, tmp_path):
    class Stops(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def callbacks():
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return backup, tfbn.AveragedStatistics(data[0], swap_on_epoch=True)

    model = ready(averaging(network()))
    variables = [*model.variables, *model.optimizer.variables]
    start = [np.array(variable, copy=True) for variable in variables]

    def start_over():
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)

    watch, plain = Watch(data[0]), Watch(data[0])
    fit(model, data, tfbn.AveragedStatistics(data[0], swap_on_epoch=True), watch, epochs=4)
    whole = model.get_weights()
    start_over()
    fit(model, data, plain, epochs=4)
    assert np.allclose(watch.raw, plain.raw, rtol=1e-4, atol=1e-5)
    start_over()
    with pytest.raises(KeyboardInterrupt):
        fit(model, data, *callbacks(), Stops(), epochs=4)
    resumed = averaging(network())
    fit(resumed, data, *callbacks(), epochs=4)
    for a, b in zip(whole, resumed.get_weights(), strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weights_that_another_callback_averages(data):
    class Soup(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.get_layer("first").kernel.assign(np.full((4, 5), 0.5) * np.arange(1, 6))

    model = network()
    model.compile("sgd", "mse")
    fit(model, data, Soup(), tfbn.AveragedStatistics(data[0]), epochs=2, validation_data=data)
    assert fits(model, data[0])


def test_at_most_so_many_images(data):
    model = averaging(network())
    fit(model, data, tfbn.AveragedStatistics(data[0], most_images=64, seed=1))
    rows = np.random.default_rng(1).permutation(96)[:64]
    assert fits(model, data[0][rows])
    assert not fits(model, data[0])


@pytest.mark.usefixtures("without_graph_rewriting")
@pytest.mark.parametrize("training", [None, False])
def test_one_update_for_each_optimizer_step(data, training):
    """Four micro-batches of 8 move the statistics as one batch of 32 does."""
    moved = []
    for size, steps in ((32, None), (8, 4)):
        model = network()
        if training is not None:
            tfbn.convert(model, training=training, update_statistics=False)
        model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=steps), "mse")
        if training is not None:
            ready(model)
        watch = Watch(data[0])
        averaged = [tfbn.AveragedStatistics(data[0])] if steps else []
        model.fit(*data, batch_size=size, verbose=0, shuffle=False, callbacks=[*averaged, watch])
        moved.append(watch.raw)
    whole, micro = moved
    assert len(micro) == 12
    assert np.allclose(micro[3::4], whole, rtol=1e-5)
    assert np.array_equal(micro[4], micro[3])
    assert np.array_equal(micro[6], micro[3])
    assert np.array_equal(whole[0], whole[1]) == (training is False)


@pytest.mark.usefixtures("without_graph_rewriting")
def test_a_large_mean_does_not_cancel_a_small_variance(data):
    """Four micro-batches are all of the data, so that one step brings nearly its statistics."""
    model = network(momentum=0.1)
    model.get_layer("first").bias.assign(model.get_layer("first").bias + 3000.0)
    model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=4), "mse")
    ready(model)
    watch = Watch(data[0])
    norm = model.get_layer("norm")
    norm.moving_mean.assign(norm.moving_mean + 3000.0)
    model.fit(*data, batch_size=24, verbose=0, epochs=4, callbacks=[tfbn.AveragedStatistics(data[0]), watch])
    variance = expected(model, data[0])[1]
    assert np.allclose(watch.raw[-1][1], variance, rtol=0.01)


def test_a_step_that_fails_leaves_statistics_to_go_on_with(data):
    import tensorflow as tf

    x, y = data[0], data[1].astype("float32")
    y[-1] = np.nan
    model = network()

    def loss(y, outputs):
        return tf.reduce_mean(tf.debugging.check_numerics(y, "no number") - outputs)

    model.get_layer("norm").moving_variance.assign(np.full_like(model.get_layer("norm").moving_variance, 5.0))
    before = statistics(model)
    model.compile(keras.optimizers.SGD(0.0, gradient_accumulation_steps=4), loss, run_eagerly=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="no number"):
        model.fit(x, y, batch_size=96, verbose=0, callbacks=[tfbn.AveragedStatistics(x)])
    mean, variance = expected(model, x)
    momentum = model.get_layer("norm").momentum
    for now, old, batch in zip(statistics(model), before, (mean, variance), strict=True):
        after = momentum * old + (1 - momentum) * batch  # of the one micro-batch, at most
        assert np.all(np.isclose(now, old, rtol=1e-4) | np.isclose(now, after, rtol=1e-3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "Expected `batch_size` .* Received: batch_size=0"),
        ({"most_images": 0}, "Expected `most_images` .* Received: most_images=0"),
    ],
)
def test_bad_input(arguments, message, data):
    with pytest.raises(InputError, match=message):
        tfbn.AveragedStatistics(data[0], **arguments)


def test_images_that_can_be_read_once():
    with pytest.raises(InputError, match="Expected `images` to be readable more than once"):
        tfbn.AveragedStatistics(iter([np.zeros((2, 4))]))
