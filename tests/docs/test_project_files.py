"""CITATION, CONTRIBUTING and the docs agree with setup.cfg and with the tree."""

import configparser
import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def metadata():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["metadata"]


def test_citation(metadata):
    text = (ROOT / "CITATION.cff").read_text()
    fields = dict(re.findall(r"^([\w-]+): (.+)$", text, re.MULTILINE))
    assert fields["version"] == metadata["version"]
    assert fields["license"] == metadata["license"]
    assert fields["repository-code"] == metadata["url"]


def test_the_project_has_one_home(metadata):
    """Every address on GitHub that the docs and notebooks name as ours is below setup.cfg's."""
    path = metadata["url"].removeprefix("https://github.com/")
    texts = [*(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb"), ROOT / "README.md"]
    badges = [
        badge
        for text in texts
        for badge in re.findall(r"colab\.[\w./-]*/github/([\w./-]+)", text.read_text())
    ]
    assert len(badges) >= 8
    for badge in badges:
        home, _, file = badge.partition("/blob/main/")
        assert home == path
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_folders_that_contributing_names_exist():
    for path in re.findall(
        r"`((?:tfbn|experiments|tests|docs)/[\w./]+)`", (ROOT / "CONTRIBUTING.md").read_text()
    ):
        assert (ROOT / path).exists(), path


def test_the_house_of_contributing_has_every_room():
    house = (ROOT / "CONTRIBUTING.md").read_text().partition("## The house")[2].split("```")[1]
    packages = {path.parent.name for path in (ROOT / "tfbn").glob("*/__init__.py")}
    around = {"tfbn", "experiments", "training", "lab", "results", "tests", "benchmarks", "docs", "notebooks"}
    assert set(re.findall(r"(?:^|\s)(\w+)/", house)) == packages | around


def test_the_figure_of_modes_shows_all_eight():
    from tfbn.layers.modes import Mode

    image = (ROOT / "docs" / "images" / "modes.svg").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", image).split())
    for by in ("batch", "moving"):
        for updates in (True, False):
            for trains in (True, False):
                assert str(Mode(by, updates, trains)) in words
    assert words.count("trainable=True") == words.count("trainable=False") == 4


def test_docstrings_become_restructured_text(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    docstrings = importlib.import_module("docstrings")
    result = doctest.testmod(docstrings)
    assert result.attempted
    assert not result.failed
