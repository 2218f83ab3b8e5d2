"""What `pip install .` installs: every file that the packages read, usable from anywhere."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tfbn.utils.extras import EXPERIMENTS

ROOT = Path(__file__).parent.parent
PACKAGES = ("tfbn", "experiments")
BUILD_FILES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")
BUILD = """
import sys
sys.path.insert(0, {tools!r})
from setuptools import build_meta
build_meta.build_wheel({folder!r})
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the wheel, built from a copy of the sources, installs."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, source)
    code = BUILD.format(tools=str(build_tools(folder)), folder=str(folder))
    # As pip does, with nothing but what pyproject.toml requires; pip would download that again.
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("tfbn-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


def build_tools(folder):
    """A folder with links to the installed packages that pyproject.toml requires for a build."""
    tools = folder / "tools"
    tools.mkdir()
    (required,) = re.findall(r"^requires = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for name in re.findall(r'"([\w-]+)', required):
        found = metadata.distribution(name)
        for top in {file.parts[0] for file in found.files} - {".."}:
            (tools / top).symlink_to(Path(found.locate_file(top)).resolve())
    return tools


def files(root):
    paths = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(root)) for p in paths}


def test_every_file_is_in_the_wheel_below_one_name(installed):
    assert [path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")] == ["tfbn"]
    experiments = {f"experiments/{name}" for name in files(ROOT / "experiments")}
    assert files(installed / "tfbn") == files(ROOT / "tfbn") | experiments


def run_elsewhere(installed, folder, *command):
    """Runs Python in a folder that has a package `experiments` of its own."""
    (folder / "experiments").mkdir()
    (folder / "experiments" / "__init__.py").write_text("raise ImportError('the user\\'s own')")
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_experiments_run_in_a_project_that_has_its_own(installed, tmp_path):
    done = run_elsewhere(installed, tmp_path, "-m", "tfbn.experiments.depth", "--help")
    assert done.returncode == 0, done.stderr
    assert "--start_depths" in done.stdout
    assert str(installed) not in done.stderr


@pytest.mark.long
def test_workers_of_an_installed_experiment_find_its_modules(installed, tmp_path):
    options = ["--workers=1", "--seeds=1", "--depths=8", "--start_depths=", "--trained=plain", "--steps=3"]
    done = run_elsewhere(
        installed, tmp_path, "-m", "tfbn.experiments.depth", *options, "--train_images=64", "--test_images=32"
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "depth" / "results.parquet").exists()


def test_the_extra_has_what_experiments_ask_for():
    names = {"jinja2": "Jinja2", "sklearn": "scikit-learn", "tensorflow_datasets": "tensorflow-datasets"}
    options = configparser.ConfigParser()
    options.read(ROOT / "setup.cfg")
    extra = options["options.extras_require"]["experiments"]
    for module in EXPERIMENTS:
        assert f"\n{names.get(module, module)}>=" in extra


BASE = """
import sys
sys.modules.update(dict.fromkeys({hidden}))  # an import of these raises ModuleNotFoundError
import keras, numpy as np, tfbn
from tfbn.models.weights import packaged
from tfbn.utils.validation import InputError
x, y = np.random.default_rng(0).random((32, 8, 8, 3), "float32"), np.arange(32) % 4
model = keras.Sequential([
    keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(name="bn"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4, "softmax"),
])
model = tfbn.convert(model)
tfbn.freeze(model, up_to="bn", training=True)
assert "bn" in str(tfbn.audit(model, batch_size=8, steps=4))
model.compile("sgd", "sparse_categorical_crossentropy")
doctor = tfbn.Doctor()
model.fit(x, y, batch_size=8, verbose=0, callbacks=[tfbn.DriftRecorder("log"), doctor])
assert len(tfbn.callbacks.read_drift("log"))
tfbn.doctor(model, x, batch_size=8, steps=4)
tfbn.recalibrate(model, x, batch_size=8, verbose=False)
assert tfbn.fold(model, verbose=False).predict(x, verbose=0).shape == (32, 4)
try:
    tfbn.choose(keras.Model(model.inputs, model.layers[-2].output), x, y, verbose=False)
except InputError as error:
    print(error)
weights = sorted(packaged("resnet8"))[0]
print(tfbn.__file__, tfbn.models.build("resnet8", weights=weights, input_shape=(28, 28, 1)).name)
"""


@pytest.mark.slow
def test_without_the_extra_all_but_choose_works(installed, tmp_path):
    program = BASE.replace("{hidden}", repr(EXPERIMENTS))
    done = run_elsewhere(installed, tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr
    assert "pip install tfbn[experiments]" in done.stdout
    assert f"{installed / 'tfbn' / '__init__.py'} resnet8" in done.stdout  # with weights of the package


def test_the_report_loads_elsewhere(installed, tmp_path):
    program = "import tfbn.experiments.lab.report as report; print(report.__file__)"
    done = run_elsewhere(installed, tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
