"""Runs of arms whose network is frozen, with shared computations.

A frozen network gives a batch the same features at every step, for any head. So the batches of all
steps pass through it once, and the head is fitted on these features, while the moving statistics are
set, step by step, to the values that `fit` would give: the recorder sees the same drift. Results that
several arms need are stored, see `shared_arrays`. Tests compare the numbers with fits of the whole
network.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import tfbn
from tfbn.datasets import Stream
from tfbn.layers.modes import resolve

from ..lab.experiment import RunConfig
from . import evaluation, frozen_network, head_fit, networks, training, transfer
from .arms import ARMS, Arm
from .data import Split
from .frozen_network import FrozenNetwork
from .shared_arrays import Arrays, SharedArrays


def serves(config: Any, arm: Arm) -> bool:
    """Whether this arm can share computations: everything but the head is frozen, on one device."""
    frozen = arm.pretrained and not (arm.trainable or arm.affine or config.frozen)
    return config.share_features == "always" and frozen and config.strategy == "none"


def run_arm(config: Any, arm: Arm, shift: str, seed: int, folder: Path) -> dict[str, float]:
    """Gives the measurements of `transfer.run_arm`, up to rounding."""
    keras.utils.set_random_seed(seed)
    split = transfer.prepared_split(config, shift, seed)
    weights = transfer.source_weights(config, seed, folder) or networks.weights_of(config, seed)
    start = ("seed", seed) if weights is None else weights  # without weights, the seed initializes them
    network = frozen_network.kept(_of_network(config), weights, start, split.classes)
    if isinstance(split.train_x, Stream) or not network.steady:
        return transfer.run_arm(config, arm, shift, seed, folder)
    sharers = [name for name in config.arms if serves(config, ARMS[name])]
    shared = SharedArrays(folder.parents[3], (_of_features(config), shift, seed), sharers)
    with shared.until_all_had(arm.name):
        run = _Run(config, arm, seed, folder, split, network, shared)
        measurements = run.measurements()
    transfer.note_for_tensorboard(folder, arm, shift, seed, measurements)
    return measurements


def _of_network(config: Any) -> Any:
    """The options, without those that the network does not depend on."""
    return dataclasses.replace(config, arms=(), shifts=(), seeds=1, work_dir="")


def _of_features(config: Any) -> dict[str, Any]:
    """A superset of the options that features depend on."""
    others = {field.name for field in dataclasses.fields(RunConfig)} | {"arms", "shifts"}
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in others}


@dataclasses.dataclass
class _Run:
    """One run of an arm."""

    config: Any
    arm: Arm
    seed: int
    folder: Path
    split: Split
    network: FrozenNetwork
    shared: SharedArrays

    def __post_init__(self) -> None:
        arm = self.arm
        mode = resolve(arm.training, arm.update_statistics, arm.trainable)
        self.by_batch, self.updates = mode.normalizes_by == "batch", mode.updates
        self.momentum = self.config.momentum if arm.momentum is None else arm.momentum
        self._held: Arrays | None = None  # features in inference mode, if they do not change

    def measurements(self) -> dict[str, float]:
        model = self.network.model
        self.network.start(self.arm, self.momentum, self.seed)
        if self.arm.recalibrate:
            batches = training.batches(self.split.train_x, self.config.batch_size)
            tfbn.recalibrate(model, **batches, verbose=False)
        before = evaluation.statistics_and_affine(model)
        started = time.perf_counter()
        fit_accuracy = self._fit()
        found = {"fit_seconds": time.perf_counter() - started, "fit_accuracy": fit_accuracy}
        found["frozen_part_computed_once"] = float(self.by_batch or not self.updates)
        found["trained_parameters"] = training.trained_parameters(model)
        inference, batch = (
            self._outputs(features) for features in (self._in_inference(), self._in_batches())
        )
        found |= evaluation.of_outputs(inference, batch, self.split, self.by_batch)
        found |= evaluation.moved(before, evaluation.statistics_and_affine(model))
        return found | evaluation.last_drift(self.folder)

    def _fit(self) -> float:
        """Trains for the short budget; returns the training accuracy of the last epoch."""
        config, network = self.config, self.network
        recorder = head_fit.Recorder(network, self.by_batch, self.folder, self.split, config.batch_size)
        if not self.by_batch and not self.updates:
            known = dataclasses.replace(self.split, train_x=self._in_inference()["train"])
            return transfer.fit(config, network.rest, known, self.seed, [recorder])
        order = head_fit.Order.of_fit(len(self.split.train_y), config.batch_size, config.epochs, self.seed)
        passed = self._passed(order)
        rows: Any = passed["rows"]
        if self.by_batch:
            rows = head_fit.moving(network.statistics, rows, self.momentum)
        statistics = [head_fit.Statistics(network, rows)] if self.updates else []
        return order.fit(network.rest, passed["features"], self.split.train_y, [recorder, *statistics])

    def _passed(self, order: head_fit.Order) -> Arrays:
        """The network's results for the batches of all steps."""
        network, images = self.network, self.split.train_x
        if self.by_batch:
            call = functools.partial(map, network.by_batch.by_batch)
            return self._shared("steps", lambda: order.pass_through(images, call))
        now = network.statistics
        passed = order.pass_through(images, lambda batches: network.following.steps(batches, self.momentum))
        network.statistics = now
        return passed

    def _shared(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Calls `SharedArrays.get` without changing the network's statistics."""
        now = self.network.statistics
        found = self.shared.get(name, compute)
        self.network.statistics = now
        return found

    def _in_inference(self) -> Arrays:
        """Features of the images under the current moving statistics."""

        def compute() -> Arrays:
            return {name: self.network.features(images) for name, images in self._images().items()}

        if self._held is not None:
            return self._held
        as_pretrained = (self.network.statistics == self.network.by_batch.source).all()
        found = self._shared("pretrained", compute) if as_pretrained else compute()
        self._held = None if self.updates else found
        return found

    def _in_batches(self) -> Arrays:
        """Features of the images under batch statistics."""
        size = self.config.batch_size

        def features(images: np.ndarray) -> np.ndarray:
            batches = (images[start : start + size] for start in range(0, len(images), size))
            return np.concatenate([self.network.by_batch.by_batch(batch)[0] for batch in batches])

        return self._shared("batches", lambda: {n: features(x) for n, x in self._images().items()})

    def _images(self) -> Arrays:
        return {"train": self.split.train_x, "test": self.split.test_x}

    def _outputs(self, features: Arrays) -> evaluation.Outputs:
        train, test = ((x, self.network.logits(x)) for x in (features["train"], features["test"]))
        return train, test
