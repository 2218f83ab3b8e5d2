"""Runs the notebooks.

python -m tests.notebooks [NAMES]           from clean kernels
python -m tests.notebooks --write [NAMES]   and stores their outputs
python -m tests.notebooks --wheel           as users have tfbn: from the built wheel, with the
                                            pinned and with the oldest supported Keras
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests import keras_versions
from tests.notebooks import execution
from tests.test_packaging import BUILD_FILES, PACKAGES

ENVIRONMENT = Path("build/notebooks")


def run(names: list[str], write: bool = False) -> None:
    """Runs notebooks one after the other and says how long each took."""
    with tempfile.TemporaryDirectory(prefix="tfbn-notebooks-") as name:
        data = Path(name) / "tensorflow_datasets"
        os.environ.setdefault("TFDS_DATA_DIR", str(data))
        for notebook in names or execution.names():
            folder = Path(name) / notebook
            folder.mkdir()
            done, seconds = execution.execute(notebook, folder)
            print(f"{notebook}: {seconds:.0f} s", flush=True)
            if write:
                execution.store(notebook, done)


def run_with_wheel() -> None:
    """Runs all notebooks where tfbn is installed from its wheel, with two versions of Keras."""
    python = environment_with_wheel()
    for version in ("pinned", "oldest"):
        path = []
        if version != "pinned":
            folder = keras_versions.install(keras_versions.VERSIONS[version])
            if folder is None:
                sys.exit(f"Keras {keras_versions.VERSIONS[version]} cannot be installed")
            path = [str(folder.absolute())]
        print(f"With the {version} Keras:", flush=True)
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        subprocess.run([python, "-m", "tests.notebooks"], check=True, env=variables)


def environment_with_wheel() -> str:
    """A virtual environment with the wheel; the packages it needs are lent by this one.

    Returns:
        Its Python. This checkout is not on its path, unless as the current folder.
    """
    venv.create(ENVIRONMENT, clear=True, with_pip=False)
    python = str(ENVIRONMENT.absolute() / "bin" / "python")
    # A path file adds the packages, but not the link to this checkout that lies among them.
    (lent,) = {path for path in sys.path if path.endswith("site-packages")}
    (own,) = ENVIRONMENT.glob("lib/python*/site-packages")
    (own / "lent.pth").write_text(f"{lent}\n")
    tensorboard = Path(python).with_name("tensorboard")
    tensorboard.write_text(f"#!{python}\nfrom tensorboard.main import run_main\n\nrun_main()\n")
    tensorboard.chmod(0o755)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(prefix="tfbn-wheel-") as folder:
        source = Path(folder) / "source"  # a copy, since a build leaves things where it was made
        for package in PACKAGES:
            shutil.copytree(package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
        for name in BUILD_FILES:
            shutil.copy(name, source)
        _quietly([*pip, "wheel", "--no-deps", "--wheel-dir", folder, str(source)])
        (wheel,) = Path(folder).glob("tfbn-*.whl")
        _quietly([*pip, "install", "--no-deps", "--target", str(own), str(wheel)])
    return python


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--wheel"]:
        run_with_wheel()
    else:
        run([name for name in arguments if name != "--write"], write="--write" in arguments)
