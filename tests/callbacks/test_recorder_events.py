"""What `DriftRecorder` leaves for TensorBoard, against `drift.parquet` and Keras's own measures."""

import json

import keras
import numpy as np
import pytest

import tfbn
from tests.summary.reading import points, read, tags
from tfbn.callbacks import DriftRecorder, read_drift

BATCH, STEPS, EPOCHS = 8, 5, 3


class Evaluated(keras.callbacks.Callback):
    """What `evaluate` says of the probe at each epoch's end, and each layer's gamma."""

    def __init__(self, probe):
        super().__init__()
        self.probe, self.logs, self.gammas = probe, [], []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(self.model.evaluate(*self.probe, verbose=0, return_dict=True))
        self.gammas.append(np.array(self.model.get_layer("trained").gamma, copy=True))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6),
            tfbn.BatchNormalization(training=False, trainable=False, name="frozen"),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.BatchNormalization(momentum=0.8, name="trained"),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"])
    x = rng.normal(2, 3, (BATCH * STEPS, 5)).astype("float32")
    y = rng.integers(0, 3, len(x))
    by_keras = Evaluated((x[:BATCH], y[:BATCH]))
    recorder = DriftRecorder(folder, probe=x[:BATCH], probe_labels=y[:BATCH], heat_maps=False)
    history = model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[recorder, by_keras],
        validation_data=(x + 1, y),
    )
    return read(folder), read_drift(folder), by_keras, history.history


def test_every_row_of_the_parquet_file_is_there(recorded):
    events, log, _, _ = recorded
    (_, steps), (_, values) = (points(events, f"tfbn/drift/00000/{part}")[-1] for part in ("steps", "values"))
    assert steps.tolist() == log["step"].unique().tolist() == list(range(EPOCHS * STEPS + 1))
    expected = log[list(tfbn.drift.METRICS)].to_numpy().reshape(values.shape)
    np.testing.assert_array_equal(values, expected)
    probed = log.dropna()
    (_, steps), (_, values) = (
        points(events, f"tfbn/mismatch/00000/{part}")[-1] for part in ("steps", "values")
    )
    assert steps.tolist() == probed["step"].unique().tolist() == [0, 5, 10, 15]
    np.testing.assert_array_equal(
        values, probed[["mismatch", "mismatch_mean_shift"]].to_numpy().reshape(values.shape)
    )


def test_the_modes(recorded):
    ((_, about),) = points(recorded[0], "tfbn/about/0000")
    found = {layer.pop("path"): layer for layer in json.loads(about.item())["layers"]}
    assert found["frozen"] | {"epsilon": 0} == {
        "channels": 6,
        "epsilon": 0,
        "normalizes_by": "moving",
        "updates": False,
        "trains": False,
    }
    assert (found["trained"]["normalizes_by"], found["trained"]["updates"]) == ("batch", True)


def test_channels_at_each_epochs_end(recorded):
    events, _, by_keras, _ = recorded
    found = points(events, "tfbn/channels/0001/0000")
    assert [step for step, _ in found] == [0, 5, 10, 15]
    for (_, values), gamma in zip(found[1:], by_keras.gammas, strict=True):
        np.testing.assert_array_equal(values[2], gamma)
    assert not np.array_equal(found[-1][1], found[0][1])
    of_frozen = [values for _, values in points(events, "tfbn/channels/0000/0000")]
    np.testing.assert_array_equal(of_frozen[-1], of_frozen[0])


def test_performance_in_both_modes_is_what_keras_says(recorded):
    events, _, by_keras, history = recorded
    for measure in ("accuracy", "loss"):
        inference = points(events, f"bn_performance/{measure}/inference")
        assert [step for step, _ in inference] == [0, 5, 10, 15]
        expected = [logs[measure] for logs in by_keras.logs]
        np.testing.assert_allclose([value for _, value in inference[1:]], expected, rtol=1e-5)
        fit = [value for _, value in points(events, f"bn_performance/{measure}/fit")]
        np.testing.assert_allclose(fit, history[measure], rtol=1e-6)
        validation = [value for _, value in points(events, f"bn_performance/{measure}/validation")]
        np.testing.assert_allclose(validation, history[f"val_{measure}"], rtol=1e-6)
        training = [value for _, value in points(events, f"bn_performance/{measure}/training")]
        assert len(training) == EPOCHS + 1
    # The batch is not what the moving statistics say, so the two modes differ.
    assert not np.allclose(training, [value for _, value in inference], rtol=1e-3)


def test_the_verdict_and_the_tabs(recorded):
    events = recorded[0]
    ((_, text),) = points(events, "bn_verdict")
    assert text.item().decode().startswith("* 1 of 2 BatchNorm layers moved; farthest: `trained`")
    assert tags(events, "histograms") == [
        f"bn_moving_{statistic}/{layer}"
        for statistic in ("mean", "variance")
        for layer in ("frozen", "trained")
    ]
