"""`tfbn.summary.writer` in custom loops."""

import json

import keras
import numpy as np
import pytest

import tfbn
from tests import drift_oracle
from tests.summary.reading import points, read, tags
from tfbn.layers.modes import Mode
from tfbn.statistics.snapshots import Statistics
from tfbn.utils.validation import InputError


def model_of(training=None, name="bn"):
    keras.utils.set_random_seed(3)
    bn = tfbn.BatchNormalization(momentum=0.5, training=training, name=name)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), bn, keras.layers.Dense(2)])
    bn.moving_mean.assign([0.5, -1.0, 2.0, 0.0])
    bn.moving_variance.assign([1.0, 4.0, 0.25, 2.0])
    return model


def test_a_gradient_tape_loop(tmp_path, rng):
    import tensorflow as tf

    model = model_of()
    bn = model.layers[1]
    before = np.array(bn.moving_mean, copy=True), np.array(bn.moving_variance, copy=True)
    optimizer = keras.optimizers.SGD(0.1)
    expected = []
    with tfbn.summary.writer(tmp_path, model, steps=3) as log:
        for step in (1, 2, 3):
            x = rng.normal(2, 3, (5 + step, 3)).astype("float32")
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(model(x, training=True) ** 2)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            log.drift(step, model)
            now = np.array(bn.moving_mean, copy=True), np.array(bn.moving_variance, copy=True)
            expected.append(drift_oracle.metrics(*now, *before, bn.epsilon)["kl"])
        log.channels(3, model)
    events = read(tmp_path)
    steps, found = zip(*points(events, "bn_kl/bn"), strict=True)
    assert steps == (0, 1, 2, 3)
    np.testing.assert_allclose(found, [0, *expected], rtol=1e-5)
    ((_, about),) = points(events, "tfbn/about/0000")
    (layer,) = json.loads(about.item())["layers"]
    assert layer == {
        "path": "bn",
        "channels": 4,
        "epsilon": bn.epsilon,
        "normalizes_by": "batch",
        "updates": True,
        "trains": True,
    }
    (_, at_first), (step, at_last) = points(events, "tfbn/channels/0000/0000")
    assert step == 3
    np.testing.assert_array_equal(at_first[0], before[0])
    np.testing.assert_array_equal(at_last[1], np.array(bn.moving_variance))
    np.testing.assert_array_equal(at_last[2], np.array(bn.gamma))
    assert not np.array_equal(at_last[2], at_first[2])


def test_arrays_without_keras(tmp_path):
    state = {"a/bn": Statistics(np.array([0.0, 1.0]), np.array([1.0, 2.0]), 1e-5)}
    modes = {"a/bn": Mode("moving", updates=False, trains=False)}
    with tfbn.summary.writer(tmp_path, state, modes=modes) as log:
        log.drift(5, {"a/bn": Statistics(np.array([0.0, 3.0]), np.array([1.0, 2.0]), 1e-5)})
    events = read(tmp_path)
    (_, values) = points(events, "tfbn/drift/00000/values")[-1]
    (_, steps) = points(events, "tfbn/drift/00000/steps")[-1]
    assert steps.tolist() == [0, 5]
    assert values[0, 0, 0] == 0
    assert values[1, 0, 0] == pytest.approx(1.0, rel=1e-4)  # sqrt((0 + 2^2 / 2) / 2)
    ((_, text),) = points(events, "bn_verdict")
    assert "moved though its statistics are held: `a/bn`" in text.item().decode()
    ((_, channels),) = points(events, "tfbn/channels/0000/0000")
    assert channels[:2].tolist() == [[0, 1], [1, 2]]
    assert np.isnan(channels[2:]).all()


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path):
    state = {"bn": Statistics(np.zeros(2), np.ones(2), 1e-5)}
    with pytest.raises(InputError, match="Expected `reference` to have at least one layer"):
        tfbn.summary.writer(tmp_path / "log", {})
    with pytest.raises(InputError, match=r"Expected `modes` to have the layers \['bn'\]"):
        tfbn.summary.writer(tmp_path / "log", state, modes={"other": Mode("moving", False, False)})
    with pytest.raises(ValueError, match="at least one BatchNormalization layer"):
        tfbn.summary.writer(tmp_path / "log", keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    assert not (tmp_path / "log").exists()
    with tfbn.summary.writer(tmp_path / "log", state) as log:
        with pytest.raises(InputError, match=r"Expected `model` to have the layers \['bn'\]"):
            log.drift(1, {"other": state["bn"]})
        with pytest.raises(InputError, match="Expected `step` to be a whole number of at least 0"):
            log.drift(-1, state)


def test_modes_by_flags_and_by_audit():
    by_flags = tfbn.summary.modes(model_of(training=False))
    assert by_flags == {"bn": Mode("moving", updates=False, trains=True)}
    stock = keras.layers.BatchNormalization(trainable=False, name="stock")
    assert tfbn.summary.modes(keras.Sequential([keras.Input((2,)), stock])) == {
        "stock": Mode("moving", updates=False, trains=False)
    }


def test_snapshots_stay_within_what_tensorboard_keeps(tmp_path):
    state = {"bn": Statistics(np.zeros(2), np.ones(2), 1e-5)}
    with tfbn.summary.writer(tmp_path, state) as log:
        for step in range(1, 400):
            log.channels(step, {"bn": np.full((4, 2), step, np.float32)})
    events = read(tmp_path)
    groups = [tag for tag in tags(events, "tfbn") if tag.startswith("tfbn/channels/")]
    steps = [step for tag in groups for step, _ in points(events, tag)]
    assert max(len(points(events, tag)) for tag in groups) <= 8
    assert 48 <= len(steps) <= 120
    assert steps[0] == 0
    assert steps[-1] == 399


def test_channels_that_are_not_due_are_not_read(tmp_path):
    state = {"bn": Statistics(np.zeros(2), np.ones(2), 1e-5)}
    unreadable = object()
    with tfbn.summary.writer(tmp_path, state) as log:
        for step in range(1, 101):
            log.channels(step, state, only_if_due=True)
        log.channels(101, unreadable, only_if_due=True)
        with pytest.raises(InputError):
            log.channels(102, unreadable, only_if_due=True)
        log.channels(199, state)
        log.end(heat_maps=False)
        log.end()
        log.begin({})
        log.channels(199, unreadable)  # written already
    events = read(tmp_path)
    groups = [tag for tag in tags(events, "tfbn") if tag.startswith("tfbn/channels/")]
    steps = [step for tag in groups for step, _ in points(events, tag)]
    assert steps[:24] == list(range(24))
    assert steps[-1] == 199
    assert len(steps) == len(set(steps))
