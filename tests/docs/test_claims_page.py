"""The page of claims and the README say what the kept results say."""

import subprocess
import sys

import pandas as pd
import pytest

from docs import claims_page
from experiments.claims import table as claims
from experiments.lab import catalog, kept
from experiments.lab.verdicts import CLAIM
from tfbn.utils.validation import InputError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The table, made by a process that may not load TensorFlow."""
    path = tmp_path_factory.mktemp("found") / "table.pickle"
    code = (
        "import sys; from docs import claims_page; "
        f"claims_page.table().to_pickle({str(path)!r}); "
        "assert not {'tensorflow', 'keras'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=claims_page.DOCS.parent, check=True)
    return pd.read_pickle(path)


def test_the_page_is_that_of_the_kept_results(found):
    assert claims_page.PAGE.read_text() == claims_page.page(found)


def test_the_readme_has_the_counts(found):
    text = claims_page.README.read_text()
    assert claims_page.between_marks(text, {"claims": claims_page.sentence(found)}) == text


def test_the_stored_table_is_that_of_the_kept_results(found):
    stored = pd.read_parquet(claims_page.STORED)
    assert stored.drop(columns="numbers").equals(found.drop(columns="numbers"))
    both = ([claims.numbers_of(row) for row in each.itertuples()] for each in (stored, found))
    assert repr(next(both)) == repr(next(both))  # NaN is not equal to itself


def test_every_claim_has_a_source_with_a_quote_of_at_most_25_words(found):
    of_others = found[found.kind == CLAIM]
    assert len(of_others) > 10
    assert of_others.url.str.startswith("https://").all()
    assert of_others.quote.str.split().str.len().between(4, 25).all()
    assert (found[found.kind != CLAIM].groupby("kind").size() > 5).all()


def test_a_folder_that_is_not_one_of_runs_is_refused(tmp_path):
    (tmp_path / "depth").mkdir()
    with pytest.raises(InputError, match="to be the folder of a finished depth"):
        claims_page.keep(tmp_path / "depth")
    assert not (kept.FOLDER / "depth").exists() or kept.is_kept(catalog.load("depth"))
