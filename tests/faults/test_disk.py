"""What can be wrong with a disk, a file or the clock: one line says it, nothing good is lost, and it goes on.

A study of two runs is stored; then something is spoilt, and the same command with two runs
more has to say so; then the cause goes, and the same command has to end as if nothing had been.
"""

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from tensorboard.compat.proto.summary_pb2 import Summary

from experiments.lab import binary
from tests.experiments import small
from tests.experiments.test_runner import snapshot
from tests.faults.harness import leftovers, measured, tables_of_runs
from tests.summary.reading import points, read
from tfbn.summary.event_file import EventFile


def run_with_table(config, cell, folder):
    values = small.run(config, cell, folder)
    pd.DataFrame({"step": np.arange(500), "kl": values["value"]}).to_parquet(folder / "drift.parquet")
    return values


STUDY = dataclasses.replace(small.EXPERIMENT, run=run_with_table)
RUN = "runs/none/a/seed0"


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the study as its binary would: the exit status, and its output apart from the progress."""

    def call(folder):
        config = small.Config(seeds=2, workers=0, work_dir=str(folder))
        monkeypatch.setattr(binary.config_flags, "read", lambda config_class: config)
        try:
            binary._main(STUDY, ["binary"])
            status = 0
        except SystemExit as end:
            status = end.code
        lines = capsys.readouterr().err.splitlines()
        return status, [line for line in lines if not line.startswith("small ")]

    return call


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    binary.answer(STUDY, small.Config(seeds=2, workers=0, work_dir=str(folder)))
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """`begun(folder)` puts the study with its first two runs there."""
    folder = tmp_path_factory.mktemp("begun")
    binary.answer(STUDY, small.Config(seeds=1, workers=0, work_dir=str(folder)))
    return lambda there: shutil.copytree(folder, there, dirs_exist_ok=True)


def check_as_undisturbed(folder, undisturbed):
    pd.testing.assert_frame_equal(measured(folder), measured(undisturbed))
    pd.testing.assert_frame_equal(*(pd.read_parquet(f / "drift.parquet") for f in (folder, undisturbed)))
    assert tables_of_runs(folder) == tables_of_runs(undisturbed)
    assert set(snapshot(folder)) == set(snapshot(undisturbed))
    assert not leftovers(folder)


def stored(folder):
    """What must never be lost."""
    return {path: data for path, data in snapshot(folder).items() if path.parts[0] == "runs"}


# Files of an earlier run that are not as they were: `spoil(path)`, and what mends it.


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path):
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)


def content(text):
    return lambda path: path.write_text(text)


def with_keys(**keys):
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def delete_folder(path, original):
    shutil.rmtree(path.parent)


def delete_file(path, original):
    path.unlink()


def put_back(path, original):
    path.write_bytes(original)


RUN_AGAIN = "readable file of an earlier run; delete its folder to do that run again"
ELSEWHERE = "readable file of an earlier run; use another work_dir, or put a copy of it back"
FORMAT = "to be written by a tfbn that stores runs in format 1"
FILES = {
    "result cut": (f"{RUN}/result.json", cut, RUN_AGAIN, delete_folder),
    "result cut, put back": (f"{RUN}/result.json", cut, RUN_AGAIN, put_back),
    "result cut, deleted": (f"{RUN}/result.json", cut, RUN_AGAIN, delete_file),
    "result empty": (f"{RUN}/result.json", content(""), RUN_AGAIN, delete_folder),
    "result a list": (f"{RUN}/result.json", content("[1, 2]"), RUN_AGAIN, delete_folder),
    "result of nothing": (f"{RUN}/result.json", content('{"value": 1.0}'), RUN_AGAIN, delete_folder),
    "table cut": (f"{RUN}/drift.parquet", cut, RUN_AGAIN, delete_folder),
    "table empty": (f"{RUN}/drift.parquet", content(""), RUN_AGAIN, delete_folder),
    "manifest cut": ("manifest.json", cut, ELSEWHERE, put_back),
    "manifest no text": ("manifest.json", lambda path: path.write_bytes(b"\xff\xfe{"), ELSEWHERE, put_back),
    "manifest a list": ("manifest.json", content("[]"), FORMAT, put_back),
    "manifest of a later format": ("manifest.json", with_keys(format=2), FORMAT, put_back),
    "manifest without format": ("manifest.json", with_keys(format=None), FORMAT, put_back),
    "manifest's config a list": ("manifest.json", with_keys(config=[3]), FORMAT, put_back),
}


@pytest.mark.parametrize("case", FILES)
def test_a_spoilt_file_is_told_before_anything_is_done(case, command, begun, undisturbed, tmp_path):
    name, spoil, message, mend = FILES[case]
    begun(tmp_path)
    original = (tmp_path / name).read_bytes()
    spoil(tmp_path / name)
    before = snapshot(tmp_path)
    status, lines = command(tmp_path)
    assert (status, len(lines)) == (2, 1)
    assert message in lines[0]
    assert str(tmp_path) in lines[0]
    assert snapshot(tmp_path) == before
    mend(tmp_path / name, original)
    assert command(tmp_path) == (0, [])
    check_as_undisturbed(tmp_path, undisturbed)


def test_a_table_spoilt_in_the_middle_is_told_at_the_end(command, begun, undisturbed, tmp_path):
    begun(tmp_path)
    zeroed(tmp_path / RUN / "drift.parquet")
    before = stored(tmp_path)
    status, lines = command(tmp_path)
    assert (status, len(lines)) == (2, 1)
    assert RUN_AGAIN in lines[0]
    assert before.items() <= stored(tmp_path).items()
    assert len(list(tmp_path.glob("runs/*/*/*/result.json"))) == 4
    shutil.rmtree(tmp_path / RUN)
    assert command(tmp_path) == (0, [])
    check_as_undisturbed(tmp_path, undisturbed)


@pytest.mark.parametrize("name", ["results.parquet", "drift.parquet", "report.html"])
def test_what_is_made_of_the_runs_is_made_anew(name, command, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    cut(tmp_path / name)
    assert command(tmp_path) == (0, [])
    check_as_undisturbed(tmp_path, undisturbed)
    if name != "report.html":  # it names its folder
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()


# A disk that is full, at whatever moment, or that cannot be written.


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if _mount(folder, "size=512k"):
        pytest.skip("mounting is not permitted")
    yield folder
    subprocess.run(["umount", folder], check=True)


def _mount(folder, options):
    if shutil.which("mount") is None:
        return 1
    arguments = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return subprocess.run(arguments, capture_output=True, check=False).returncode


@contextlib.contextmanager
def full(folder, left):
    """Fills a disk but for some bytes."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, ballast.stat().st_size - left)
    yield
    ballast.unlink()


