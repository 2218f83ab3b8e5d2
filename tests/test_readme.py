"""What the README says runs: its commands as a newcomer would type them, and its Python."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from docs import claims_page, main_job, real_scale_page
from tfbn import models
from tfbn.cli import main as cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

# How the tests run each command of the README; a command that is new must be entered here.
FIRST_SCREEN = ("make run", "make test")  # literally, on a clean machine
BOARD = ".venv/bin/tensorboard --logdir runs/frozen_batchnorm/runs"  # on what `make run` left
CHOOSE = ".venv/bin/tfbn choose MobileNetV2 --data_dir=photos"  # with the reader's photographs
HELP = (".venv/bin/python -m experiments.frozen_batchnorm", ".venv/bin/python -m experiments.choose")
TEMPLATE = ".venv/bin/python -m experiments.<name>"  # for each name in the table of experiments
NUMBERS = ".venv/bin/python -m docs"  # what it writes is in tests/docs
SMALL = 'make run FLAGS="--model=resnet8 --seeds=5"'  # a parameter of the first, tested small
TARGETS = ("check", "test-long", "test-backends", "keras-versions", "benchmark", "docs", "notebooks")  # exist


def shell_lines() -> list[str]:
    """The commands of the README's shell blocks, without comments."""
    blocks = re.findall(r"```(?:sh|bash|console|shell)\n(.*?)```", README, re.DOTALL)
    lines = (line.partition(" #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def commands() -> list[str]:
    """Those, and the ones that its sentences name."""
    code = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    runs = re.compile(r"(make [a-z]|\.venv/bin/|python|pip|git|tensorboard) ?\S")
    return [*shell_lines(), *(command for command in code if runs.match(command))]


def test_no_command_is_unknown_to_the_tests():
    targets = {f"make {target}" for target in TARGETS}
    assert set(commands()) == {*FIRST_SCREEN, SMALL, BOARD, CHOOSE, *HELP, TEMPLATE, NUMBERS} | targets
    assert set(shell_lines()) == set(FIRST_SCREEN)


def test_make_knows_every_target():
    asked = [command for command in dict.fromkeys(commands()) if command.startswith("make ")]
    done = subprocess.run(
        ["make", "--dry-run", *(word for command in asked for word in shlex.split(command)[1:])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "experiments.frozen_batchnorm" in done.stdout
    assert '-m "not long"' in done.stdout


def test_the_numbers_of_the_claims_come_after_those_of_the_study(monkeypatch):
    written = []
    monkeypatch.setattr(real_scale_page, "main", lambda folders: written.append("study"))
    monkeypatch.setattr(claims_page, "main", lambda folders: written.append("claims"))
    monkeypatch.setattr(main_job, "main", lambda folders: written.append("main job"))
    runpy.run_module("docs", run_name="__main__")
    assert written == ["study", "claims", "main job"]


def test_binaries_answer_for_help():
    """Started as the README has it, both at once, with this Python."""
    processes = [
        subprocess.Popen(
            [sys.executable, *command.split()[1:], "--help"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for command in HELP
    ]
    said = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    for text in said:
        paragraph = README.partition(f"`{HELP[0]}`")[2].partition("\n\n")[0]
        named = set(re.findall(r"`--(\w+)`", paragraph))
        assert {"model", "frozen", "shifts", "audit"} <= named
        assert named <= set(re.findall(r"--(?:\[no\])?(\w+)", text))


def test_choose_takes_the_command_of_the_readme(tmp_path, monkeypatch, capsys):
    """Here, where there are no weights and no photographs, it complains about the photographs alone."""
    monkeypatch.chdir(tmp_path)
    small = models.build("resnet8", width=4, include_top=False, pooling="avg", input_shape=(32, 32, 3))
    monkeypatch.setattr(models, "pretrained", lambda name, **_: {"MobileNetV2": small}[name])
    assert cli.main(CHOOSE.split()[1:]) == 2
    assert "Expected --data_dir to be a folder. Received: data_dir='photos'" in capsys.readouterr().err


def test_the_table_names_every_experiment():
    from experiments.lab import catalog

    table = README.partition("| experiment | what it asks |")[2].partition("\n\n")[0]
    first_cells = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells))) == set(catalog.names())


def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    assert len(BLOCKS) >= 2
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(link):
    assert link.startswith("http") or (ROOT / link).exists(), link


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with the tracked files as they are now, a home that is empty, and hardly any variable."""
    folder, home = tmp_path_factory.mktemp("machine") / "tfbn", tmp_path_factory.mktemp("home")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # What a machine says of where packages come from, and those that were downloaded before, stays.
    kept = re.compile(r"(PATH|LANG|PIP_\w+|SSL_\w+|\w+_CA_BUNDLE|\w+_proxy)$", re.IGNORECASE)
    environment = {name: value for name, value in os.environ.items() if kept.match(name)}
    pip = [sys.executable, "-m", "pip", "cache", "dir"]
    environment["PIP_CACHE_DIR"] = subprocess.run(
        pip, check=True, capture_output=True, text=True
    ).stdout.strip()
    settings = Path.home() / ".config" / "pip" / "pip.conf"
    if settings.exists():
        environment["PIP_CONFIG_FILE"] = str(settings)
    # A test runs inside a virtual environment; a newcomer's shell does not.
    binaries = str(Path(sys.executable).parent)
    path = [entry for entry in environment["PATH"].split(os.pathsep) if entry != binaries]
    return folder, {**environment, "PATH": os.pathsep.join(path), "HOME": str(home)}


@pytest.mark.long
@pytest.mark.parametrize("command", shell_lines())
def test_the_first_screen_works_on_a_clean_machine(clone, command):
    """Literally and in order: `make test` in it leaves out tests that are long, as this one."""
    folder, environment = clone
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    if command == "make run":
        assert (folder / "runs" / "frozen_batchnorm" / "report.html").exists()
        assert "Report: runs/frozen_batchnorm/report.html" in done.stdout
        assert f"TensorBoard: {BOARD.removeprefix('.venv/bin/')}" in done.stdout
    else:
        assert re.search(r"\d+ passed", done.stdout)
        assert "failed" not in done.stdout


@pytest.mark.long
def test_what_make_run_left_opens_in_tensorboard(clone):
    folder, environment = clone
    if not (folder / "runs").exists():
        pytest.skip("`make run` has not been run here")
    command = [*BOARD.split(), "--port=0"]  # so that it conflicts with no other
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as board:
        try:
            assert board.stderr is not None
            address = next(filter(None, (re.search(r"http://\S+", line) for line in board.stderr)))[0]
            with urllib.request.urlopen(f"{address}data/plugins_listing", timeout=60) as answer:
                assert b'"tfbn"' in answer.read()
        finally:
            board.terminate()
