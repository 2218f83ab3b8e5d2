"""The checks before training: one small function for each fault."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tfbn.diagnosis.finding import Finding, fault
from tfbn.diagnosis.plan import Plan
from tfbn.diagnosis.saved_modes import saved_modes
from tfbn.diagnosis.statistics_checks import (
    broken_statistics,
    dead_channels,
    initial_statistics,
    large_epsilon,
)

ARRIVED = 0.9  # fraction of the distance that a moving statistic should cover in a training run
FEW = 16  # values per channel; below this the batch's mean is off by a quarter of a standard deviation
SMALL_BATCH = 4  # examples in the last batch of an epoch

Check = Callable[[Plan], Iterable[Finding]]


def averaged_weights(plan: Plan) -> Iterator[Finding]:
    """Weights are averaged over steps, statistics are those of the raw weights."""
    if getattr(_optimizer(plan), "use_ema", False) and _updating(plan):
        yield fault(
            "averaged-weights",
            (),
            "use_ema=True",
            "statistics that belong to the averaged weights",
            "At the end of fit Keras replaces the weights by their averages, while the moving statistics "
            "stay those of the raw weights.",
            "tfbn.recalibrate(model, images)  # after fit",
        )


def slow_momentum(plan: Plan) -> Iterator[Finding]:
    """The moving statistics cannot converge in the planned steps: `1 - momentum^steps`."""
    if plan.steps is None:
        return
    by_momentum: dict[float, list[str]] = {}
    for path, layer in _updating(plan):
        by_momentum.setdefault(float(layer.momentum), []).append(path)
    for momentum, paths in by_momentum.items():
        way = 1 - momentum**plan.steps
        if way < ARRIVED:
            enough = math.floor(1000 * (1 - ARRIVED) ** (1 / plan.steps)) / 1000
            yield fault(
                "slow-momentum",
                tuple(paths),
                f"{100 * way:.0f} % of the way in {plan.steps} steps at momentum {momentum:g}",
                f"at least {100 * ARRIVED:.0f} %, that is a momentum of at most {enough:g}",
                "After k steps a moving statistic has covered 1 - momentum^k of the distance to the batches' "
                "statistics, so predict still normalizes largely by the old ones.",
                f"layer.momentum = {enough:g}  # or tfbn.recalibrate(model, images) after fit",
            )


def statistics_held(plan: Plan) -> Iterator[Finding]:
    """The batch normalizes in `fit`, and nothing moves the statistics that `predict` will use."""
    paths = [row.path for row in plan.audit.rows if row.fit.normalizes_by == "batch" and not row.fit.updates]
    if paths:
        yield fault(
            "statistics-held",
            tuple(paths),
            "normalizes by the batch, statistics held",
            "statistics that update, or that normalize in fit too",
            "fit and predict normalize by different statistics. The loss in fit looks normal; accuracy in "
            "predict can collapse.",
            "tfbn.freeze(model, layers, training=False)  # or update_statistics=None",
        )


def call_sites(plan: Plan) -> Iterator[Finding]:
    """A `training=` at a call site that the installed Keras does not obey."""
    for name, (measured, cause) in _CALL_SITES.items():
        layers = tuple(row.path for row in plan.audit.rows if any(w.code == name for w in row.warnings))
        general = [str(warning) for warning in plan.audit.general if warning.code == name]
        if layers or general:
            remedy = "tfbn.freeze(model, layers, training=False)"
            yield fault(name, layers, (general or [measured])[0], "a flag stored on the layer", cause, remedy)


# Code of the audit -> what is measured where the audit names layers, and the cause.
_CALL_SITES = {
    "overridden-call-site": ("fit overrides it", "Up to Keras 3.15, fit overrides the flag of a call site."),
    "leaking-call-site": (
        "inference mode in fit, without a flag of its own",
        "From Keras 3.16 on, training=False at a call site also reaches the layers called after it.",
    ),
    "training-in-evaluate": (
        "evaluate and predict call it with training=True",
        "The flag of the call site also holds in evaluate and predict, which then normalize by the batch.",
    ),
    "changed-after-compile": (
        "flags changed since the train step was traced",
        "Keras traces the train step once and ignores flags that change later.",
    ),
}


def few_values(plan: Plan) -> Iterator[Finding]:
    """So few values per channel that batch statistics are mostly noise."""
    batch = set(_by_batch(plan))
    paths = [
        row.path
        for row in plan.audit.rows
        if row.path in batch and any(warning.code in ("one-value", "few-values") for warning in row.warnings)
    ]
    if paths:
        yield few_values_finding(tuple(paths), plan.batch_size)


def few_values_finding(paths: tuple[str, ...], batch_size: int | None) -> Finding:
    """The finding for layers whose batches have few values per channel."""
    return fault(
        "few-values",
        paths,
        f"fewer than {FEW} values per channel at a batch size of {batch_size}",
        f"N*H*W of at least {FEW}",
        "The mean of n values is off by 1/sqrt(n) standard deviations; with one value, the output is beta.",
        "tfbn.freeze(model, layers, training=False, trainable=True)  # or a larger batch",
    )


def small_last_batch(plan: Plan) -> Iterator[Finding]:
    """The last batch of each epoch holds one or a few examples."""
    if plan.samples is None or plan.batch_size is None or not _by_batch(plan):
        return
    rest = plan.samples % plan.batch_size
    if 0 < rest <= min(SMALL_BATCH, plan.batch_size // 4):
        measured = f"{rest} of {plan.samples} examples in the last batch of {plan.batch_size}"
        yield small_batch_finding(tuple(_by_batch(plan)), measured)


def small_batch_finding(paths: tuple[str, ...], measured: str) -> Finding:
    """The finding for layers that normalize by a batch of one or a few examples."""
    return fault(
        "small-last-batch",
        paths,
        measured,
        f"more than {SMALL_BATCH} examples in every batch",
        "The statistics of that batch are noise, and they enter the moving ones with full weight.",
        "dataset.batch(batch_size, drop_remainder=True)",
    )


def gradient_accumulation(plan: Plan) -> Iterator[Finding]:
    """Gradients are accumulated; every micro-batch is normalized on its own."""
    steps = getattr(_optimizer(plan), "gradient_accumulation_steps", None)
    if steps and steps > 1 and _by_batch(plan):
        yield fault(
            "gradient-accumulation",
            tuple(_by_batch(plan)),
            f"gradient_accumulation_steps={steps}",
            "batch statistics of the batch that the optimizer steps on",
            "Each micro-batch is normalized by its own statistics, and the moving statistics move "
            f"{steps} times per optimizer step.",
            "tfbn.freeze(model, layers, training=False, trainable=True)",
        )


def lost_flags(plan: Plan) -> Iterator[Finding]:
    """Layers that are held in the saved model are not held in this one."""
    saved = {} if plan.saved is None else saved_modes(plan.saved)
    paths = [
        row.path
        for row in plan.audit.rows
        if row.path in saved
        and (row.fit.normalizes_by, row.fit.updates) == ("batch", True)
        and not (saved[row.path].normalizes_by == "batch" and saved[row.path].updates)
    ]
    if paths:
        yield fault(
            "lost-flags",
            tuple(paths),
            "normalizes by the batch and updates its statistics",
            f"{saved[paths[0]]}, as in the saved model",
            "The weights were loaded into a model that was built again. Weight files contain no flags.",
            "keras.models.load_model(saved)  # with tfbn imported; or tfbn.freeze again",
        )


def unsynchronized_replicas(plan: Plan) -> Iterator[Finding]:
    """Each replica normalizes its part of the batch on its own: some layers do, or the parts are small."""
    strategy = getattr(plan.model, "distribute_strategy", None)
    replicas = getattr(strategy, "num_replicas_in_sync", 1)
    if replicas < 2:
        return
    by_batch = set(_by_batch(plan))
    layers = [named for named in plan.layers if named.path in by_batch]
    alone = [named.path for named in layers if not getattr(named.layer, "synchronized", False)]
    mixed = 0 < len(alone) < len(layers)
    each = None if plan.batch_size is None else plan.batch_size // replicas
    if mixed or (alone and each is not None and each < FEW):
        yield fault(
            "unsynchronized-replicas",
            tuple(alone),
            f"synchronized=False on {replicas} replicas"
            + (f", {each} examples in each" if each is not None else "")
            + (f", while {len(layers) - len(alone)} layers synchronize" if mixed else ""),
            "statistics of the whole batch",
            "Each replica normalizes its part of the batch alone, and the moving statistics average over "
            "the parts.",
            "keras.layers.BatchNormalization(synchronized=True)",
        )


def one_class_batches(plan: Plan) -> Iterator[Finding]:
    """Every batch holds one class, or the classes come in order."""
    batches = plan.label_batches
    if len(batches) < 2 or not _by_batch(plan):
        return
    classes = {int(label) for labels in batches for label in labels}
    single = sum(len(set(labels.tolist())) == 1 for labels in batches if len(labels) > 1)
    several = sum(len(labels) > 1 for labels in batches)
    in_order = bool(np.all(np.diff(np.concatenate(batches)) >= 0))
    if several and single > several / 2 and (len(classes) > 1 or in_order):
        measured = f"one class only in {single} of the first {several} batches"
        yield by_class_finding("one-class-batches", tuple(_by_batch(plan)), measured)


def by_class_finding(name: str, paths: tuple[str, ...], measured: str) -> Finding:
    """The finding for layers that normalize by batches of one class, or of classes in order."""
    return fault(
        name,
        paths,
        measured,
        "batches with the mix of classes of the whole data",
        "The batch's statistics depend on its class, and the network learns to rely on that. In predict "
        "they do not.",
        "dataset.shuffle(len(dataset))  # before batch",
    )


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        broken_statistics,
        dead_channels,
        initial_statistics,
        lost_flags,
        large_epsilon,
        statistics_held,
        call_sites,
        slow_momentum,
        few_values,
        small_last_batch,
        gradient_accumulation,
        unsynchronized_replicas,
        one_class_batches,
        averaged_weights,
    )
}


def _updating(plan: Plan) -> list[tuple[str, Any]]:
    updating = {row.path for row in plan.audit.rows if row.fit.updates}
    return [(named.path, named.layer) for named in plan.layers if named.path in updating]


def _optimizer(plan: Plan) -> Any:
    """The model's optimizer, without the scaling of the loss that mixed precision puts around it."""
    optimizer = getattr(plan.model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def _by_batch(plan: Plan) -> list[str]:
    return [row.path for row in plan.audit.rows if row.fit.normalizes_by == "batch"]
