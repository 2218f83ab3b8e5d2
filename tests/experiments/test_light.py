"""Flags are read without anything heavy: which modules `--help` and a mistyped flag load."""

import subprocess
import sys

import pytest

from experiments.lab import catalog

HEAVY = ("tensorflow", "keras", "tensorflow_datasets", "pandas", "matplotlib", "sklearn", "scipy", "pyarrow")
# What was imported when the binary ended, however it ended.
ASK = """
import runpy, sys
sys.argv = ["binary", {flag!r}]
try:
    runpy.run_module("experiments.{name}", run_name="__main__", alter_sys=True)
except SystemExit as ended:
    print("STATUS", ended.code, sorted(set({heavy!r}) & set(sys.modules)))
"""


def asked(name, flag):
    code = ASK.format(flag=flag, name=name, heavy=HEAVY)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", catalog.names())
def test_help_loads_nothing_heavy(name):
    done = asked(name, "--help")
    assert "STATUS 0 []" in done.stdout
    assert catalog.load(name).question.split("?")[0].split(":")[0][:20] in done.stdout
    assert "--work_dir" in done.stdout


@pytest.mark.parametrize("flag", ["--seds=3", "--seeds=many", "--seeds=0", "--shifts=", "surplus"])
def test_a_mistake_is_one_line_and_loads_nothing_heavy(flag):
    done = asked("frozen_batchnorm", flag)
    assert "STATUS 2 []" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
