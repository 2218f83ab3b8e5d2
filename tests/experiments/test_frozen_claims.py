"""Verdicts on claims about frozen layers, from made-up results that go either way."""

import numpy as np
import pandas as pd
import pytest

from experiments.frozen_batchnorm import __main__ as frozen_batchnorm
from experiments.frozen_batchnorm.claims import claims
from experiments.frozen_batchnorm.defaults import with_defaults
from experiments.lab.decisions import FAILS, HOLDS, ONLY_IF, UNDECIDED
from experiments.training.arms import ARMS

SHIFTS = ("none", "noise=0.3")
KEEP = "Keep frozen layers' BatchNorm in inference mode: better than training=True at momentum"
UPDATING = ("batch", "batch_slow", "inference_updating", "all_trained")


def results(arms=tuple(ARMS), **changes):
    """Five seeds; `accuracy_ARM`, `gap_ARM`, `drift_ARM`, `affine_ARM` change an arm's values."""
    rng = np.random.default_rng(0)
    rows = []
    for shift in SHIFTS:
        for arm in arms:
            for seed in range(5):
                accuracy = 80 + 5 * seed + changes.get(f"accuracy_{arm}", 0) + rng.normal(0, 0.2)
                rows.append(
                    {
                        "condition": shift,
                        "arm": arm,
                        "seed": seed,
                        "test_accuracy": accuracy,
                        "converged_accuracy": accuracy,
                        "fit_accuracy": 50 + changes.get(f"gap_{arm}", 0) + rng.normal(0, 0.2),
                        "train_accuracy": 50.0,
                        "mean_shift": changes.get(f"drift_{arm}", 0.4 * (arm in UPDATING)),
                        "affine_moved": changes.get(f"affine_{arm}", float(ARMS[arm].trainable)),
                        "statistics_moved": float(arm in UPDATING),
                    }
                )
    return pd.DataFrame(rows)


def verdict_on(start, frame):
    options = {"arms": tuple(dict.fromkeys(frame.arm)), "shifts": SHIFTS}
    config = with_defaults(frozen_batchnorm.Config(model="resnet8", **options))
    (claim,) = [claim for claim in claims(config, frame) if claim.claim.startswith(start)]
    return claim.verdict


@pytest.mark.parametrize(
    ("start", "frame", "verdict"),
    [
        ("Frozen layers' BatchNorm does not learn", results(), ONLY_IF),
        ("Frozen layers' BatchNorm does not learn", results(("inference", "batch_held")), HOLDS),
        ("Frozen layers' BatchNorm does not learn", results(("inference", "batch"), affine_batch=0.1), FAILS),
        ("Frozen layers' BatchNorm does not learn", results(("batch",)), FAILS),
        (f"{KEEP} 0.99, Keras's default.", results(accuracy_inference=4), HOLDS),
        (f"{KEEP} 0.99, Keras's default.", results(accuracy_batch_slow=4), FAILS),
        (f"{KEEP} 0.9.", results(accuracy_batch=-4), HOLDS),
        (f"{KEEP} 0.9.", results(accuracy_inference=-4, accuracy_batch_slow=-9), FAILS),
        ("Frozen layers may run", results(gap_batch=1, gap_batch_held=1), HOLDS),
        ("Frozen layers may run", results(gap_batch=1, gap_batch_held=40), ONLY_IF),
        ("Frozen layers may run", results(gap_batch=30, gap_batch_held=40), FAILS),
        ("The default momentum", results(accuracy_batch_slow=-1), HOLDS),
        ("The default momentum", results(accuracy_batch_slow=-40), FAILS),
        ("Recalibrating", results(accuracy_recalibrated=-1), HOLDS),
        ("Recalibrating", results(accuracy_recalibrated=-2), UNDECIDED),
        ("The drift", results(), UNDECIDED),
        ("The drift", results(gap_batch_slow=20), HOLDS),
        ("The drift", results(gap_batch_slow=20, gap_batch_held=20), ONLY_IF),
        ("The drift", results(gap_batch_held=20), FAILS),
    ],
)
def test_verdicts_follow_from_the_numbers(start, frame, verdict):
    assert verdict_on(start, frame) == verdict


def test_claims_need_the_arms_they_compare():
    config = with_defaults(frozen_batchnorm.Config(model="resnet8", arms=("inference",), shifts=SHIFTS))
    said = [claim.claim for claim in claims(config, results(("inference",)))]
    assert len(said) == 2
    assert said[0].startswith("Frozen layers' BatchNorm does not learn")
    assert said[1].startswith("The drift")
