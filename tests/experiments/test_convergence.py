"""Convergence: a small study, and each verdict from made-up numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.convergence import __main__ as convergence
from experiments.convergence import claims as convergence_claims
from experiments.convergence import runs
from experiments.convergence.summary import at_best_rate
from experiments.lab import binary
from experiments.lab import decisions as claims
from tests.experiments.exits import error_of

TINY = convergence.Config(
    seeds=1,
    workers=0,
    rates=(0.1, 1e6),
    steps=6,
    every=2,
    train_images=48,
    test_images=60,
    image_size=8,
    width=2,
    batch_size=8,
    target=0.05,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    config = dataclasses.replace(TINY, work_dir=str(tmp_path_factory.mktemp("study") / "work"))
    summary, path = binary.answer(convergence.EXPERIMENT, config)
    tables = (pd.read_parquet(path.parent / f"{name}.parquet") for name in ("results", "curve"))
    return summary, *tables


def test_every_arm_rate_and_seed_ran(study):
    _, results, curve = study
    assert (results.groupby(["condition", "arm"]).seed.nunique() == 1).all()
    assert sorted(set(curve.step)) == [2, 4, 6]
    assert results.select_dtypes("number").notna().all().all()


def test_steps_to_the_target_are_the_first_that_reach_it(study):
    _, results, curve = study
    for row in results.itertuples():
        part = curve[(curve.arm == row.arm) & (curve.condition == row.condition) & (curve.seed == row.seed)]
        reached = [s for s, a in zip(part.step, part.accuracy, strict=True) if a >= TINY.target]
        assert row.steps_to_target == (reached[0] if reached else 8)
        assert row.reached == bool(reached)


def test_the_summary_is_whole(study):
    summary, *_ = study
    assert len(summary.claims) == 3
    assert all(claim.verdict in claims.VERDICTS for claim in summary.claims)
    assert len(summary.figures) == 2


def test_arms_start_from_the_same_kernels_and_differ_as_they_say():
    models = {arm: runs.build(TINY, arm, 1, 10) for arm in convergence.ARMS}
    kernels = {
        arm: [v.numpy() for v in m.trainable_variables if v.path.endswith("kernel")]
        for arm, m in models.items()
    }
    for others in kernels.values():
        for one, other in zip(kernels["neither"], others, strict=True):
            np.testing.assert_array_equal(one, other)
    names = {arm: {layer.__class__.__name__ for layer in m.layers} for arm, m in models.items()}
    assert {arm for arm in names if "BatchNormalization" in names[arm]} == {"batchnorm", "both"}
    assert {arm for arm in names if "Dropout" in names[arm]} == {"dropout", "both"}


def test_the_same_seed_gives_the_same_bits_whatever_ran_before(tmp_path):
    cell = next(c for c in convergence.cells(TINY) if c.arm == "both")
    alone, other = runs.run(TINY, cell, tmp_path), dataclasses.replace(cell, seed=1)
    assert runs.run(TINY, other, tmp_path)["held_out"] >= 0
    again = runs.run(TINY, cell, tmp_path)
    alone.pop("fit_seconds"), again.pop("fit_seconds")
    assert again == alone


def made_up(steps, accuracy, largest, rates=(0.1, 1.0, 10.0)):
    """Four seeds; by arm the steps to the target, the accuracy in percent, the largest rate that trains."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "condition": f"rate {rate:g}",
            "arm": arm,
            "seed": seed,
            "rate": rate,
            "steps_to_target": steps[arm] + noise,
            "reached": float(rate <= largest[arm]),
            "trains": rate <= largest[arm],
            "held_out": accuracy[arm] - 5 * (rate > 0.1),
            "test_accuracy": accuracy[arm] + noise / 10,
            "train_accuracy": 99.0,
            "test_images": 1_000_000,
            "fit_seconds": 1.0,
        }
        for arm in convergence.ARMS
        for rate in rates
        for seed, noise in enumerate(rng.permutation([-2.0, -1.0, 1.0, 2.0]))
    ]
    return pd.DataFrame(rows)


def by_arm(*values):
    return dict(zip(convergence.ARMS, values, strict=True))


@pytest.mark.parametrize(
    ("steps", "accuracy", "largest", "verdicts"),
    [
        ((50, 200, 200, 50), (95, 90, 92, 95), (10, 1, 1, 10), (claims.HOLDS,) * 3),
        ((200, 50, 50, 200), (90, 90, 95, 96), (0.1, 1, 1, 1), (claims.FAILS,) * 3),
        (
            (50, 50, 50, 50), (95, 90, 92, 99), (1, 1, 1, 1),
            (claims.UNDECIDED, claims.UNDECIDED, claims.ONLY_IF),
        ),
    ],
)  # fmt: skip
def test_each_verdict(steps, accuracy, largest, verdicts):
    results = made_up(by_arm(*steps), by_arm(*accuracy), by_arm(*largest))
    best = at_best_rate(results)
    assert set(best.rate) == {0.1}
    found = convergence_claims.claims(results, best)
    assert tuple(claim.verdict for claim in found) == verdicts


def test_where_nothing_trains_the_largest_rate_cannot_be_told():
    none = by_arm(0, 0, 0, 0)
    results = made_up(by_arm(9, 9, 9, 9), by_arm(9, 9, 9, 9), none)
    found = convergence_claims.claims(results, at_best_rate(results))
    assert found[1].verdict == claims.UNDECIDED


def test_a_seed_that_no_rate_trains_is_not_left_out():
    results = made_up(by_arm(9, 9, 9, 9), by_arm(9, 9, 9, 9), by_arm(10, 1, 1, 1))
    results.loc[(results.arm == "neither") & (results.seed == 0), "trains"] = False
    change = convergence_claims.larger_rate(results)["largest rate that trains"]
    assert (change.seeds, change.mean) == (4, pytest.approx((2 + 1 + 1 + 1) / 4))


BAD = {
    "rates": ((-0.1,), "rates=-0.1"),
    "every": (0, "Expected `every` to be a whole number of at least 1. Received: every=0"),
    "target": (1.5, "target=1.5"),
    "dropout": (1.0, "dropout=1.0"),
    "model": ("plain9", "6n+2"),
    "test_images": (2, "Expected `test_images` to be a whole number of at least 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_end_in_one_line(name, tmp_path, monkeypatch, capsys):
    value, message = BAD[name]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{name: value})
    assert message in error_of(convergence.EXPERIMENT, config, monkeypatch, capsys)
    assert not (tmp_path / "work").exists()
