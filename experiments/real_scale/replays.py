"""How often `tfbn.choose` recommends an arm as good as the best, on the images of the study itself.

`python -m experiments.real_scale.replays [PHOTOGRAPHS]` gives `tfbn.choose` the training images of every
stored condition and seed, and stores its recommendations; the same command continues where it stopped.
The best recommendation is known from the stored test accuracies, which `tfbn.choose` does not see.
"""

import json
import sys
import time
from typing import Any

import keras
import pandas as pd

import tfbn
from tfbn.utils.files import written_whole

from . import conditions, draws, stored, targets
from .arms import FAMILY
from .replayed import RESULTS, TIMES

PHOTOGRAPHS = "/usr/share/tuxpaint/stamps"


def replay(condition: conditions.Condition, seed: int, photographs: str) -> dict[str, Any]:
    """The recommendation of `tfbn.choose` for a seed's training images, and its cost."""
    images = targets.pool(condition.target, condition.size, photographs)
    train = draws.draw(condition, len(images.images), seed).train
    x, y = targets.images_of(condition, images, train, seed), images.labels[train]
    network = targets.network(condition, seed)
    started = time.process_time()
    found = tfbn.choose(network, x, y, batch_size=condition.batch, verbose=False)
    return {
        "condition": condition.name,
        "seed": seed,
        "recommended": found.recommendation,
        "difference": found.chosen.mean,
        "low": found.chosen.low,
        "high": found.chosen.high,
        "images": found.images,
        "cpu_seconds": time.process_time() - started,
    }


def seconds_of_training(condition: conditions.Condition, photographs: str) -> float:
    """CPU seconds for training one frozen arm once by `fit`, at the study's short budget."""
    images = targets.pool(condition.target, condition.size, photographs)
    train = draws.draw(condition, len(images.images), 0).train
    x, y = targets.images_of(condition, images, train, 0), images.labels[train]
    base = targets.network(condition, 0)
    tfbn.freeze(base, None, training=False)
    model = keras.Sequential([base, keras.layers.Dense(len(images.class_names))])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x[: condition.batch], y[: condition.batch], batch_size=condition.batch, verbose=0)  # traces
    started, steps = time.process_time(), 0
    while steps < condition.steps // 4:  # a quarter of the budget is enough
        model.fit(x, y, batch_size=condition.batch, verbose=0)
        steps += -(-len(x) // condition.batch)
    return (time.process_time() - started) * condition.steps / steps


def main(photographs: str) -> None:
    """Runs the replays that are missing."""
    arms, _ = stored.read()
    frozen = arms[arms.family == FAMILY]  # the arms that `tfbn.choose` decides between
    pairs = sorted({*zip(frozen.condition, frozen.seed, strict=True)}, key=lambda pair: (pair[1], pair[0]))
    rows = pd.read_parquet(RESULTS).to_dict("records") if RESULTS.is_file() else []
    times = json.loads(TIMES.read_text()) if TIMES.is_file() else {}
    for name in ("base", "toy"):
        condition = conditions.named(name)
        if condition.network not in times:
            times[condition.network] = seconds_of_training(condition, photographs)
            with written_whole(TIMES) as temporary:
                temporary.write_text(json.dumps(times, indent=2) + "\n")
    for name, seed in pairs:
        done = {(row["condition"], row["seed"]) for row in rows}
        if (name, seed) in done:
            continue
        rows.append(replay(conditions.named(name), int(seed), photographs))
        print(rows[-1], flush=True)
        with written_whole(RESULTS) as temporary:
            pd.DataFrame(rows).to_parquet(temporary, index=False)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else PHOTOGRAPHS)
