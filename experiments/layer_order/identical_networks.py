"""Pairs of networks that differ only in the bias of their convolutions."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfbn
from tfbn.graph.traversal import batch_normalizations

from ..training import training


@dataclasses.dataclass(frozen=True)
class NetworkPair:
    """The same network without and with a bias in its convolutions.

    All other weights agree. The biases are drawn from a normal distribution, so that any effect
    shows; the moving statistics are drawn as well, away from the batch's.

    Attributes:
        without: The network without.
        with_bias: The network with.
        biased: The names of the convolutions that have the bias.
    """

    without: Any
    with_bias: Any
    biased: tuple[str, ...]


def identical_networks(network: str, seed: int, dtype: str, **arguments: Any) -> NetworkPair:
    """Builds both.

    Args:
        network: As `tfbn.models.build` takes it.
        seed: Decides the weights, the biases and the moving statistics.
        dtype: `"float32"` or `"float64"`.
        **arguments: Of `tfbn.models.build`.
    """
    rng = np.random.default_rng(seed)
    with _policy(dtype):
        keras.utils.set_random_seed(seed)
        without, with_bias = (
            tfbn.models.build(network, use_bias=bias, **arguments) for bias in (False, True)
        )
    biased = []
    for one, other in zip(without.layers, with_bias.layers, strict=True):
        weights = [np.asarray(w) for w in one.get_weights()]
        if isinstance(one, keras.layers.Conv2D):
            biased.append(one.name)
            weights.append(rng.normal(0, 0.5, one.filters))
        elif isinstance(one, keras.layers.BatchNormalization):
            low_high = ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 2.0))  # gamma, beta, mean, variance
            weights = [rng.uniform(*ends, w.shape) for ends, w in zip(low_high, weights, strict=True)]
            one.set_weights(weights)
        if weights:
            other.set_weights(weights)
    return NetworkPair(without, with_bias, tuple(biased))


def compare(pair: NetworkPair, x: np.ndarray, y: np.ndarray, training: bool) -> dict[str, float]:
    """What the bias changes in a training step.

    Args:
        pair: The two networks.
        x: A batch of images.
        y: Their labels.
        training: What the BatchNormalization layers' `training` flag is set to: whether they
            normalize by the batch or by the moving statistics.

    Returns:
        `output`: the largest change of a logit, over the logits' standard deviation.
        `gradient`: the largest change of the gradient of any other weight, over its norm.
        `bias_gradient`: the largest norm of a bias's gradient, over that of the layer's kernel.
    """
    for model in (pair.without, pair.with_bias):
        for named in batch_normalizations(model):
            named.layer.training, named.layer.update_statistics = training, False
    (logits, gradients), (other_logits, others) = (
        _step(model, x, y) for model in (pair.without, pair.with_bias)
    )
    norm = np.linalg.norm
    changes = [norm(others[name] - value) / norm(value) for name, value in gradients.items()]
    shares = [norm(others[f"{name}/bias"]) / norm(others[f"{name}/kernel"]) for name in pair.biased]
    return {
        "output": float(np.abs(other_logits - logits).max() / logits.std()),
        "gradient": float(max(changes)),
        "bias_gradient": float(max(shares)),
    }


def paired_seconds(
    steps: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, float]:
    """Median seconds of each, called in turn, so that the machine's fluctuations affect all alike.

    Args:
        steps: What to time, by name; done when it returns.
        rounds: How often each is called; the order is reversed each time.
        warm_up: Rounds before, which do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(-warm_up, rounds):
        for name in steps if turn % 2 else reversed(list(steps)):
            started = time.perf_counter()
            steps[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def step_seconds(pair: NetworkPair, x: np.ndarray, y: np.ndarray, rounds: int) -> dict[str, float]:
    """Median seconds of a train step of each network, called in turn."""
    batch = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    steps = {}
    for name, model in (("without", pair.without), ("with_bias", pair.with_bias)):
        training.compiled(model, keras.optimizers.SGD(1e-3))
        steps[name] = functools.partial(model.train_on_batch, *batch)
    return paired_seconds(steps, rounds)


def _step(model: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits and gradients by the weights' paths, as `fit` has them."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=model.dtype_policy)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        logits = model(x.astype(model.compute_dtype), training=True)
        value = loss(y, logits)
    gradients = tape.gradient(value, [v.value for v in variables])
    named = {v.path: np.array(g, np.float64) for v, g in zip(variables, gradients, strict=True)}
    return np.array(logits, np.float64), named


@contextlib.contextmanager
def _policy(dtype: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
