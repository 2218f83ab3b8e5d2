"""What the docs say runs, and their links lead somewhere."""

import doctest
import re
from pathlib import Path

import pytest
import tensorflow as tf

from tests.replicas import mirrored

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [str(page.relative_to(DOCS)) for page in PAGES]
BLOCK = re.compile(r"^```(python|pycon)\n(.*?)^```", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def run_page(page: Path) -> int:
    """Runs a page's blocks in order, in one namespace; returns how many there were."""
    text = page.read_text()
    names: dict = {"__name__": "__main__", "__file__": str(page)}
    found = list(BLOCK.finditer(text))
    for block in found:
        line = text[: block.start()].count("\n") + 2
        if block[1] == "python":
            exec(compile("\n" * (line - 1) + block[2], page.name, "exec", dont_inherit=True), names)
        else:
            test = doctest.DocTestParser().get_doctest(block[2], names, page.name, page.name, line)
            test.globs = names
            runner = doctest.DocTestRunner(optionflags=OPTIONS)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0, f"{page.name}, line {line}"
    return len(found)


def with_code() -> list[str]:
    return [name for name in NAMES if BLOCK.search((DOCS / name).read_text())]


@pytest.mark.parametrize("name", with_code())
def test_code_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strategy = mirrored()
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda *devices: strategy)
    assert run_page(DOCS / name)


def test_a_wrong_page_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\na = 1\n```\n\n```pycon\n>>> a + 1\n3\n```\n")
    with pytest.raises(AssertionError, match="line 6"):
        run_page(page)


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = DOCS / name
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name}: [{text}]({target})"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, f"{name}: [{text}]({target})"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_the_contents():
    listed = set()
    for block in re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL):
        listed |= {line.strip() for line in block.splitlines() if line.strip() and not line.startswith(":")}
    assert listed == {name.removesuffix(".md") for name in NAMES} - {"index"}


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name):
    """Make targets, binaries and their flags, as the pages and CONTRIBUTING name them."""
    check_commands((DOCS / name).read_text())


def test_commands_of_contributing_exist():
    check_commands((ROOT / "CONTRIBUTING.md").read_text())


def check_commands(text: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, target
    for module, rest in re.findall(r"python -m (experiments\.\w+|benchmarks)((?:[^\n`]|\\\n)*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
        known = _flags_of(module) if module.startswith("experiments.") else set()
        for flag in re.findall(r"--(\w+)", rest.partition("#")[0]):
            assert flag in known | {"help"}, f"{module} --{flag}"


def _flags_of(module: str) -> set[str]:
    import dataclasses

    from experiments.lab import catalog

    experiment = catalog.load(module.removeprefix("experiments."))
    return {field.name for field in dataclasses.fields(experiment.config_class)}
