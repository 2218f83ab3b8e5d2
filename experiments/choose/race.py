"""Which arms go on to another seed: those that can still win.

Only images to choose by have a say. With `m` other arms and `k` rounds, an arm stops where its
interval of `1 - 0.05 / (m * k)` lies below the best arm's so far, so that with 95 % none stops that is as
good as the best.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfbn.choosing.choice import Repeat
from tfbn.utils.paired import CONFIDENCE, difference

CONVERGED, SHORT = "converged", "short"


def tried_on(right: dict[str, np.ndarray]) -> pd.DataFrame:
    """The table that a run leaves: a row for each test image, every other one to choose by.

    Args:
        right: Whether each head is right on each of the images.
    """
    images = np.arange(len(right[CONVERGED]))
    return pd.DataFrame({"to_choose_by": images % 2 == 0, **right})


def repeats(tried: pd.DataFrame, head: str = CONVERGED) -> list[Repeat]:
    """What each arm is worth, and where it is right, seed by seed, as `tfbn.choosing` takes it.

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
    """The arms that are not clearly behind the best one; the first always, as the others' reference.

    Args:
        tried: As `repeats` has it, of all seeds so far.
        arms: Those that ran with the last seed.
        rounds: How often this is asked.

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
    mean = {arm: np.mean([right[arm, seed].mean() for seed in seeds]) for arm in arms}
    best = max(arms, key=lambda arm: mean[arm])
    confidence = 1 - (1 - CONFIDENCE) / (max(1, len(arms) - 1) * max(1, rounds))

    def behind(arm: str) -> bool:
        apart = [right[arm, seed] - right[best, seed] for seed in seeds]
        return difference(apart, confidence).sign < 0

    return [arm for arm in arms if arm in (arms[0], best) or not behind(arm)]
