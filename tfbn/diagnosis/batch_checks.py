"""The checks of the batches of a train step: one small function for each fault."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tfbn.diagnosis import null
from tfbn.diagnosis.batch_measurements import LEAST, Halves, Looks, Use, by_channels
from tfbn.diagnosis.catalog import (
    FEW,
    SMALL_BATCH,
    by_class_finding,
    few_values_finding,
    small_batch_finding,
)
from tfbn.diagnosis.differences import Pairs, exceeding, in_order
from tfbn.diagnosis.finding import Finding, fault
from tfbn.diagnosis.lag_checks import lagging
from tfbn.utils.words import counted

SHIFTED = 0.15  # variances between two kinds of batches, or squared nats: 0.4 standard deviations
ENOUGH = 64  # examples of one class only, to say that the others come later
PURE = 0.95  # share of its most frequent class in a batch of one class
UNEVEN = 0.15  # Cramer's V squared; 1 if each batch has one class

Check = Callable[[Looks], Iterable[Finding]]


def batches_by_class(looks: Looks) -> Iterator[Finding]:
    """Each batch has one class, or the classes come in order."""
    if looks.labels is None or len(looks.steps) < LEAST or not _by_batch(looks):
        return
    counts = looks.labels[looks.labels.sum(1) > 1]
    if not len(counts):
        return
    purity = float(np.mean(counts.max(1) / counts.sum(1)))
    effect, probability = null.too_many_of_a_class(counts)
    one_of_several = (looks.classes or 0) > 1 and np.sum(counts.sum(0) > 0) == 1 and counts.sum() >= ENOUGH
    if not one_of_several and (probability > null.SURE or effect < UNEVEN):
        return
    name, text = ("sorted-batches", f"{effect:.2f} of 1 between shuffled and one class per batch")
    if purity > PURE:
        name, text = "one-class-batches", f"{purity:.0%} of a batch are of one class"
    yield by_class_finding(name, _by_batch(looks), f"{text}, in {len(counts)} batches")


def domains_in_a_batch(looks: Looks) -> Iterator[Finding]:
    """The two halves of each batch, or its odd and even examples, come from two domains."""
    if len(looks.steps) < LEAST or not _by_batch(looks):
        return
    found: dict[Use, null.Excess] = {}
    for uses in by_channels(group[0] for group in looks.by_layer()):
        found |= exceeding(uses, _between_halves(looks.halves(*uses)), SHIFTED)
    moved = in_order(found)
    if looks.inputs is not None and not moved:
        pairs = (pair for by in (0, 1) for pair in _between_halves(looks.input_halves(by)))
        of_inputs = (null.largest(pair, SHIFTED) for pair in pairs)
        moved = [(path, each) for each in of_inputs if each is not None for path in _by_batch(looks)]
    if moved:
        largest = max((each for _, each in moved), key=lambda each: each.effect)
        yield fault(
            "mixed-domains",
            tuple(path for path, _ in moved),
            f"the same halves of every batch differ by {np.sqrt(largest.effect):.2f} standard deviations, "
            f"{np.sqrt(largest.ratio):.0f} times what sampling gives",
            "batches from one distribution",
            "The layer normalizes two domains by statistics that fit neither, while in predict each comes "
            "alone.",
            "d(real), d(fake)  # instead of d(concatenate([real, fake])); or a layer for each domain",
        )


def domains_in_turn(looks: Looks) -> Iterator[Finding]:
    """The batches of one step and of the next come from two domains."""
    if looks.inputs is None or len(looks.steps) < LEAST or not _by_batch(looks):
        return
    if next(iter(batches_by_class(looks)), None) is not None:
        return  # which explains it
    halves = looks.input_halves(0)
    scale = np.sqrt(halves.variance.mean(0))
    of_means = null.between_steps(halves.mean / scale, halves.mean_noise)
    of_variances = null.between_steps(halves.log_variance, halves.log_variance_noise)
    largest = null.largest([*of_means, *of_variances], SHIFTED)
    if largest is not None:
        yield fault(
            "alternating-domains",
            _by_batch(looks),
            f"the batches' inputs vary by {np.sqrt(largest.effect):.2f} standard deviations from step to "
            f"step, {np.sqrt(largest.ratio):.0f} times what sampling gives",
            "batches from one distribution",
            "Each batch is normalized by its own domain's statistics, while the moving ones describe a "
            "mixture that no batch has.",
            "dataset.shuffle(len(dataset))  # both domains together; or a layer for each domain",
        )


def several_calls(looks: Looks) -> Iterator[Finding]:
    """A layer is called several times in a step: on the same batch again, or on other data."""
    again, other = [], []
    for group in looks.by_layer():
        updating = [use for use in group if use.updates]
        pairs = list(itertools.pairwise(updating))
        if len(looks.steps) < 2 or not pairs:
            continue
        if any(_same(looks, *pair) for pair in pairs):
            again.append(group[0].path)
        elif any(null.largest(_apart(looks, *pair), SHIFTED) for pair in pairs):
            other.append(group[0].path)
    if again:
        yield fault(
            "updates-twice",
            tuple(again),
            "the same batch moves the moving statistics more than once in a step",
            "one update for each batch",
            "A second call on the same batch, for example to recompute activations for the gradient, "
            "updates again: the momentum acts as its square.",
            "model(x, training=False)  # in further calls; or a momentum of its square root",
        )
    if other and len(looks.steps) >= LEAST:
        yield _other_data(looks, tuple(other))


def _other_data(looks: Looks, paths: tuple[str, ...]) -> Finding:
    several = looks.passes > 1
    return fault(
        "second-forward-pass" if several else "alternating-domains",
        paths,
        f"{looks.passes} forward passes in training mode in a step, on data of different statistics"
        if several
        else "calls of one layer in a step on data of different statistics",
        "one distribution in the calls that update statistics",
        "The moving statistics mix the data of all passes, while predict sees only one kind."
        if several
        else "Each domain is normalized by its own batch, while the moving statistics describe a mixture.",
        "model(x, training=False)  # in the pass that is not trained on"
        if several
        else "a layer for each domain, or tfbn.freeze(model, training=False)",
    )


def ragged_batches(looks: Looks) -> Iterator[Finding]:
    """Some batch holds one or a few examples, most hold many."""
    typical = int(np.median(looks.examples))
    if 0 < looks.fewest <= min(SMALL_BATCH, typical // 4) and _by_batch(looks):
        measured = f"{counted(looks.fewest, 'example')} in one batch, {typical} in most"
        yield small_batch_finding(_by_batch(looks), measured)


def few_values(looks: Looks) -> Iterator[Finding]:
    """So few values per channel in the batches that their statistics are mostly noise."""
    examples = int(np.median(looks.examples))
    values = {
        use.path: examples * use.positions
        for use in looks.uses
        if use.normalizes_by_batch and use.positions is not None
    }
    paths = tuple(path for path, number in values.items() if number < FEW)
    if paths:
        yield few_values_finding(paths, examples)


CHECKS: tuple[Check, ...] = (
    batches_by_class,
    domains_in_a_batch,
    domains_in_turn,
    several_calls,
    lagging,
    ragged_batches,
    few_values,
)


def _by_batch(looks: Looks) -> tuple[str, ...]:
    return tuple(dict.fromkeys(use.path for use in looks.uses if use.normalizes_by_batch))


def _between_halves(halves: Halves) -> Pairs:
    return list(zip(null.systematic(halves.shift), null.systematic(halves.log_ratio), strict=True))


def _same(looks: Looks, one: Use, two: Use) -> bool:
    """Whether two calls get the same batch, up to rounding; False for constant inputs."""
    a, b = looks.halves(one), looks.halves(two)
    gap = np.abs(a.mean - b.mean) / np.sqrt(a.variance)
    return bool(np.all(gap < 1e-4) and np.all(np.abs(a.log_variance - b.log_variance) < 1e-3)) and bool(
        np.all(a.variance.max(-1, keepdims=True) > 2 * a.epsilon)
    )


def _apart(looks: Looks, one: Use, two: Use) -> list[null.Excess]:
    """How far the data of two calls in a step have different statistics: means, and variances."""
    a, b = looks.halves(one), looks.halves(two)
    looked = len(looks.steps)
    scale = (a.variance + b.variance) / 2
    of_means = (a.mean - b.mean) ** 2 / scale, a.mean_noise + b.mean_noise
    of_variances = (
        (a.log_variance - b.log_variance) ** 2,
        a.log_variance_noise + b.log_variance_noise,
    )
    return [
        each
        for squared, noise in (of_means, of_variances)
        for each in null.excess(squared.mean(0), noise.mean(0), looked, 2 * looked)
    ]
