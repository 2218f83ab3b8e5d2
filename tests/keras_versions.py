"""The contract on other versions of Keras, each installed into a folder of its own.

    python -m tests.keras_versions                      every supported version
    python -m tests.keras_versions oldest nightly       some of them
    python -m tests.keras_versions 3.9.2                any other

Keras is pure Python, so a folder in front of PYTHONPATH is enough. A nightly that is not
available, or on which tests fail, is reported and does not fail the command; any other version does.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(".cache/keras")
VERSIONS = {"oldest": "3.8.0", "3.10": "3.10.0", "3.12": "3.12.4", "pinned": "3.15.1", "nightly": "nightly"}
CONTRACT = (
    "tests/layers",
    "tests/backends",
    "tests/transforms/test_conversion.py",
    "tests/transforms/test_freezing.py",
    "tests/auditing/test_audit.py",
    "tests/graph/test_keras_versions.py",
    "tests/graph/test_symbolic_calls.py",
    "tests/graph/test_call_sites.py",
    "tests/statistics/test_recalibration.py",
    "tests/transforms/test_folding.py",
)


def install(version: str) -> Path | None:
    """The folder with that version of Keras, or None if it cannot be had."""
    folder = FOLDER / version
    if (folder / "keras").is_dir():
        return folder
    what = ["--pre", "keras-nightly"] if version == "nightly" else [f"keras=={version}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder if done.returncode == 0 else None


def run(version: str) -> tuple[str, bool]:
    """What pytest's last line said, and whether all was well."""
    folder = install(version)
    if folder is None:
        return "cannot be installed", False
    environment = {**os.environ, "PYTHONPATH": f"{folder.absolute()}{os.pathsep}{Path.cwd()}"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not long", "-p", "no:cacheprovider"]
    command += ["-n", os.environ.get("WORKERS", "2")]
    done = subprocess.run([*command, *CONTRACT], env=environment, capture_output=True, text=True, check=False)
    results = re.findall(r"^\d+ (?:passed|failed).*$", done.stdout, re.MULTILINE)
    if done.returncode:
        print("\n".join(line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))))
    return (results or ["pytest did not finish"])[-1], done.returncode == 0


def main(wanted: list[str]) -> int:
    failed = False
    rows = []
    for name in wanted or list(VERSIONS):
        version = VERSIONS.get(name, name)
        started = time.monotonic()
        result, good = run(version)
        rows.append(
            f"{version:10} {'ok  ' if good else 'FAIL'} {result} ({time.monotonic() - started:.0f} s)"
        )
        print(rows[-1], flush=True)
        if not good and version == "nightly":
            print("WARNING: the nightly is red or missing. That does not fail this command.", file=sys.stderr)
        failed |= not good and version != "nightly"
    print("\nKeras      contract\n" + "\n".join(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
