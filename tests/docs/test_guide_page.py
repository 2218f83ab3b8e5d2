"""The decision table says what the stored results say."""

import pytest

from docs import guide_page
from experiments.real_scale import stored


@pytest.fixture(scope="module")
def arms():
    return stored.read()[0]


def test_every_number_of_the_table_is_that_of_the_stored_results(arms):
    text = guide_page.PAGE.read_text()
    assert guide_page.updated(text, arms) == text


def test_other_results_give_another_table(arms):
    changed = arms.assign(test_accuracy=arms.setting.eq("inference").map({True: 0.9, False: 0.5}))
    row = next(line for line in guide_page.decisions(changed).splitlines() if "momentum" in line)
    assert "Fashion-MNIST, short: +40.0" in row
    assert "not shown" not in row.partition("converged")[0]


def test_a_difference_that_is_not_shown_is_called_so(arms):
    same = arms.assign(test_accuracy=0.8, converged_accuracy=0.8, refitted_accuracy=0.8)
    table = guide_page.decisions(same)
    assert table.count("not shown") == table.count("+0.0 [")


def test_a_situation_that_has_not_run_has_no_row(arms):
    table = guide_page.decisions(arms[arms.condition != "photographs"])
    assert "photographs" not in table
    assert "Fashion-MNIST" in table
