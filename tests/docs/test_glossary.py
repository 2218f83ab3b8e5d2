"""The glossary says the same in the docs, in the tab and in a report."""

from pathlib import Path

from tfbn.utils import glossary

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_the_glossary():
    assert (DOCS / "glossary.md").read_text().endswith(f"\n\n{glossary.as_markdown()}\n")


def test_it_has_the_words_that_reports_use():
    assert {"gap", "mismatch", "nats", "short budget", "converged head", "drift"} <= {*glossary.WORDS}
    assert "Kullback-Leibler" in glossary.as_html()


def test_the_tab_links_to_a_page_that_it_serves():
    from tfbn.tensorboard_plugin import static_files

    assert static_files.GLOSSARY in static_files.apps()
    name = static_files.GLOSSARY.removeprefix("/")
    assert f'"{name}"' in (static_files.FOLDER / "sidebar.js").read_text()
