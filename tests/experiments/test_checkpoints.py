"""A training that was stopped goes on at its last checkpoint, and ends as if nothing had been."""

import dataclasses
import shutil
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfbn
from experiments.claims import __main__ as claims
from experiments.depth import __main__ as depth
from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary, checkpoints, runner
from experiments.lab.checkpoints import Checkpoint
from experiments.lab.dispatch import FailedRunsError
from experiments.lab.store import Store
from experiments.sweep import __main__ as sweep
from experiments.training import training
from tests.experiments import small
from tests.faults.harness import TIMES, tables_of_runs
from tfbn.utils.validation import InputError

EPOCHS, BATCH = 5, 8
RNG = np.random.default_rng(5)
X, Y = RNG.normal(2, 3, (29, 4)).astype("float32"), RNG.integers(0, 3, 29)
WAYS = {"epochs": {}, "steps": {"steps": 3}, "in order": {"shuffle": False}}


class StoppedError(Exception):
    pass


class Stopper(keras.callbacks.Callback):
    """Raises in the middle of an epoch, and counts those that begin."""

    def __init__(self, epoch=None):
        super().__init__()
        self.epoch, self.begun = epoch, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)

    def on_train_batch_end(self, batch, logs=None):
        if self.begun[-1] == self.epoch and batch == 1:
            raise StoppedError


def build(bn):
    keras.utils.set_random_seed(3)
    layers = [
        keras.layers.Dense(6, activation="relu", name="first"),
        keras.layers.Dropout(0.4),
        keras.layers.BatchNormalization(momentum=0.8, name=bn),
        keras.layers.Dense(3, dtype="bfloat16", name="last"),
    ]
    return training.compiled(keras.Sequential([keras.Input((4,)), *layers]), keras.optimizers.Adam(0.02))


def train(folder, name, stop=None, every=1, checkpointed=True, bn="bn", **arguments):
    """One process's part of a training: its history, model and callbacks."""
    model, stopper = build(bn), Stopper(stop)
    recorder = tfbn.DriftRecorder(folder / name, probe=X[:BATCH], heat_maps=False)
    checkpoint = Checkpoint(folder / "checkpoint.zip", every, {"drift": recorder}) if checkpointed else None
    arguments |= {"batch_size": BATCH, "seed": 2, "epochs": EPOCHS, "callbacks": [recorder, stopper]}
    try:
        history = training.fit(model, X, Y, checkpoint=checkpoint, **arguments)
    except StoppedError:
        return None
    return history, model, stopper.begun


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Without a checkpoint: by way, the folder, the history and the model."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {
        way: (folder / way, *train(folder, way, checkpointed=False, **arguments)[:2])
        for way, arguments in WAYS.items()
    }


