"""`--help | head` ends quietly, and the process goes on ignoring SIGPIPE."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tfbn.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["tfbn.cli", "experiments.frozen_batchnorm"])
def test_a_reader_that_leaves_is_no_error(module):
    command = [sys.executable, "-m", module, "--help"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_help_leaves_the_handling_of_sigpipe_alone(capsys):
    before = signal.getsignal(signal.SIGPIPE)
    assert main(["--help"]) == 0
    assert "tfbn" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGPIPE) == before == signal.SIG_IGN
