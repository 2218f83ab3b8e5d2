"""Stages begin to train when the schedule says, and BatchNormalization does what its argument says."""

import itertools

import keras
import numpy as np
import pytest

import tfbn
from tfbn.callbacks import GradualUnfreezing
from tfbn.utils.validation import InputError

X = np.random.default_rng(0).normal(2, 3, (16, 8, 8, 1)).astype("float32")
Y = np.arange(16) % 2


def network():
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((8, 8, 1))
    for stage in (1, 2, 3):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"stage{stage}_block1_conv1")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"stage{stage}_block1_bn1")(x))
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="head_dense")(x))
    tfbn.freeze(model, up_to="head_pool", training=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-2), loss)
    return model


class Recorder(keras.callbacks.Callback):
    """The weights of three layers after each epoch."""

    def __init__(self):
        super().__init__()
        self.kernels, self.means = [], []

    def on_epoch_end(self, epoch, logs=None):
        def layer(name):
            return self.model.get_layer(name)

        names = [f"stage{i}_block1_" for i in (1, 2, 3)]
        self.kernels.append([np.array(layer(f"{name}conv1").kernel) for name in names])
        self.means.append([np.array(layer(f"{name}bn1").moving_mean) for name in names])


def moved(values, stage):
    return [not np.array_equal(one[stage], other[stage]) for one, other in itertools.pairwise(values)]


@pytest.mark.parametrize(
    ("flags", "updates"),
    [
        ({}, False),
        ({"training": True}, True),
        ({"training": None}, True),
        ({"update_statistics": True}, True),
    ],
)
def test_stages_follow_each_other(flags, updates):
    model, record = network(), Recorder()
    gradual = GradualUnfreezing({2: "stage3", 3: ["stage2"]}, verbose=False, **flags)
    model.fit(X, Y, epochs=5, batch_size=8, verbose=0, callbacks=[gradual, record])
    assert moved(record.kernels, 2) == [False, True, True, True]
    assert moved(record.kernels, 1) == [False, False, True, True]
    assert moved(record.kernels, 0) == [False] * 4
    assert moved(record.means, 2) == [False] + [updates] * 3
    assert moved(record.means, 0) == [False] * 4


def test_going_on_catches_up():
    model, record = network(), Recorder()
    gradual = GradualUnfreezing({1: "stage3", 7: "stage1"}, verbose=False)
    model.fit(X, Y, initial_epoch=4, epochs=6, verbose=0, callbacks=[gradual, record])
    assert moved(record.kernels, 2) == [True]
    assert moved(record.kernels, 0) == [False]


def test_it_says_what_begins(capsys):
    network().fit(X, Y, epochs=2, verbose=0, callbacks=[GradualUnfreezing({1: ["stage3", "stage2"]})])
    assert capsys.readouterr().out == "Epoch 1: stage3, stage2 begin to train.\n"


def test_a_pattern_that_fits_nothing_is_refused_before_the_first_epoch():
    model = network()
    before = [np.copy(w) for w in model.get_weights()]
    with pytest.raises(InputError, match="did you mean stage3"):
        model.fit(X, Y, epochs=9, verbose=0, callbacks=[GradualUnfreezing({8: "stage33"})])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({},), "`schedule` to map epochs to layers"),
        ((["stage1"],), "`schedule` to map epochs to layers"),
        (({-1: "stage1"},), "`schedule's epochs` to be a whole number of at least 0"),
        (({"1": "stage1"},), "`schedule's epochs` to be a whole number of at least 0"),
    ],
)
def test_bad_schedules(arguments, message):
    with pytest.raises(InputError, match=message):
        GradualUnfreezing(*arguments)
    with pytest.raises(InputError, match="`training` to be True, False or None"):
        GradualUnfreezing({1: "stage1"}, training="no")
