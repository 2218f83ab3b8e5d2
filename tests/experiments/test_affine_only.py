"""gamma and beta alone: exactly they train, and verdicts from made-up results."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.affine_only import __main__ as affine_only
from experiments.affine_only.summary import Changes, claims
from experiments.lab import binary
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF
from experiments.training import transfer
from experiments.training.arms import AFFINE
from tests.experiments.small import TINY
from tfbn.graph.traversal import batch_normalizations
from tfbn.utils.validation import InputError

SHARED = {f.name: getattr(TINY, f.name) for f in dataclasses.fields(TINY) if f.name not in ("arms", "audit")}
SMALL = affine_only.Config(**SHARED, arms=("affine_held", "affine_updated", "head_held", "affine_random"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "work"
    config = dataclasses.replace(SMALL, work_dir=str(folder), seeds=1)
    summary, _ = binary.answer(affine_only.EXPERIMENT, config)
    return summary, pd.read_parquet(folder / "results.parquet").set_index("arm")


@pytest.mark.long
def test_what_moves_is_what_the_arm_says(study):
    _, results = study
    assert (results.affine_moved > 0).to_dict() == {
        "affine_held": True, "affine_updated": True, "head_held": False, "affine_random": True
    }  # fmt: skip
    assert (results.statistics_moved > 0).to_dict() == {
        "affine_held": False, "affine_updated": True, "head_held": False, "affine_random": True
    }  # fmt: skip


@pytest.mark.long
def test_the_claims_need_the_arms_they_compare(study):
    summary, _ = study
    said = [claim.claim for claim in summary.claims]
    assert len(said) == 2  # nothing to compare with everything, nor with a head that was never pretrained
    assert said[0].startswith("Training gamma and beta too")
    assert "did not move by one bit in any of 2 runs" in summary.findings[0]


@pytest.mark.parametrize("arm", AFFINE)
def test_which_variables_train(arm, tmp_path):
    keras.utils.set_random_seed(0)
    model = transfer.build(SMALL, AFFINE[arm], 0, 10, tmp_path)
    kinds = {v.path.rsplit("/", 1)[1] for v in model.trainable_variables if not v.path.startswith("head")}
    kind = arm.partition("_")[0]
    assert kinds == {"affine": {"gamma", "beta"}, "head": set()}.get(kind, {"kernel", "gamma", "beta"})
    assert sum(v.path.startswith("head/") for v in model.trainable_variables) == 2
    for named in batch_normalizations(model):
        assert named.layer.mode.updates == (not arm.endswith("held"))
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert parameters == {"affine": 480 + 650, "head": 650}.get(kind, 75_002)


def test_only_what_is_named_is_frozen(tmp_path):
    config = dataclasses.replace(SMALL, frozen=("stem", "stage1"))
    model = transfer.build(config, AFFINE["affine_held"], 0, 10, tmp_path)
    kernels = {v.path.split("_")[0] for v in model.trainable_variables if v.path.endswith("kernel")}
    assert kernels == {"stage2", "stage3", "head/kernel"}
    flags = {named.path.split("_")[0]: named.layer.training for named in batch_normalizations(model)}
    assert flags == {"stem": False, "stage1": False, "stage2": None, "stage3": None}


def results(**leads):
    """Five seeds under two shifts; an arm's level is 80 plus its lead, the seeds' level varies."""
    rng = np.random.default_rng(0)
    level = rng.normal(80, 5, 5)
    rows = [
        (shift, arm, seed, level[seed] + leads.get(arm, 0) + rng.normal(0, 0.2))
        for shift in ("none", "contrast=0.3")
        for arm in AFFINE
        for seed in range(5)
    ]
    return pd.DataFrame(rows, columns=["condition", "arm", "seed", "test_accuracy"])


@pytest.mark.parametrize(
    ("start", "leads", "verdict"),
    [
        ("Training gamma, beta and the head", {}, HOLDS),
        ("Training gamma, beta and the head", {"everything_held": 6}, ONLY_IF),
        ("Training gamma, beta and the head", {"everything_held": 6, "everything_updated": 6}, FAILS),
        ("Training gamma and beta too", {"affine_held": 3, "affine_updated": 3}, HOLDS),
        ("Training gamma and beta too", {"affine_held": 3, "head_updated": 3}, ONLY_IF),
        ("Hold the statistics", {"affine_updated": 3}, FAILS),
        ("gamma and beta alone", {"affine_random": 3}, HOLDS),
    ],
)
def test_verdicts_follow_from_the_numbers(start, leads, verdict):
    config = affine_only.Config(shifts=("none", "contrast=0.3"))
    made = claims(Changes(config, results(**leads)))
    (claim,) = [claim for claim in made if claim.claim.startswith(start)]
    assert claim.verdict == verdict, claim


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": ("affine",)}, "Expected `arms` to be one of .*did you mean affine_held"),
        ({"tuning_rate": -1.0}, r"Expected `tuning_rate` to be .*tuning_rate=-1\.0"),
        ({"shifts": ("contrst=0.3",)}, "did you mean contrast"),
    ],
)
def test_bad_options(options, message, tmp_path):
    config = dataclasses.replace(SMALL, work_dir=str(tmp_path / "work"), **options)
    with pytest.raises(InputError, match=message):
        binary.answer(affine_only.EXPERIMENT, config)
    assert not (tmp_path / "work").exists()
