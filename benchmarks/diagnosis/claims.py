"""Healthy runs of the claims' experiments, watched: `python -m benchmarks.diagnosis.claims`.

Each is a run of the experiment itself, on its own images and with seed 0; a `tfbn.Doctor` watches
each `fit`. What is found is written to `claims.json` run by run; runs that are there already are left out.

The rule, fixed before the first run. A run counts as healthy if by its options alone, whatever it
comes to:

- it trains a network with BatchNormalization, for more than a single step (experiments trace with
  one, and reset the model);
- a layer that normalizes by the batch gets at least 16 images per batch, at least 64 where a channel
  has one value per image, and updates its moving statistics;
- a layer that normalizes by moving statistics has those of a pretrained network;
- the momentum forgets where the statistics started: `momentum^steps` is below 5 %;
- the learning rate is the experiment's own, the smallest where it tries several, and 0.1 where it looks
  for the largest one; `real_scale` has two, and both are watched;
- no call site has a `training=` flag that this Keras overrides.

Left out by that rule: batches of 1 and 4, statistics held while the batch normalizes, random networks
in inference mode, momentum 0.999, networks without BatchNormalization, replicas that are not
synchronized, and the recipe `base(x, training=False)`. Of the rest, `RUNS` has every experiment
and each of its arms, where arms differ in what BatchNormalization does; the runs of `frozen_batchnorm` are
those of `benchmarks.diagnosis.arms`.
"""

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import keras
from absl import app, flags

import tfbn
from benchmarks.diagnosis.faults import two_devices
from benchmarks.diagnosis.rows import Row, complete
from experiments.lab import catalog
from experiments.lab.experiment import Cell, Experiment

STORED = Path(__file__).parent / "claims.json"
KEY = ("experiment", "condition", "arm")
# Options other than the defaults, and the healthy runs: condition and arm.
RUNS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "several_devices": ({}, (("batch 32", "synchronized"),)),  # first, since it divides the processor
    "keras_recipe": (
        {},
        (
            ("none", "no_flag"),
            ("contrast=0.3", "no_flag"),
            ("none", "tfbn_functional"),
            ("none", "tfbn_subclassed"),
        ),
    ),
    "transfer_strategies": (
        {},
        (
            ("images=300", "everything_inference"),
            ("images=300", "everything_batch"),
            ("images=300", "last_inference"),
            ("images=300", "last_batch"),
            ("images=300", "head_batch"),
            ("images=300", "scratch_batch"),
        ),
    ),
    "affine_only": (
        {},
        (
            ("none", "affine_held"),
            ("none", "affine_updated"),
            ("none", "everything_held"),
            ("none", "everything_updated"),
            ("contrast=0.3", "everything_updated"),
            ("none", "head_updated"),
            ("none", "affine_random"),
            ("none", "head_random"),
        ),
    ),
    "batch_size": (
        {"learning_rates": (1e-3,)},
        (
            ("fixed steps, batch 16", "batchnorm"),
            ("fixed steps, batch 64", "batchnorm"),
            ("fixed steps, batch 64", "renorm"),
            ("fixed steps, batch 64", "dense"),
        ),
    ),
    "untrained_inference": ({}, (("training", "momentum_0.9"), ("training", "momentum_0.99"))),
    "layer_order": (
        {},
        (
            ("resnet20", "conv-bn-relu"),
            ("resnet20", "conv-bn-relu+bias"),
            ("resnet20", "conv-relu-bn"),
            ("resnet20", "bn-relu-conv"),
            ("plain20", "conv-relu-bn"),
        ),
    ),
    "convergence": ({}, (("rate 0.1", "batchnorm"), ("rate 0.1", "both"))),
    "depth": (
        {"learning_rates": (1e-3,)},
        (
            ("training, 8 layers", "plain"),
            ("training, 8 layers", "residual"),
            ("training, 20 layers", "plain"),
            ("training, 20 layers", "residual"),
        ),
    ),
    "real_scale": ({}, (("short_tuning", "tuned_held"), ("short_tuning", "tuned_batch"))),
}


class Watch(tfbn.Doctor):
    """A doctor that counts the steps of its `fit`."""

    steps = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        super().on_train_batch_end(batch, logs)


@contextlib.contextmanager
def watched_fits(batch_size: int | None) -> Iterator[list[Watch]]:
    """While the block runs, a doctor watches each `fit` of a network with BatchNormalization."""
    original, watches = keras.Model.fit, []

    def fit(model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        is_one_step = kwargs.get("epochs", 1) == kwargs.get("steps_per_epoch") == 1
        if is_one_step or not tfbn.traversal.batch_normalizations(model):
            return original(model, *args, callbacks=callbacks, **kwargs)
        watches.append(Watch(batch_size=batch_size))
        return original(model, *args, callbacks=[*(callbacks or ()), watches[-1]], **kwargs)

    with mock.patch.object(keras.Model, "fit", fit):
        yield watches


def run_of(experiment: Experiment, condition: str, arm: str) -> tuple[Any, Cell]:
    """The options of an experiment, and its run of that condition and arm with seed 0."""
    config = experiment.config_class(**RUNS[experiment.name][0])
    [cell] = [c for c in experiment.cells(config) if (c.condition, c.arm, c.seed) == (condition, arm, 0)]
    return config, cell


def examine(name: str, condition: str, arm: str) -> Row:
    """What doctors find in one run."""
    experiment, start = catalog.load_experiment(name), time.process_time()
    config, cell = run_of(experiment, condition, arm)
    of_cell: dict[str, Any] = dict(cell.parameters)
    batch_size = of_cell.get("batch_size", getattr(config, "batch_size", None))
    with (
        tempfile.TemporaryDirectory() as folder,
        watched_fits(batch_size) as watches,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        experiment.run(config, cell, Path(folder))
    return {
        "fits": len(watches),
        "steps": sum(each.steps for each in watches),
        "unexamined": sorted({each.unexamined for each in watches if each.unexamined}),
        "seconds": round(time.process_time() - start, 1),
        "findings": [found.to_dict() for each in watches for found in each.findings],
    }


def run(minutes: float | None = None) -> None:
    """Makes the runs that have no row yet."""
    keys = [(name, condition, arm) for name, (_, runs) in RUNS.items() for condition, arm in runs]
    complete(STORED, KEY, keys, examine, minutes)


def main(argv: list[str]) -> None:
    del argv
    two_devices()
    run(_MINUTES.value)


if __name__ == "__main__":
    _MINUTES = flags.DEFINE_float("minutes", None, "Start no training after this time.", lower_bound=0.0)
    app.run(main)
