"""A replay is within one standard error of the best arm, or it is not."""

import pandas as pd
import pytest

from experiments.real_scale import replayed, stored
from experiments.real_scale.arms import FAMILY


def study(**accuracy):
    """Four seeds of 500 test images, in which each arm has the same accuracy."""
    rows = [
        {"condition": "base", "seed": seed, "setting": arm, "family": FAMILY, "test_images": 500}
        | {replayed.MEASURE: share}
        for seed in range(4)
        for arm, share in {
            "inference": 0.8,
            "batch_0.9": 0.8,
            "recalibrated": 0.7,
            "blend_0.5": 0.75,
            **accuracy,
        }.items()
    ]
    return pd.DataFrame(rows)


def judged(recommended, **accuracy):
    replays = pd.DataFrame([{"condition": "base", "seed": 0, "recommended": recommended}])
    (row,) = replayed.judged(study(**accuracy), replays).to_dict("records")
    return row


def test_the_best_is_within():
    row = judged("inference")
    assert row["within"]
    assert row["behind"] == 0


@pytest.mark.parametrize(("share", "within"), [(0.81, True), (0.83, False)])
def test_one_standard_error_decides(share, within):
    """Of 2,000 images: the error is that of the test images, since the seeds agree."""
    row = judged("inference", **{"batch_0.9": share})
    error = 100 * ((0.8 * 0.2 + share * (1 - share)) / 2000) ** 0.5
    assert row["error"] == pytest.approx(error)
    assert row["behind"] == pytest.approx(100 * share - 80)
    assert row["within"] == within
    assert row["best"] == "batch_0.9"


def test_of_two_arms_that_an_option_lies_between_the_worse_counts():
    assert judged("blend_0.75")["behind"] == pytest.approx(10)


def test_the_stored_replays_are_of_stored_runs():
    arms, (runs, seconds) = stored.read()[0], replayed.read()
    arms = arms[arms.family == FAMILY]
    assert {*zip(runs.condition, runs.seed, strict=True)} <= {*zip(arms.condition, arms.seed, strict=True)}
    assert {*runs.recommended} <= {*replayed.ARMS_OF}
    assert not runs.duplicated(["condition", "seed"]).any()
    assert min(seconds.values()) > 0
