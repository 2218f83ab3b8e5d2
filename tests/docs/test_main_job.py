"""The README's table of the main job: from the kept rows, and by another way to its numbers."""

import re

import numpy as np
import pytest
from scipy import stats

from docs import main_job
from tfbn.utils.validation import InputError

README = main_job.README.read_text()


@pytest.fixture(scope="module")
def rows():
    return main_job.rows()


def test_the_readme_has_what_the_rows_give(rows):
    block = README.partition("<!-- begin main job -->")[2].partition("<!-- end main job -->")[0]
    assert block.strip() == main_job.table(rows).strip()


def test_its_numbers_by_another_way(rows):
    plain = rows[rows.condition == "none"].pivot(index="seed", columns="arm", values="test_accuracy")
    assert len(plain) >= 4
    change = (plain["batch_slow"] - plain["inference"]).to_numpy()
    line = next(line for line in README.splitlines() if "momentum 0.99 (Keras's default)" in line)
    shown = [float(number) for number in re.findall(r"[-+]?\d+\.\d", line.split("|")[3])]
    assert shown[0] == pytest.approx(change.mean(), abs=0.051)
    half = stats.t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change))
    assert shown[2] - shown[1] >= 2 * half - 0.11  # at least Student's; both ends are rounded


def test_what_did_not_move_is_counted(rows):
    text = main_job.said(rows)
    assert f"{len(rows)} runs" in text
    moved = rows.assign(affine_moved=1.0)
    with pytest.raises(AssertionError):
        main_job.said(moved)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="to be the folder of a finished frozen_batchnorm"):
        main_job.main([tmp_path])
