"""A model file of others runs no code of theirs and does not fill the memory, on every Keras."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

import tfbn
from tfbn.models.file_checks import check_file

L = keras.layers


def plain():
    return keras.Sequential(
        [keras.Input((4, 4, 1)), L.Conv2D(2, 3, activation="gelu"), L.BatchNormalization()]
    )


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_usual_models_pass(suffix, tmp_path):
    for number, model in enumerate(
        (plain(), tfbn.freeze(plain(), "conv*") and plain(), tfbn.convert(plain()))
    ):
        path = tmp_path / f"{number}{suffix}"
        model.compile("adam", "mse")
        model.save(path)
        check_file(path)


@pytest.mark.filterwarnings("ignore:.*lambda")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("where", ["layer", "activation", "nested"])
def test_code_is_refused(where, suffix, tmp_path):
    layer = {"layer": L.Lambda(lambda x: x), "activation": L.Activation(lambda x: x)}.get(where)
    if where == "nested":
        layer = keras.Sequential([keras.Input((4, 4, 1)), L.Lambda(lambda x: x)])
    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input((4, 4, 1)), layer]).save(path)
    with pytest.raises(ValueError, match=r"no code|functions that are Keras's"):
        check_file(path)


def with_config(tmp_path, change):
    """A `.keras` file whose config is changed as text, as an attacker would."""
    plain().save(tmp_path / "plain.keras")
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(tmp_path / "plain.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()).encode() if name == "config.json" else data)
    return path


FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "function"}


@pytest.mark.parametrize(
    ("name", "module"),
    [("eval", "builtins"), ("exec", "builtins"), ("system", "os"), ("get_file", "keras.utils")],
)
def test_functions_of_other_modules_are_refused(name, module, tmp_path):
    evil = json.dumps({**FUNCTION, "module": module, "config": name})
    path = with_config(tmp_path, lambda text: text.replace('"gelu"', evil))
    with pytest.raises(ValueError, match=f"functions that are Keras's or registered, not '{name}'"):
        check_file(path)


def test_classes_of_other_modules_are_refused(tmp_path):
    path = with_config(
        tmp_path,
        lambda text: text.replace('"keras.layers", "class_name": "Conv2D"', '"os", "class_name": "Popen"'),
    )
    with pytest.raises(ValueError, match=r"not os\.Popen"):
        check_file(path)


@keras.saving.register_keras_serializable("tests_files")
class Own(L.Layer):
    def call(self, x):
        return x * 2.0


def test_a_registered_class_passes(tmp_path):
    keras.Sequential([keras.Input((4,)), Own()]).save(tmp_path / "own.keras")
    check_file(tmp_path / "own.keras")


def hdf5(path, **options):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
        file.create_dataset("weights", shape=(300_000_000,), dtype="float32", **options)


@pytest.mark.parametrize("kind", ["zip", "shape without data", "in a zip"])
def test_a_bomb_is_refused(kind, tmp_path):
    path = tmp_path / "bomb.h5"
    if kind == "zip":
        path = tmp_path / "bomb.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("model.weights.h5", bytes(100_000_000))
    else:
        hdf5(path, chunks=(1_000_000,), compression="gzip")
    if kind == "in a zip":
        with zipfile.ZipFile(tmp_path / "bomb.keras", "w") as archive:
            archive.writestr("config.json", "{}")
            archive.write(path, "model.weights.h5")
        path = tmp_path / "bomb.keras"
    assert path.stat().st_size < 400_000
    with pytest.raises(ValueError, match="unpack to at most"):
        check_file(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04 broken", np.arange(9).tobytes()])
def test_what_is_no_model_file_is_named(content, tmp_path):
    path = tmp_path / "odd.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="to be a Keras model file"):
        check_file(path)
