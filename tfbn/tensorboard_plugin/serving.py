"""Runs a TensorBoard temporarily, for scripts, tests and benchmarks."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

SECONDS = 120
_ROOT = Path(__file__).parents[2]  # TensorBoard's process takes this tfbn, not another that is installed


@contextlib.contextmanager
def serving(log_dir: str | os.PathLike, *flags: str) -> Iterator[str]:
    """Runs TensorBoard on loopback, at a free port, while the block runs.

    Args:
        log_dir: The log folder.
        *flags: More flags of TensorBoard, such as `"--load_fast=false"`.

    Yields:
        Its URL, such as `"http://127.0.0.1:6006/"`.

    Raises:
        RuntimeError: TensorBoard did not start; the message has what it printed.
    """
    command = [sys.executable, "-m", "tensorboard.main", "--host=127.0.0.1", "--port=0", *flags]
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as elsewhere, tempfile.TemporaryFile("w+") as output:
        # Not in the current folder, which Python would look for packages in.
        process = subprocess.Popen(
            [*command, f"--logdir={Path(log_dir).resolve()}"],
            stdout=output,
            stderr=output,
            cwd=elsewhere,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            yield _url(process, output)
        finally:
            process.terminate()
            process.wait()


def _url(process: subprocess.Popen, output: IO[str]) -> str:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        output.seek(0)
        found = re.search(r"http://127\.0\.0\.1:\d+/", output.read())
        if found:
            return found[0]
        time.sleep(0.1)
    output.seek(0)
    raise RuntimeError(f"TensorBoard did not start:\n{output.read()}")
