"""A recorder that was saved and restored in a new one leaves what one recorder would have left."""

import json

import keras
import numpy as np
import pytest

import tfbn
from tests.summary.reading import points, read
from tfbn.callbacks import DriftRecorder, drift_log, read_drift

BATCH, EPOCHS = 8, 4
RNG = np.random.default_rng(4)
X, Y = RNG.normal(2, 3, (21, 5)).astype("float32"), RNG.integers(0, 3, 21)  # three steps, the last smaller


def build(channels=4):
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(channels, activation="relu"),
        keras.layers.BatchNormalization(momentum=0.8, name="stock"),
        tfbn.BatchNormalization(training=False, trainable=False, name="frozen"),
        keras.layers.Dense(3),
    ]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def fit(model, *callbacks, **arguments):
    model.fit(X, Y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=list(callbacks), **arguments)


def recorder_in(folder, **arguments):
    return DriftRecorder(folder, probe=X[:BATCH], probe_labels=Y[:BATCH], heat_maps=False, **arguments)


class Saving(keras.callbacks.Callback):
    """Saves a recorder after two epochs; raises in the third."""

    def __init__(self, recorder, folder):
        super().__init__()
        self.recorder, self.folder = recorder, folder

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.recorder.save(self.folder)
            self.weights = self.model.get_weights()
            self.optimizer = [np.array(v, copy=True) for v in self.model.optimizer.variables]

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 8:
            raise KeyboardInterrupt


def interrupted_and_continued(folder, **arguments):
    recorder = recorder_in(folder / "first", **arguments)
    saving = Saving(recorder, folder / "saved")
    with pytest.raises(KeyboardInterrupt):
        fit(build(), recorder, saving, epochs=EPOCHS)
    recorder.close()
    model, later = build(), recorder_in(folder / "second", **arguments)
    later.restore(folder / "saved", model)
    model.optimizer.build(model.trainable_variables)
    model.set_weights(saving.weights)
    for variable, value in zip(model.optimizer.variables, saving.optimizer, strict=True):
        variable.assign(value)
    fit(model, later, initial_epoch=2, epochs=EPOCHS)
    return folder / "second"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    fit(build(), recorder_in(folder / "undisturbed"), epochs=EPOCHS)
    return folder / "undisturbed", interrupted_and_continued(folder)


def test_the_log_is_the_same_to_the_bit(both):
    undisturbed, continued = both
    assert (continued / drift_log.NAME).read_bytes() == (undisturbed / drift_log.NAME).read_bytes()
    log = read_drift(continued)
    assert log["step"].unique().tolist() == list(range(13))
    assert log[log["layer"] == "stock"]["mean_shift"].is_unique


def test_tensorboard_shows_the_same(both):
    undisturbed, continued = map(read, both)
    tags = undisturbed.Tags()["tensors"]
    assert set(continued.Tags()["tensors"]) == {*tags, "tfbn/about/0001"}
    for tag in tags:
        found, expected = dict(points(continued, tag)), dict(points(undisturbed, tag))
        if tag == "tfbn/about/0000":
            continue
        assert list(found) == list(expected), tag
        for step, value in expected.items():
            np.testing.assert_array_equal(found[step], value, err_msg=tag)
    ((step, about),) = points(continued, "tfbn/about/0001")
    assert (step, json.loads(about.item())["layers"][0]["path"]) == (6, "stock")


def test_rows_that_are_left_out_are_the_same_too(tmp_path):
    fit(build(), recorder_in(tmp_path / "calm", every=4, tensorboard=False), epochs=EPOCHS)
    continued = interrupted_and_continued(tmp_path, every=4, tensorboard=False)
    assert (continued / drift_log.NAME).read_bytes() == (tmp_path / "calm" / drift_log.NAME).read_bytes()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "recorder.npz").unlink(), "recorder.npz"),
        (lambda f: (f / "recorder.npz").write_bytes(b"PK"), "pickled|magic|zip"),
        (lambda f: (f / drift_log.NAME).unlink(), "Expected `folder` to hold a drift.parquet"),
        (lambda f: (f / drift_log.NAME).write_bytes(b"PAR1"), "to hold a whole drift.parquet"),
        (lambda f: None, "Expected `reference` to have the model's layers and channels"),
    ],
)
def test_what_cannot_be_restored_changes_nothing(spoil, message, tmp_path):
    recorder = recorder_in(tmp_path / "log", tensorboard=False)
    fit(build(), recorder, epochs=1)
    recorder.save(tmp_path / "saved")
    spoil(tmp_path / "saved")
    model, later = build(channels=6 if "channels" in message else 4), recorder_in(tmp_path / "new")
    with pytest.raises((OSError, ValueError), match=message):
        later.restore(tmp_path / "saved", model)
    assert not (tmp_path / "new").exists()
    fit(model, later)
    assert read_drift(tmp_path / "new")["step"].unique().tolist() == [0, 1, 2, 3]


def test_when_it_can_be_saved_and_restored(tmp_path):
    recorder, model = recorder_in(tmp_path / "log", tensorboard=False), build()
    with pytest.raises(RuntimeError, match="one before its first fit"):
        recorder.save(tmp_path / "saved")
    fit(model, recorder)
    with pytest.raises(ValueError, match="to be another one than log_dir"):
        recorder.save(tmp_path / "log")
    recorder.save(tmp_path / "saved")
    with pytest.raises(RuntimeError, match="one after its first fit"):
        recorder.restore(tmp_path / "saved", model)


def test_a_log_is_the_same_in_however_many_parts_it_came(tmp_path, monkeypatch):
    monkeypatch.setattr(drift_log, "ROWS_PER_GROUP", 7)
    channels = {"a": 2, "b": 3}
    values = RNG.uniform(size=(20, 2, len(tfbn.drift.METRICS))).astype("float32")
    mismatches = np.array([[0.5, np.nan], [np.nan, np.nan]])

    def append(log, start, stop):
        log.append(np.arange(start, stop), start, values[start:stop], mismatches)

    whole = drift_log.DriftLog(tmp_path / "whole", channels)
    parts = drift_log.DriftLog(tmp_path / "parts", channels)
    (tmp_path / "saved").mkdir()
    for start, stop in ((0, 3), (3, 9), (9, 20)):
        append(whole, start, stop)
        append(parts, start, stop)
        parts.save(tmp_path / "saved")
        assert len(read_drift(tmp_path / "saved")) == 2 * stop
    whole.publish()
    parts.publish()
    assert (tmp_path / "parts" / drift_log.NAME).read_bytes() == (
        tmp_path / "whole" / drift_log.NAME
    ).read_bytes()
    rows = list(drift_log.rows_of(tmp_path / "parts" / drift_log.NAME))
    assert [step for step, _, _ in rows] == list(range(20))
    np.testing.assert_array_equal(np.stack([each for _, each, _ in rows]), values)
    assert [step for step, _, probed in rows if probed is not None] == [2, 8, 19]
    np.testing.assert_array_equal(rows[-1][2], np.float32(mismatches))