@contextlib.contextmanager
def short_files(size):
    """Lets no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def check_failures(command, folder, hindrances, message, undisturbed):
    """Each time one line, and what was stored is there; in the end all is."""
    before, statuses = stored(folder), []
    for hindrance in hindrances:
        with hindrance:
            status, lines = command(folder)
        statuses.append(status)
        if status:
            assert len(lines) == 1
            assert lines[0].startswith("Error: ")
            assert message in lines[0]
        assert before.items() <= stored(folder).items()
        for path in folder.glob("*.parquet"):
            pd.read_parquet(path)
        assert json.loads((folder / "manifest.json").read_text())["experiment"] == "small"
    assert command(folder) == (0, [])
    check_as_undisturbed(folder, undisturbed)
    return statuses


def test_a_full_disk(command, begun, undisturbed, disk):
    begun(disk / "work")
    hindrances = [full(disk, pages * 4096) for pages in (0, 1, 2, 4, 6, 9)]
    statuses = check_failures(command, disk / "work", hindrances, "No space left on device", undisturbed)
    assert statuses[:2] == [2, 1]  # the manifest, the first run


def test_files_that_may_not_grow(command, begun, undisturbed, tmp_path):
    begun(tmp_path)
    hindrances = [short_files(size) for size in (0, 100, 1000, 4000)]
    statuses = check_failures(command, tmp_path, hindrances, "File too large", undisturbed)
    assert {1, 2} <= set(statuses)


def test_a_disk_that_cannot_be_written(command, begun, undisturbed, disk):
    folder = disk / "work"
    begun(folder)
    before = snapshot(folder)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    status, lines = command(folder)
    assert (status, len(lines)) == (2, 1)
    assert "Expected `work_dir` to be a folder that can be written" in lines[0]
    assert snapshot(folder) == before
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert command(folder) == (0, [])
    check_as_undisturbed(folder, undisturbed)


def test_a_clock_that_goes_back(command, begun, undisturbed, tmp_path, monkeypatch):
    seconds = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: next(seconds))
    begun(tmp_path)
    assert command(tmp_path) == (0, [])
    check_as_undisturbed(tmp_path, undisturbed)
    assert (pd.read_parquet(tmp_path / "results.parquet").seconds >= 0).all()


# TensorBoard's files, which TensorFlow writes.


def event(value):
    return Summary(value=[Summary.Value(tag="x" * 500, simple_value=value)])


def test_events_that_find_no_room_are_an_os_error(tmp_path):
    events = EventFile(tmp_path, ".example")
    events.add(0, event(1.0))
    with short_files(400), pytest.raises(OSError, match="File too large"):
        events.flush()


def test_events_are_in_order_although_the_clock_went_back(tmp_path, monkeypatch):
    for step, seconds in enumerate((5000, 5000, 4000, 4500, 6000)):
        monkeypatch.setattr(time, "time", lambda now=seconds: now)
        monkeypatch.setattr(os, "getpid", lambda pid=99 - 45 * step: pid)
        events = EventFile(tmp_path, ".example")
        events.add(step, event(float(step)))
        events.close()
    found = points(read(tmp_path), "x" * 500)
    assert [step for step, _ in found] == [0, 1, 2, 3, 4]
