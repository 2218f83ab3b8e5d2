"""One seed of the arms whose network trains: `fit` itself, once for each learning rate.

The momentum does not affect training while the batch normalizes, so the moving statistics of every
momentum are computed from one training run, which serves the arms of all momenta.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfbn
from tfbn.datasets import Images
from tfbn.graph.traversal import batch_normalizations

from ..training import extractor
from ..training.training import AfterStep, build_optimizer, compiles
from . import draws, frozen, heads, targets
from .arms import MOMENTA, PROBE_RATE, TUNED, TUNING_RATES, Tuning
from .conditions import Condition

LATE = 2 / 3  # the share of the steps after which "late" holds the statistics


def run(condition: Condition, seed: int, images: Images, family: str) -> list[dict[str, Any]]:
    """Trains and measures one family of arms; returns one row for each.

    Args:
        condition: The condition.
        seed: Determines the images, the batches and the head's initial weights.
        images: The target's images.
        family: A name of `arms.TUNED`.
    """
    tuning = TUNED[family]
    x, y = targets.of_seed(condition, images, seed)
    found: dict[str, list[dict[str, Any]]] = {}
    for rate in TUNING_RATES:
        trained = _Training(condition, seed, tuning, rate, x["train"], y["train"], len(images.class_names))
        for setting, row in trained.fit().items():
            scores = {name: trained.accuracy(row, x[name], y[name]) for name in ("validation", "test")}
            measured = {f"{name}_accuracy": score for name, score in scores.items()}
            measured |= {"learning_rate": rate, "fit_accuracy": trained.fit_accuracy}
            found.setdefault(setting, []).append(measured)
    missing = {"converged_accuracy": np.nan, "refitted_accuracy": np.nan}
    best = {name: max(rows, key=lambda row: row["validation_accuracy"]) for name, rows in found.items()}
    return [{"setting": name, **row, **missing, "test_images": len(y["test"])} for name, row in best.items()]


class _Training:
    """One training run at one learning rate, and the moving statistics at its end."""

    def __init__(
        self, condition: Condition, seed: int, tuning: Tuning, rate: float, x: Any, y: Any, classes: int
    ):
        self.condition, self.tuning, self.x, self.y = condition, tuning, x, y
        self.base = tfbn.convert(targets.network(condition, seed), fused=None)
        self.norms = [named.layer for named in batch_normalizations(self.base)]
        self.source = extractor.row_of(self.norms)
        self.batches = draws.batches(condition.train, condition.batch, frozen.ORDERS, seed)
        self.fit_accuracy = np.nan
        head = heads.first(self.base.output_shape[1], classes, seed)
        if tuning.probe:
            head = self._probed(head)
        dense = keras.layers.Dense(classes, name="head")
        self.model = keras.Model(self.base.input, dense(self.base.output))
        dense.set_weights([head.kernel, head.bias])
        self._set_flags(training=tuning.training)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=compiles())

    def fit(self) -> dict[str, np.ndarray]:
        """Trains; returns the statistics that each arm uses in inference."""
        steps, tuning = self.condition.steps, self.tuning
        if tuning.late:
            for layer in self.norms:
                layer.momentum = MOMENTA[1]
            first = round(LATE * steps)
            self._fit(0, first)
            self._set_flags(training=False)
            self._fit(first, steps)
            return {tuning.name: extractor.row_of(self.norms)}
        if not tuning.training:
            self._fit(0, steps)
            return {tuning.name: extractor.row_of(self.norms)}
        moving = {f"{tuning.name}_{m:g}": (m, self.source) for m in MOMENTA}

        def follow() -> None:
            seen = extractor.row_of(self.norms)
            for name, (momentum, old) in moving.items():
                moving[name] = (momentum, tfbn.statistics.moving_average(old, seen, momentum))

        for layer in self.norms:
            layer.momentum = 0.0  # the moving statistics become those of the last batch
        self._fit(0, steps, follow)
        found = {name: row for name, (_, row) in moving.items()}
        tfbn.recalibrate(self.base, self.x, batch_size=extractor.CHUNK, verbose=False)
        recalibrated = extractor.row_of(self.norms)
        return found | {f"{tuning.name}_held": self.source, f"{tuning.name}_recalibrated": recalibrated}

    def accuracy(self, row: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        """Accuracy in inference mode with the given statistics."""
        extractor.set_row(self.norms, row)
        logits = self.model.predict(x, batch_size=extractor.CHUNK, verbose=0)
        return float((logits.argmax(-1) == y).mean())

    def _set_flags(self, training: bool) -> None:
        """Sets whether the batch normalizes and statistics update, or the moving ones do and are held."""
        affine_only = self.tuning.trains == "affine"
        tfbn.freeze(self.base, None, training=training, trainable=not affine_only)
        if affine_only:
            paths = [named.path for named in batch_normalizations(self.base)]
            tfbn.freeze(self.base, paths, training=training, trainable=True)

    def _fit(self, start: int, stop: int, after_step: Callable[[], None] | None = None) -> None:
        order = np.concatenate([self.batches[step % len(self.batches)] for step in range(start, stop)])
        x, y = tf.constant(self.x), tf.constant(self.y)
        data = tf.data.Dataset.from_tensor_slices(order).batch(self.condition.batch)
        data = data.map(lambda indices: (tf.gather(x, indices), tf.gather(y, indices)))
        callbacks = [] if after_step is None else [AfterStep(after_step)]
        build_optimizer(self.model)
        history = self.model.fit(data, shuffle=False, verbose=0, callbacks=callbacks)
        self.fit_accuracy = history.history["accuracy"][-1]

    def _probed(self, head: heads.Head) -> heads.Head:
        """The head after training on the pretrained features."""
        features = self.base.predict(self.x, batch_size=extractor.CHUNK, verbose=0)
        batches, labels = ([part[i] for i in self.batches] for part in (features, self.y))
        return heads.short(head, batches, labels, PROBE_RATE, self.condition.steps)
