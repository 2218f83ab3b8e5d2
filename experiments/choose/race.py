"""Decides which arms continue with another seed: those that can still win.

Only the images for choosing count. With `m` other arms and `k` rounds, an arm stops if the interval of its
difference to the best one, at confidence `1 - 0.05 / (m * k)`, lies below zero; so with a probability of 95 %
no arm stops that is as good as the best. Three seeds say little about the spread of one arm, so the spread is
pooled over all arms: the residuals after removing the means of seeds and arms. An interval is never narrower
than the number of images allows.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfbn.choosing.choice import Repeat
from tfbn.utils.paired import CONFIDENCE, half_width, half_width_of_images

CONVERGED, SHORT = "converged", "short"


def tried_on(right: dict[str, np.ndarray]) -> pd.DataFrame:
    """The table that a run leaves: a row for each test image, every other one to choose by.

    Args:
        right: Whether each head is right on each of the images.
    """
    images = np.arange(len(right[CONVERGED]))
    return pd.DataFrame({"to_choose_by": images % 2 == 0, **right})


def repeats(tried: pd.DataFrame, head: str = CONVERGED) -> list[Repeat]:
    """The score of each arm and the images that it classifies correctly, by seed, for `tfbn.choosing`.

    Args:
        tried: The tables of all runs, with the arm and the seed of each.
        head: `"converged"` or `"short"`.
    """
    found: dict[int, Repeat] = {}
    for (seed, arm), part in tried.groupby(["seed", "arm"], observed=True):
        worth, right = found.setdefault(int(seed), ({}, {}))
        chosen_by = part.to_choose_by.to_numpy()
        worth[str(arm)] = float(part[head][chosen_by].mean())  # type: ignore[index]
        right[str(arm)] = part[head][~chosen_by].to_numpy()  # type: ignore[index]
    return [found[seed] for seed in sorted(found)]


def can_win(tried: pd.DataFrame, arms: Sequence[str], rounds: int) -> list[str]:
    """The arms that are not clearly behind the best one, and always the first, which is the reference.

    Args:
        tried: As `repeats` has it, of all seeds so far.
        arms: Those that ran with the last seed.
        rounds: Number of times that arms are dropped in one race.

    Example: with the last of three arms far behind,

    >>> import pandas as pd
    >>> share = {"inference": 0.8, "batch": 0.8, "batch_held": 0.1}
    >>> runs = [tried_on({CONVERGED: np.arange(100) < 100 * share[arm]}).assign(arm=arm, seed=seed)
    ...         for arm in share for seed in range(3)]
    >>> can_win(pd.concat(runs), list(share), rounds=2)
    ['inference', 'batch']
    """
    by = tried[tried.to_choose_by].groupby(["arm", "seed"], observed=True)[CONVERGED]
    right = {key: each.to_numpy().astype(int) for key, each in by}
    seeds = sorted({seed for arm, seed in right if arm in arms})
    shares = np.array([[right[arm, seed].mean() for seed in seeds] for arm in arms])
    best = arms[int(shares.mean(axis=1).argmax())]
    confidence = 1 - (1 - CONFIDENCE) / ((len(arms) - 1) * max(1, rounds))
    of_seeds = _half_width(shares, confidence)

    def behind(arm: str) -> bool:
        apart = np.concatenate([right[arm, seed] - right[best, seed] for seed in seeds])
        return apart.mean() + max(of_seeds, half_width_of_images(apart, confidence)) < 0

    return [arm for arm in arms if arm in (arms[0], best) or not behind(arm)]


def _half_width(shares: np.ndarray, confidence: float) -> float:
    """Half the interval of a difference of two arms, with the spread over seeds that all arms share.

    Args:
        shares: A row for each arm, a column for each seed.
        confidence: Of the interval.
    """
    arms, seeds = shares.shape
    freedom = (arms - 1) * (seeds - 1)
    rest = shares - shares.mean(1, keepdims=True) - shares.mean(0, keepdims=True) + shares.mean()
    return half_width(math.sqrt(2 * float((rest**2).sum()) / freedom / seeds), freedom + 1, confidence)
