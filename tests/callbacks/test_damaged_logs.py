"""A damaged log is not continued, not changed, and no reason for `fit` to stop."""

import keras
import pytest

from tfbn import DriftRecorder
from tfbn.callbacks import read_drift

STEPS = 3
DAMAGES = {
    "the reference is empty": ("drift_reference.npz", lambda content: b""),
    "the reference was cut": ("drift_reference.npz", lambda content: content[:-40]),
    "the reference changed": ("drift_reference.npz", lambda content: content.replace(b"NUMPY", b"NUMQY")),
    "a part is empty": ("drift.00001.parquet", lambda content: b""),
    "a part was cut": ("drift.00001.parquet", lambda content: content[: len(content) // 2]),
    "a part is foreign": ("drift.00001.parquet", lambda content: b"PAR1"),
    "the whole was cut": ("drift.parquet", lambda content: content[:-9]),
}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A model, the data it was trained on, and the files of its log."""
    folder = tmp_path_factory.mktemp("log")
    keras.utils.set_random_seed(0)
    x = keras.random.normal((STEPS * 8, 3), 2.0, 3.0)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.BatchNormalization(name="bn"), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], batch_size=8, verbose=0, callbacks=[DriftRecorder(folder, tensorboard=False)])
    return model, x, {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("damage", [*DAMAGES, None])
def test_it_is_left_alone_and_the_new_log_goes_next_to_it(damage, logged, tmp_path):
    model, x, files = logged
    if damage is not None:
        name, change = DAMAGES[damage]
        whole = files["drift.parquet" if name.endswith("parquet") else name]
        files = {**files, name: change(whole)}
    (tmp_path / "log").mkdir()
    for name, content in files.items():
        (tmp_path / "log" / name).write_bytes(content)
    recorder = DriftRecorder(tmp_path / "log", tensorboard=False)
    model.fit(
        x, x[:, :1], batch_size=8, initial_epoch=1, epochs=2, verbose=0, callbacks=[recorder], shuffle=False
    )
    if damage is None:
        assert recorder.log_dir == tmp_path / "log"
        assert read_drift(recorder.log_dir)["step"].tolist() == list(range(2 * STEPS + 1))
        return
    assert recorder.log_dir == tmp_path / "log-1"
    assert read_drift(recorder.log_dir)["step"].tolist() == list(range(STEPS + 1))
    assert {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()} == files
