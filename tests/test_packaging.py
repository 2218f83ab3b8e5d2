"""What `pip install .` installs: every file that the packages read, usable from anywhere."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tfbn", "experiments")
BUILD_FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel, built from a copy of the sources, installs."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("tfbn-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_in_the_wheel(installed, package):
    def files(root):
        paths = (p for p in (root / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return {str(p.relative_to(root)) for p in paths}

    assert files(installed) == files(ROOT)


def test_packaged_weights_load_elsewhere(installed, tmp_path):
    program = (  # the report, since its template is a file too
        "import tfbn, experiments.lab.report\nfrom tfbn.models.weights import packaged\n"
        "weights = sorted(packaged('resnet8'))[0]\n"
        "print(tfbn.__file__, tfbn.models.build('resnet8', weights=weights, input_shape=(28, 28, 1)).name)"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(installed))