def check_same(result, folder, expected):
    expected_folder, expected_history, expected_model = expected
    history, model, _ = result
    assert history == expected_history
    assert len(history["accuracy"]) == EPOCHS
    for ours, theirs in zip(variables(model), variables(expected_model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (folder / "drift.parquet").read_bytes() == (expected_folder / "drift.parquet").read_bytes()


def variables(model):
    return [np.array(v, copy=True) for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize("way", WAYS)
def test_a_stopped_training_ends_as_one_that_was_not(way, undisturbed, tmp_path, capsys):
    assert train(tmp_path, "first", stop=2, **WAYS[way]) is None
    result = train(tmp_path, "second", **WAYS[way])
    assert result[2] == [2, 3, 4]
    assert "checkpoint: continued after epoch 2." in capsys.readouterr().err
    check_same(result, tmp_path / "second", undisturbed[way])


def test_stopped_twice_with_checkpoints_now_and_then(undisturbed, tmp_path):
    for name, stop in (("first", 1), ("second", 3), ("third", 4)):
        assert train(tmp_path, name, stop=stop, every=2) is None
    result = train(tmp_path, "last", every=2)
    assert result[2] == [4]
    check_same(result, tmp_path / "last", undisturbed["epochs"])


def test_stopped_after_the_last_epoch(undisturbed, tmp_path):
    train(tmp_path, "first")
    result = train(tmp_path, "second")
    assert result[2] == []
    check_same(result, tmp_path / "second", undisturbed["epochs"])


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(member, before, after):
    def edited(path):
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
        assert before in files[member]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data.replace(before, after) if name == member else data)

    return edited


def other_layer(path):
    assert train(path.parent / "elsewhere", "log", stop=1, bn="another") is None
    (path.parent / "elsewhere/checkpoint.zip").replace(path)


SPOILT = {
    "empty": (lambda path: path.write_bytes(b""), "File is not a zip file"),
    "truncated": (truncate, "cannot be used"),
    "a bit flipped": (flip, "CRC"),
    "of other code": (edit("about.json", b'"code": "', b'"code": "0'), "it is of other code"),
    "of another network": (edit("about.json", b"[4, 6,", b"[4, 7,"), "it is of other variables"),
    "of another layer": (other_layer, "to have the model's layers"),
    "without a part": (edit("drift/recorder.npz", b"about.npy", b"abuot.npy"), "about"),
    "with a log cut short": (edit("drift/drift.parquet", b"PAR1", b""), "drift.parquet"),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The checkpoint of a training that was stopped in its third epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    assert train(folder, "log", stop=2) is None
    return folder / "checkpoint.zip"


@pytest.mark.parametrize("case", SPOILT)
def test_a_checkpoint_that_is_of_no_use_is_told_and_changes_nothing(case, stopped, tmp_path, capsys):
    spoil, message = SPOILT[case]
    path = tmp_path / "checkpoint.zip"
    shutil.copy(stopped, path)
    spoil(path)
    capsys.readouterr()
    model, recorder = build("bn"), tfbn.DriftRecorder(tmp_path / "log")
    before = variables(model)
    checkpoint = Checkpoint(path, 1, {"drift": recorder})
    data = checkpoint.restore(model, tf.data.Dataset.range(3))
    said = capsys.readouterr().err
    assert said.startswith("Warning: the checkpoint ")
    assert said.count("\n") == 1
    assert message in said
    assert (checkpoint.epochs, checkpoint.history, data.iterators) == (0, {}, 0)
    assert not (tmp_path / "log").exists()
    for now, then in zip(variables(model), before, strict=False):  # the optimizer may be built by now
        np.testing.assert_array_equal(now, then)


def test_after_a_checkpoint_of_no_use_all_is_as_without_one(stopped, undisturbed, tmp_path):
    (tmp_path / "checkpoint.zip").write_bytes(stopped.read_bytes()[:-100])
    result = train(tmp_path, "log")
    assert result[2] == [0, 1, 2, 3, 4]
    check_same(result, tmp_path / "log", undisturbed["epochs"])


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(undisturbed, tmp_path, monkeypatch):
    saves = []

    def save(self, folder):
        saves.append(folder)
        if len(saves) == 3:
            raise OSError(28, "No space left on device")
        return original(self, folder)

    original = tfbn.DriftRecorder.save
    monkeypatch.setattr(tfbn.DriftRecorder, "save", save)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, "first")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.zip", "first"]
    result = train(tmp_path, "second")
    assert result[2] == [2, 3, 4]
    check_same(result, tmp_path / "second", undisturbed["epochs"])


# The runs of the main job.

STUDY = dataclasses.replace(
    small.TINY, seeds=1, epochs=3, arms=("inference", "all_trained"), train_images=40, test_images=40
)


def run(folder, **options):
    return runner.run(frozen_batchnorm.EXPERIMENT, dataclasses.replace(STUDY, **options), folder)


def stopping(stoppers):
    """`training.fit` with a stopper more each time."""

    def fit(*args, callbacks=(), **kwargs):
        return original(*args, callbacks=[*callbacks, next(stoppers)], **kwargs)

    original = training.fit
    return fit


@pytest.mark.long
def test_runs_of_the_main_job_continue(tmp_path, monkeypatch, capsys):
    calm = run(tmp_path / "calm")
    rough, stoppers = tmp_path / "rough", [Stopper(2), Stopper(1), Stopper(), Stopper()]
    monkeypatch.setattr(training, "fit", stopping(iter(stoppers)))
    with pytest.raises(FailedRunsError, match="2 run"):
        run(rough, checkpoint_every=1)
    assert len(list(rough.glob("checkpoints/*/*/seed0.zip"))) == 2
    assert not list(rough.glob("runs/*/*/*"))
    truncate(rough / "checkpoints/contrast=0.3/all_trained/seed0.zip")
    capsys.readouterr()
    results = run(rough, checkpoint_every=1)
    said = capsys.readouterr().err
    assert said.count("continued after epoch 2.") == said.count("Warning: the checkpoint") == 1
    assert [stopper.begun for stopper in stoppers] == [[0, 1, 2], [0, 1], [2], [0, 1, 2]]
    pd.testing.assert_frame_equal(results.drop(columns=TIMES), calm.drop(columns=TIMES))
    assert tables_of_runs(rough) == tables_of_runs(tmp_path / "calm")
    assert not (rough / "checkpoints").exists()


def test_checkpoints_of_finished_runs_and_of_killed_processes_are_dropped(tmp_path):
    config = small.Config(seeds=1, workers=0)
    runner.run(small.EXPERIMENT, config, tmp_path)
    folder = tmp_path / "checkpoints/none/a"
    (folder / ".seed0.zip.abc.tmp").mkdir(parents=True)
    (folder / ".seed0.zip.xyz.tmp").write_text("half")
    (folder / "seed0.zip").write_text("finished")
    (folder / "seed7.zip").write_text("not finished")
    runner.run(small.EXPERIMENT, config, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["seed7.zip"]


def test_where_a_checkpoint_lies(tmp_path):
    store, cell = Store(tmp_path), small.cells(small.Config())[0]
    with store.begun(cell) as folder:
        path = checkpoints.of_run(small.Config(checkpoint_every=2), folder, {}).path
        assert path == tmp_path / "checkpoints/none/a/seed0.zip"
        assert checkpoints.of_run(small.Config(), folder, {}) is None


@pytest.mark.parametrize(
    ("experiment", "config", "message"),
    [
        (
            depth.EXPERIMENT,
            depth.Config(checkpoint_every=1),
            "to be 0, since runs of depth leave no checkpoints",
        ),
        (frozen_batchnorm.EXPERIMENT, dataclasses.replace(STUDY, checkpoint_every=-1), "of at least 0"),
        (
            frozen_batchnorm.EXPERIMENT,
            dataclasses.replace(STUDY, checkpoint_every=1, results="return"),
            "results=folder with `checkpoint_every`",
        ),
        (
            sweep.EXPERIMENT,
            sweep.Config(experiment="depth", grid=("steps=5,6",), checkpoint_every=1),
            "since runs of depth leave no checkpoints",
        ),
    ],
)
def test_where_runs_cannot_continue_it_is_said(experiment, config, message):
    with pytest.raises(InputError, match=message):
        binary.check(experiment, config)


def test_the_option_comes_to_the_runs_of_a_sweep_and_of_the_claims():
    config = sweep.Config(grid=("momentum=0.9",), checkpoint_every=3)
    assert [point.checkpoint_every for point in config.points().values()] == [3]
    parts = claims.parts(claims.Config(checkpoint_every=3, experiments=("frozen_batchnorm", "depth")))
    assert [config.checkpoint_every for _, config in parts] == [3, 0]
