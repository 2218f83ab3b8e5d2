"""Batch sizes: small, and each verdict from made-up numbers."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.batch_size import __main__ as batch_size
from experiments.batch_size import claims as batch_size_claims
from experiments.batch_size import runs
from experiments.lab import binary
from experiments.lab import decisions as claims
from experiments.lab.verdicts import judged_below
from experiments.training import small_networks
from tests.experiments.exits import error_of

TINY = batch_size.Config(
    seeds=1,
    workers=0,
    model="plain8",
    sizes=(1, 4),
    steps=4,
    samples=8,
    train_images=48,
    test_images=40,
    image_size=8,
    width=2,
    recalibration_images=20,
    learning_rates=(1e-3, 0.02),
    validation_images=30,
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "work"
    config = dataclasses.replace(TINY, work_dir=str(folder), learning_rates=(0.02,))
    summary, path = binary.answer(batch_size.EXPERIMENT, config)
    tables = (pd.read_parquet(path.parent / f"{name}.parquet") for name in ("results", "sampling"))
    return summary, *tables


def test_each_budget_and_size_ran_with_its_steps(study):
    _, results, _ = study
    steps = results.dropna(subset="steps").groupby("condition").steps.unique()
    assert {condition: of.tolist() for condition, of in steps.items()} == {
        "fixed steps, batch 1": [4],
        "fixed steps, batch 4": [4],
        "fixed samples, batch 1": [8],
        "fixed samples, batch 4": [4],
    }
    arms = [arm for arm in batch_size.ARMS if arm != "renorm" or small_networks.has_renorm()]
    assert list(dict.fromkeys(results.arm)) == arms
    measured = results[results.condition != "sampling"].select_dtypes("number")
    assert np.isfinite(measured).all().all()


def test_the_learning_rate_is_the_one_that_does_best_on_images_of_its_own(study, monkeypatch):
    _, results, _ = study
    assert set(results.dropna(subset="learning_rate").learning_rate) == {0.02}
    whole = TINY.split(seed=0)
    split, (x, y) = whole.held_back(30)
    assert (len(split.train_x), len(x), len(y)) == (48, 30, 30)
    np.testing.assert_array_equal(np.concatenate([split.train_x, x]), whole.train_x)
    cell = next(c for c in batch_size.cells(TINY) if c.condition == "fixed steps, batch 4")
    asked, alone = [], {}
    for rate in TINY.learning_rates:
        alone[rate] = runs.run(dataclasses.replace(TINY, learning_rates=(rate,)), cell, None)
    accuracy = runs.scratch.accuracy
    monkeypatch.setattr(runs.scratch, "accuracy", lambda *of: asked.append(len(of[1])) or accuracy(*of))
    both = runs.run(TINY, cell, None)
    assert asked[:2] == [30, 30]  # test images come after the choice
    best = max(sorted(alone), key=lambda rate: alone[rate]["validation_accuracy"])
    assert both == alone[best]
    assert alone[1e-3]["drift"] != alone[0.02]["drift"]


def test_a_dense_layer_learns_nothing_from_batches_of_one(study):
    _, results, sampling = study
    lost = sampling.groupby("arm", observed=True).from_beta.agg(["min", "max"])
    assert lost.loc["dense"].tolist() == [0.0, 0.0]
    assert lost.loc["batchnorm", "min"] > 0
    dense = results[(results.arm == "dense") & (results.batch_size == 1)]
    # Every image gets the same logits, so exactly one class is classified correctly.
    assert (dense.by_batch < 0.4).all()


def test_the_summary_has_every_claim_and_is_whole(study):
    summary, _, _ = study
    assert len(summary.claims) == 3 + small_networks.has_renorm()
    assert all(claim.verdict in claims.VERDICTS and claim.measured for claim in summary.claims)
    assert any("dense_bn (N*H*W = 1): 0." in line for line in summary.findings)
    assert len(summary.figures) == 4


def test_the_same_seed_gives_the_same_bits_whatever_ran_before(tmp_path):
    config = dataclasses.replace(TINY, learning_rates=(0.02,))
    cells = batch_size.cells(config)
    cell = next(c for c in cells if c.condition == "fixed steps, batch 4" and c.arm == "batchnorm")
    alone = runs.run(config, cell, tmp_path)
    other = runs.run(config, dataclasses.replace(cell, condition="fixed samples, batch 1", seed=1), tmp_path)
    assert other != alone
    assert runs.run(config, cell, tmp_path) == alone


@pytest.mark.skipif(not small_networks.has_renorm(), reason="this Keras has no batch renormalization")
def test_arms_start_from_the_same_kernels():
    with_bn, renorm = (runs.build(TINY, arm, 1, 10) for arm in ("batchnorm", "renorm"))
    kernels = [[v.numpy() for v in m.trainable_variables if "kernel" in v.path] for m in (with_bn, renorm)]
    assert len(kernels[0]) == 8
    for one, other in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, other)
    norms = [layer for layer in renorm.layers if "bn" in layer.name]
    assert all(layer.renorm and layer.renorm_momentum == TINY.momentum for layer in norms)


NOISE = [-0.3, -0.1, 0.0, 0.1, 0.3]  # of mean 0, so that equal arms are equal in the mean


def made_up(by_size, arm="batchnorm"):
    """Results of five seeds at each size; `by_size` gives the accuracy in percent."""
    rng = np.random.default_rng(0)
    rows = [
        (arm, budget, size, seed, accuracy + noise)
        for budget in ("fixed steps", "fixed samples")
        for size, accuracy in by_size.items()
        for seed, noise in enumerate(rng.permutation(NOISE))
    ]
    return pd.DataFrame(rows, columns=["arm", "budget", "batch_size", "seed", "inference"])


@pytest.mark.parametrize(
    ("by_size", "verdict"),
    [
        ({1: 40, 2: 50, 4: 60, 8: 70, 16: 90}, claims.HOLDS),
        ({1: 95, 2: 50, 4: 95, 8: 70, 16: 90}, claims.FAILS),
        ({1: 40, 2: 50, 4: 95, 8: 95, 16: 90}, claims.ONLY_IF),
        ({1: 90, 2: 50, 4: 90, 8: 99, 16: 90}, claims.UNDECIDED),
    ],
)
def test_verdict_on_as_large_as_possible(by_size, verdict):
    changes = batch_size_claims.largest_against_smaller(made_up(by_size))
    assert list(changes) == [
        f"{budget}, 16 against {size}" for budget in ("fixed steps", "fixed samples") for size in (4, 1)
    ]
    assert claims.verdict_of(changes) == verdict


@pytest.mark.parametrize(
    ("conv", "dense", "verdict"),
    [(10, 11, claims.HOLDS), (60, 50, claims.FAILS), (60, 10, claims.ONLY_IF)],
)
def test_verdict_on_useless_at_one(conv, dense, verdict):
    results = pd.concat([made_up({1: conv, 4: 90}), made_up({1: dense, 4: 90}, "dense")])
    sampled = pd.DataFrame(
        {
            "arm": "dense",
            "layer": "bn",
            "positions": 1,
            "seed": [0, 1, 2, 3],
            "values": 4,
            "mean_error": [0.5, 0.51, 0.49, 0.5],
        }
    )
    found = batch_size_claims.claims(results, sampled, chance=10.0)
    assert found[1].verdict == verdict
    assert "limit: 15 %" in found[1].measured
    assert found[2].verdict == claims.HOLDS


@pytest.mark.parametrize(("error", "verdict"), [(0.1, claims.HOLDS), (0.3, claims.FAILS)])
def test_verdict_on_the_line(error, verdict):
    rows = {"arm": "a", "layer": "bn", "positions": 4, "seed": [0, 1, 2, 3], "values": 100}
    sampled = pd.DataFrame({**rows, "mean_error": [error, error * 1.02, error * 0.98, error]})
    ratios = batch_size_claims.over_the_line(sampled)
    assert ratios["bn"].mean == pytest.approx(10 * error)
    found = judged_below("c", ratios, batch_size_claims.ON_THE_LINE, unit="times")
    assert found.verdict == verdict


BAD = {
    "sizes": ((0, 4), "Expected `sizes` to be a whole number of at least 1. Received: sizes=0"),
    "arms": (("renorm",), "Expected `arms` to include batchnorm or dense"),
    "model": ("resnet9", "6n+2"),
    "dataset": ("mnist6k", "did you mean mnist5k"),
    "steps": (2, "Expected `steps` to be a whole number of at least 4. Received: steps=2"),
    "train_images": (4990, "to be at most 5000"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options_end_in_one_line(name, tmp_path, monkeypatch, capsys):
    value, message = BAD[name]
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), **{name: value})
    assert message in error_of(batch_size.EXPERIMENT, config, monkeypatch, capsys)
    assert not (tmp_path / "work").exists()


def test_no_sizes_are_refused(tmp_path, monkeypatch, capsys):
    config = dataclasses.replace(TINY, work_dir=str(tmp_path / "work"), sizes=())
    assert "to name at least one" in error_of(batch_size.EXPERIMENT, config, monkeypatch, capsys)
