"""The command line: flags to config, one line and exit status 2 for a user's mistake."""

import dataclasses
import os
import subprocess
import sys

import pytest
from absl import flags

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.lab import binary, options, report
from experiments.lab import flags as config_flags
from experiments.training.arms import ARMS
from tests.experiments.small import EXPERIMENT, TINY, Config
from tfbn.utils.validation import InputError


def test_flags_give_the_config_back():
    values = flags.FlagValues()
    config_flags.define(frozen_batchnorm.Config, values)
    values(["binary", "--arms=batch,inference", "--epochs=3", "--momentum=0.5", "--open_report", "--seeds=2"])
    config = config_flags.read(frozen_batchnorm.Config, values)
    expected = frozen_batchnorm.Config(
        arms=("batch", "inference"), epochs=3, momentum=0.5, open_report=True, seeds=2
    )
    assert config == expected


def test_every_option_has_a_help_text_and_a_default_that_passes():
    options.check(frozen_batchnorm.Config())
    for field in dataclasses.fields(frozen_batchnorm.Config):
        assert len(field.metadata["help"]) > 10, field.name


BAD = {
    "arms": (("bacth",), "Expected `arms` to be one of .*did you mean batch"),
    "arms twice": (("batch", "batch"), "to name each once"),
    "no arms": ((), "at least one"),
    "shifts": (("contrst=0.3",), "did you mean contrast"),
    "shift strength": (("noise",), "to have a strength"),
    "dataset": ("uci_digit", "did you mean uci_digits"),
    "dataset not here": ("cifar10", "to be prepared"),
    "model": ("resnet9", "6n ?\\+ ?2|to be a network"),
    "model unknown": ("resnett", "network"),
    "weights": ("imagenet", "packaged weights"),
    "weights pattern": ("cifar-*", "packaged weights of resnet8"),
    "weights file": ("nowhere.weights.h5", "file that exists"),
    "momentum": (1.5, r"Expected `momentum` to be a number in \[0"),
    "momentum nan": (float("nan"), "momentum=nan"),
    "seeds": (0, "Expected `seeds` to be a whole number of at least 1. Received: seeds=0"),
    "epochs": (-1, "epochs=-1"),
    "batch_size": (-1, "batch_size=-1"),
    "learning_rate": (-0.1, "learning_rate=-0.1"),
    "train_images": (1790, "to be at most 1797"),
    "border": (20, "leave room"),
    "frozen": (("stage9",), "Expected `frozen` to match a layer .*stage"),
    "data_dir": ("/nowhere", "Expected `data_dir` to be a folder"),
    "model file": ("nowhere.keras", "Expected `model` to be a file that exists"),
    "pixels": ("bits", "to be one of"),
}
FIELDS = {"arms twice": "arms", "no arms": "arms", "shift strength": "shifts", "momentum nan": "momentum"}
FIELDS |= {"dataset not here": "dataset", "model unknown": "model", "model file": "model"}
FIELDS |= {"weights pattern": "weights", "weights file": "weights"}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_refused_before_anything_is_done(case, tmp_path):
    value, message = BAD[case]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{FIELDS.get(case, case): value})
    with pytest.raises(InputError, match=message):
        binary.answer(frozen_batchnorm.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()


def call(*arguments, cwd):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-m", "experiments.frozen_batchnorm", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--seeds=0", "Error: Expected `seeds` to be a whole number of at least 1. Received: seeds=0"),
        ("--sedes=1", "Error: Unknown command line flag 'sedes'. Did you mean: seeds"),
        ("surplus", "Error: Expected flags only. Received: surplus"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(argument, message, tmp_path):
    done = call(argument, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_help_states_the_question_the_arms_and_the_time(tmp_path):
    done = call("--help", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert frozen_batchnorm.EXPERIMENT.question in text
    assert "minutes" in text
    for arm in ARMS:
        assert arm in text


def test_the_report_is_self_contained_and_escapes_what_it_shows(tmp_path, capsys):
    config = Config(seeds=2, workers=0, work_dir=str(tmp_path / "work"))
    _, path = binary.answer(EXPERIMENT, config)
    text = path.read_text()
    assert "&lt;b&gt; beats &amp; &#34;a&#34;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert 'src="data:' in text or "<img" not in text
    said = capsys.readouterr().out
    assert "Is b greater than a?" in said
    assert str(path) in said
    assert report.to_html.__doc__
