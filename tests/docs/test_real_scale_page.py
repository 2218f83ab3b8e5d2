"""The page of the study at real scale says what the stored results say."""

import pytest

from docs import real_scale_page
from experiments.real_scale import stored
from experiments.real_scale.conditions import CONDITIONS


@pytest.fixture(scope="module")
def results():
    return stored.read()


def test_every_number_of_the_page_is_that_of_the_stored_results(results):
    text = real_scale_page.PAGE.read_text()
    assert real_scale_page.updated(text, *results) == text


def test_the_readme_has_the_same_sentences(results):
    text = real_scale_page.README.read_text()
    sentences = real_scale_page.answer(results[0], real_scale_page.README_LINK)
    assert real_scale_page.between_marks(text, {"answer": sentences}) == text
    page = real_scale_page.PAGE.read_text()
    assert all(
        line.endswith(("#short-training)", "#converged-head-refitted-on-inference-features)"))
        for line in sentences.splitlines()
    )
    assert "### Short training\n" in page
    assert "### Converged head, refitted on inference features\n" in page


def test_other_results_give_another_page(results):
    arms, _ = results
    changed = arms.assign(test_accuracy=arms.test_accuracy * 0.9, refitted_accuracy=0.5)
    text = real_scale_page.PAGE.read_text()
    assert real_scale_page.answer(arms) in text
    for part in (real_scale_page.answer(changed), real_scale_page.accuracies(changed)):
        assert part not in text
    better = arms.assign(test_accuracy=arms.setting.eq("batch_0.99").map({True: 0.9, False: 0.5}))
    (first, *_) = real_scale_page.answer(better).splitlines()
    assert "40.0 points worse" in first


def test_a_page_without_a_mark_is_an_error():
    with pytest.raises(ValueError, match="one place for answer"):
        real_scale_page.between_marks("# A page\n", {"answer": ""})


def test_what_is_stored_names_its_machine_commit_and_conditions(results):
    arms, about = results
    assert {*arms.condition} <= {*CONDITIONS}
    assert set(arms.machine) == set(about["machines"])
    assert all(versions["keras"] for versions in about["machines"].values())
    assert set(arms.commit) == set(about["commits"])
    tuned = arms[arms.family.isin(["tuned_held", "tuned_batch", "affine_held", "affine_batch"])]
    assert (tuned.groupby(["condition", "seed"]).machine.nunique() == 1).all()
    assert not any(commit.endswith("+") for commit in about["commits"])
    assert not arms.duplicated(["condition", "seed", "setting"]).any()


def test_what_is_left_of_the_study_is_said(results):
    arms, about = results
    fewer = arms[~((arms.condition == "base") & (arms.family == "tuned_held") & (arms.seed < 2))]
    assert "Fashion-MNIST, tuned_held (2)" in real_scale_page.measured(fewer, about)
    assert "Fashion-MNIST, tuned_held" not in real_scale_page.measured(arms, about)
