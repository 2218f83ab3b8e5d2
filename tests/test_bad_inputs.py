"""Bad input gets one clear message, and nothing is touched."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest
from absl import flags

from experiments.lab import binary, catalog, dispatch
from experiments.lab import flags as config_flags
from tests import bad_calls, bad_command_lines
from tfbn.graph.traversal import named_layers


@pytest.fixture(scope="module")
def command_line_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    bad_command_lines.write_world(folder)
    return folder


def state_of(folder: Path) -> dict[Path, str | None]:
    """Every path below a folder; of files, a digest of their bytes."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        for path in folder.rglob("*")
    }


def end_of(command_line: str, monkeypatch, capsys) -> str:
    """What a binary says at its end with exit status 2; a run that starts is an error."""
    name, *arguments = command_line.split()
    experiment, values = catalog.load(name), flags.FlagValues()
    config_flags.define(experiment.config_class, values)
    read = config_flags.read
    monkeypatch.setattr(flags, "FLAGS", values)
    monkeypatch.setattr(config_flags, "read", lambda config_class: read(config_class, values))
    monkeypatch.setattr(dispatch, "run_all", lambda *arguments, **options: pytest.fail("a run was started"))
    monkeypatch.setattr("experiments.lab.cluster.TIMEOUT", 0.3)
    with pytest.raises(SystemExit) as end:
        binary._main(experiment, binary._parse([name, *arguments]))
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def check_refused(command_line, piece, folder, monkeypatch, capsys) -> str:
    monkeypatch.chdir(folder)
    before = state_of(folder)
    line = end_of(command_line, monkeypatch, capsys)
    assert piece in line
    assert line.startswith("Error: ")
    assert line.count("\n") == 1
    assert "Traceback" not in line
    assert state_of(folder) == before
    return line


@pytest.mark.parametrize("command_line", bad_command_lines.REFUSED)
def test_binaries_refuse(command_line, command_line_world, monkeypatch, capsys):
    piece = bad_command_lines.REFUSED[command_line]
    line = check_refused(command_line, piece, command_line_world, monkeypatch, capsys)
    assert line.startswith("Error: Expected ")
    assert "Received: " in line


@pytest.mark.parametrize("command_line", bad_command_lines.NOT_UNDERSTOOD)
def test_binaries_do_not_understand(command_line, command_line_world, monkeypatch, capsys):
    piece = bad_command_lines.NOT_UNDERSTOOD[command_line]
    check_refused(command_line, piece, command_line_world, monkeypatch, capsys)


@pytest.mark.parametrize("name", catalog.names())
def test_every_binary_counts_its_seeds(name, command_line_world, monkeypatch, capsys):
    piece = "Expected `seeds` to be a whole number of at least"
    check_refused(f"{name} --seeds=-1", piece, command_line_world, monkeypatch, capsys)


def test_a_folder_in_which_another_process_works(command_line_world, monkeypatch, capsys):
    import fcntl

    folder = command_line_world / "taken"
    (folder / "runs").mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = "frozen_batchnorm --model=resnet8 --work_dir=taken"
        check_refused(line, "by one process at a time", command_line_world, monkeypatch, capsys)


def state_of_model(model) -> list:
    """All that a call could change in a model: variables, flags, classes."""
    layers = [model, *(named.layer for named in named_layers(model))]
    flags_ = [(type(each), each.trainable, vars(each).get("_training_flag")) for each in layers]
    return [flags_, [np.array(variable, copy=True) for variable in model.variables]]


@pytest.fixture(scope="module")
def untouched():
    """The network of the calls so far, in a list; none where one of them may have changed it."""
    return []


@pytest.mark.parametrize("case", bad_calls.CALLS)
def test_functions_refuse(case, untouched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad_calls.write_world(tmp_path)
    call, piece = bad_calls.CALLS[case]
    model = untouched.pop() if untouched else bad_calls.network()
    before, files = state_of_model(model), state_of(tmp_path)
    with pytest.raises((ValueError, TypeError)) as caught:
        call(model)
    message = str(caught.value)
    assert piece in message
    assert message.startswith("Expected ")
    assert "Received: " in message
    assert state_of(tmp_path) == files
    after = state_of_model(model)
    assert after[0] == before[0]
    for now, then in zip(after[1], before[1], strict=True):
        np.testing.assert_array_equal(now, then)
    untouched.append(model)


def test_there_are_enough_of_them():
    assert len(bad_command_lines.REFUSED) >= 60
    assert len(bad_calls.CALLS) >= 60
    assert keras.backend.backend() == "tensorflow"
