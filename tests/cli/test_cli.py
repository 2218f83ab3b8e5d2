"""The command `tfbn`: quick answers, one line for a mistake, files that are what they say."""

import os
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest

import tfbn
from tfbn.cli import options
from tfbn.cli.main import main
from tfbn.models.files import load

ROOT = Path(__file__).parents[2]
layers = keras.layers


@pytest.fixture
def world(tmp_path, monkeypatch, rng):
    """A network that takes 0..255, and a folder with the oddities of real ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfbn.cli.main._prepare_tensorflow", lambda: None)  # it is loaded already
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, use_bias=False, name="conv")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization(name="bn")(x)))
    keras.Model(inputs, layers.Dense(2)(x)).save("mine.keras")
    for name, level in (("dark", 40), ("light", 160)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.uint8(rng.integers(level, level + 60, (9, 9, 3)))
            PIL.Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.webp", lossless=True)
    (tmp_path / "pets" / "none_yet").mkdir()
    (tmp_path / "pets" / "__MACOSX" / "dark").mkdir(parents=True)
    return tmp_path


def said(capsys, *arguments, status=0):
    assert main(list(arguments)) == status
    captured = capsys.readouterr()
    return captured.out if status == 0 else captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["choose", "--help"],
        ["choose", "mine.keras", "--bach_size=3"],
        ["audt"],
        ["run", "--help"],
        ["run", "choos"],
    ],
)
def test_it_answers_within_a_second_of_the_processor(arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "tfbn.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    assert done.returncode == (0 if "--help" in arguments else 2)
    assert "Traceback" not in done.stderr


def test_help_names_every_flag_of_a_command_once_in_its_group(capsys):
    for command in options.COMMANDS.values():
        if command.name != "run":
            text = said(capsys, command.name, "--help")
            for name in command.options:
                assert text.count(f"--{name}\n") + text.count(f"]{name}\n") + text.count(f"--{name} <") == 1
    assert text.index("model:") < text.index("running:")


def test_an_answer_that_nobody_reads_ends_quietly(world, monkeypatch, capfd):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        with pytest.raises(SystemExit) as ended:
            main(["audit", "mine.keras"])
    assert ended.value.code == 0
    assert capfd.readouterr().err == ""


def test_doctor(world, capsys, monkeypatch):
    text = said(
        capsys, "doctor", "mine.keras", "--steps=50", "--data_dir=pets", "--image_size=8", "--batch_size=4"
    )
    assert "Images: 24, in 2 classes" in text
    assert "slow-momentum (bn)\n  measured: 39 % of the way in 50 steps" in text
    assert "oneDNN is off" not in text
    monkeypatch.setattr("tfbn.cli.commands.onednn_is_on", lambda: False)
    assert "oneDNN is off" in said(capsys, "doctor", "mine.keras")


def test_audit(world, capsys):
    text = said(capsys, "audit", "mine.keras", "--batch_size=16", "--steps=50", "--frozen=conv,bn")
    assert "1 BatchNormalization layers. In fit 0 normalize by the batch" in text
    assert "do not move" in text
    assert "of the distance" in said(capsys, "audit", "mine.keras", "--steps=50")


def test_choose(world, capsys):
    text = said(capsys, "choose", "mine.keras", "--data_dir=pets", "--repeats=3")
    assert "24, in 2 classes (dark 12, light 12)" in text
    assert "Pixels fed: 0..255 (its layer Rescaling)" in text
    assert "__MACOSX: left behind by a system; none_yet: empty" in text
    assert "Recommended: " in text


def test_without_scikit_learn_choose_reads_no_image(world, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    text = said(capsys, "choose", "mine.keras", "--data_dir=nowhere", status=2)
    assert text.startswith("Error: Expected scikit-learn, for the heads (pip install tfbn[experiments])")
    assert text.count("\n") == 1


def test_recalibrate_is_the_librarys(world, capsys):
    said(capsys, "recalibrate", "mine.keras", "--data_dir=pets", "-o", "new.keras", "--share=0.5")
    expected, found = load("mine.keras"), load("new.keras")
    images = tfbn.datasets.load_folder
    with pytest.warns(UserWarning, match="Skipped"):
        x = images(world / "pets", image_size=8).images * 255
    tfbn.recalibrate(expected, x, batch_size=32, share=0.5, verbose=False)
    for name in ("moving_mean", "moving_variance"):
        one, other = (np.asarray(getattr(model.get_layer("bn"), name)) for model in (expected, found))
        np.testing.assert_allclose(other, one, rtol=1e-4)
    np.testing.assert_array_equal(found.get_layer("conv").kernel, expected.get_layer("conv").kernel)


def test_fold_predicts_the_same(world, capsys):
    said(capsys, "fold", "mine.keras", "--output=folded.keras")
    folded = load("folded.keras")
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in folded.layers)
    x = np.float32(np.random.default_rng(0).random((4, 8, 8, 3))) * 255
    np.testing.assert_allclose(
        folded.predict(x, verbose=0), load("mine.keras").predict(x, verbose=0), atol=1e-4
    )


def test_flags_from_a_file(world, capsys):
    (world / "flags.txt").write_text("--batch_size=16\n--steps=50\n")
    text = said(capsys, "audit", "mine.keras", "--flagfile=flags.txt")
    assert "After 50 steps" in text


MISTAKES = {
    "audit nowhere.keras": "Expected FILE to be a file that exists. Received: FILE='nowhere.keras'",
    "audit mine.onnx": "to end in .keras or .h5, or to be a name",
    "audit ResNett50": "did you mean ResNet50",
    "audit mine.keras other.keras": "Expected one FILE after `tfbn audit`",
    "audit mine.keras --batch_size=0": "Expected --batch_size to be a whole number of at least 1",
    "audit mine.keras --frozen=stem9": "Expected --frozen to match a layer",
    "choose mine.keras": "Expected --data_dir to be given",
    "choose mine.keras --data_dir=nowhere": "Expected --data_dir to be a folder",
    "choose mine.keras --data_dir=pets --repeats=2": "Expected --repeats to be a whole number of at least 3",
    "choose mine.keras --data_dir=pets --image_size=9": "Expected --image_size to be that of the network, 8",
    "choose mine.keras --data_dir=pets --up_to=bm": "Expected --up_to to match a layer",
    "choose mine.keras --data_dir=pets --pixels=bits": "value should be one of <auto|unit|byte|symmetric>",
    "choose mine.keras --data_dir=pets --most_images=0": "Expected --most_images to be a whole number of at",
    "recalibrate mine.keras --data_dir=pets": "Expected --output to be given",
    "recalibrate mine.keras --data_dir=pets -o new.h5": "Expected --output to end in .keras",
    "recalibrate mine.keras --data_dir=pets -o new.keras --share=2": "Expected --share to be a number in",
    "fold mine.keras -o pets/dark/0.webp/new.keras": "Expected --output to be a file that can be written",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_that_names_the_flag(line, world, capsys):
    before = sorted(world.rglob("*"))
    text = said(capsys, *line.split(), status=2)
    assert MISTAKES[line] in text
    assert text.startswith("Error: ")
    assert text.count("\n") == 1
    assert sorted(world.rglob("*")) == before


def test_a_range_that_the_file_does_not_tell_must_be_given(world, capsys):
    norm = [layers.Conv2D(2, 3), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    keras.Sequential([keras.Input((8, 8, 3)), *norm]).save("plain.keras")
    text = said(capsys, "choose", "plain.keras", "--data_dir=pets", status=2)
    assert "Expected --pixels to be given" in text
    assert "0..1 (as given)" in said(
        capsys, "choose", "plain.keras", "--data_dir=pets", "--pixels=unit", "--repeats=3"
    )


def test_an_unreadable_file_is_named_or_skipped(world, capsys):
    (world / "pets" / "dark" / "3.webp").write_bytes(b"no image")
    asked = ["choose", "mine.keras", "--data_dir=pets", "--repeats=3"]
    assert "3.webp" in said(capsys, *asked, status=2)
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as in a process of its own
        assert main([*asked, "--skip_unreadable"]) == 0
    captured = capsys.readouterr()
    assert "23 images" in captured.out
    warned = [line for line in captured.err.splitlines() if "3.webp" in line]
    assert len(warned) == 1
    assert warned[0].startswith("Warning: Left out ")
