"""The rules of an audit: one small function for each warning."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfbn.auditing.coded_text import CodedText
from tfbn.auditing.traced_flags import changed_since_traced
from tfbn.graph import call_sites
from tfbn.graph.data_flow import DataFlow, graph
from tfbn.graph.model_inputs import has_own
from tfbn.graph.symbolic_calls import Call
from tfbn.graph.traversal import NamedLayer, named_layers
from tfbn.layers import BatchNormalization, modes
from tfbn.transforms.freeze_warnings import frozen_in_both, loss
from tfbn.transforms.linear import is_linear
from tfbn.utils.words import counted

DEAD = 1e-12  # a moving variance below this says that the channel is constant
LARGEST_FLOAT16 = float(np.finfo("float16").max)
_STEPS_OF_FIT = ("train_step", "compute_loss")
FEW = 16  # values per channel; the batch's mean is then off by a quarter of a standard deviation


@dataclasses.dataclass(frozen=True)
class Facts:
    """The facts about one layer that the rules read.

    Attributes:
        layer: The layer.
        around: The containers that hold it.
        before: The layer that the model's graph calls just before it, if there is a graph.
        fit: The calls that it gets in `fit`.
        evaluate: The calls that it gets in `evaluate`.
        batch_size: If it is known.
    """

    named: NamedLayer
    around: tuple[Any, ...]
    before: Any | None
    fit: list[Call]
    evaluate: list[Call]
    batch_size: int | None

    @property
    def layer(self) -> Any:
        return self.named.layer

    @property
    def flags(self) -> list[bool]:
        """The `training=` at its call sites and at those of the containers."""
        layers = [*self.around, self.layer]
        return [flag for layer in layers for flag in call_sites.training_flags(layer)]


def facts_of(
    model: Any,
    watched: list[NamedLayer],
    fit: dict[int, list[Call]],
    evaluate: dict[int, list[Call]],
    batch_size: int | None,
) -> list[Facts]:
    """The facts of each layer of a model."""
    everything = named_layers(model)
    containers = [named for named in everything if isinstance(named.layer, keras.Model)]
    flow = DataFlow(model) if graph(model) is not None else None
    found = []
    for named in watched:
        key = id(named.layer)
        around = tuple(each.layer for each in containers if named.path.startswith(f"{each.path}/"))
        before = flow.before(named.layer) if flow is not None and flow.calls(named.layer) else None
        found.append(Facts(named, around, before, fit.get(key, []), evaluate.get(key, []), batch_size))
    return found


def layer_warnings(facts: Facts) -> Iterator[CodedText]:
    """Everything to say about one layer."""
    for rule in (
        _call_site,
        _evaluate,
        _initial_statistics,
        _beyond_use,
        _dead_channels,
        _bias_before,
        _few_values,
    ):
        yield from rule(facts)


def model_warnings(model: Any, watched: list[Facts]) -> Iterator[CodedText]:
    """Everything to say about the model as a whole."""
    yield from _own_steps(model)
    yield from _leak(model, watched)
    yield from _lost_in_saving(model, watched)
    yield from _averaged_weights(model)
    yield from _frozen_elsewhere(model)
    yield from changed_since_traced(model, [facts.named for facts in watched])


def _call_site(facts: Facts) -> Iterator[CodedText]:
    """A `training=` at the call site of the layer or of a container, and its effect."""
    for flag in facts.flags:
        got = {bool(call.training) for call in facts.fit}
        if got == {not flag}:
            yield CodedText(
                "overridden-call-site", f"the call site says training={flag}, and fit overrides it"
            )
        elif (
            got == {flag}
            and not flag
            and isinstance(facts.layer, BatchNormalization)
            and facts.layer.training
        ):
            text = "the call site says training=False, so the layer's training=True has no effect"
            yield CodedText("call-site-beats-layer", text)


def _evaluate(facts: Facts) -> Iterator[CodedText]:
    if any(call.training for call in facts.evaluate):
        text = "a call site says training=True, so evaluate and predict do not run it in inference mode"
        yield CodedText("training-in-evaluate", text)
    elif modes.of_layer(facts.layer, training_call=False).normalizes_by == "batch":
        text = "evaluate and predict normalize by the batch (batch_statistics_in_inference)"
        yield CodedText("batch-in-inference", text)


def _initial_statistics(facts: Facts) -> Iterator[CodedText]:
    mean, variance = _numpy(facts.layer.moving_mean), _numpy(facts.layer.moving_variance)
    if np.all(mean == 0) and np.all(variance == 1):
        yield CodedText("initial-statistics", "the moving statistics are still at (0, 1)")


def _dead_channels(facts: Facts) -> Iterator[CodedText]:
    variance = _numpy(facts.layer.moving_variance)
    dead = int(np.sum((variance < DEAD) & (variance >= 0)))
    if dead:
        text = f"{dead} of {len(variance)} channels are dead: moving variance below {DEAD:g}"
        yield CodedText("dead-channels", text)


def _beyond_use(facts: Facts) -> Iterator[CodedText]:
    """Values that make the layer's outputs NaN or infinite, and in which channels."""
    layer = facts.layer
    for name in ("moving_mean", "moving_variance", "gamma", "beta"):
        variable = getattr(layer, name, None)
        if variable is None:
            continue
        values = _numpy(variable)
        yield from _channels(f"{name} is NaN", np.isnan(values))
        yield from _channels(f"{name} is infinite", np.isinf(values))
        if name == "moving_variance":
            yield from _channels(f"{name} is negative", values < 0)
        if layer.compute_dtype == "float16":  # what is computed in it is the deviation, not its square
            size = np.sqrt(np.abs(values)) if name == "moving_variance" else np.abs(values)
            yield from _channels(f"{name} overflows float16", np.isfinite(size) & (size > LARGEST_FLOAT16))


def _channels(text: str, where: np.ndarray) -> Iterator[CodedText]:
    found = np.flatnonzero(where)
    if len(found):
        shown = ", ".join(str(channel) for channel in found[:5]) + (", ..." if len(found) > 5 else "")
        text = f"{text} in {len(found)} of {len(where)} channels (number {shown})"
        yield CodedText("broken-statistics", text)


def _bias_before(facts: Facts) -> Iterator[CodedText]:
    before = facts.before
    if before is None or not is_linear(before) or before.activation is not keras.activations.linear:
        return
    if before.use_bias:
        text = "the layer before it has a bias, without effect while the batch normalizes"
        yield CodedText("bias-before", text)


def values_per_channel(facts: Facts) -> int | None:
    """N*H*W, the values of each channel in a batch; None if it is not known."""
    if facts.batch_size is None or not facts.fit:
        return None
    axis = facts.layer.axis % len(facts.fit[0].shape)
    sizes = [size for i, size in enumerate(facts.fit[0].shape) if i not in (0, axis)]
    known = [size for size in sizes if size is not None]
    return None if len(known) < len(sizes) else facts.batch_size * math.prod(known)


def _few_values(facts: Facts) -> Iterator[CodedText]:
    values = values_per_channel(facts)
    if values is None:
        return
    if values == 1:
        text = "one value per channel in a batch: normalized by it, the output is beta for any input"
        yield CodedText("one-value", text)
    elif values < FEW:
        text = f"{counted(values, 'value')} per channel in a batch: batch statistics mean little"
        yield CodedText("few-values", text)


def _own_steps(model: Any) -> Iterator[CodedText]:
    """A custom `train_step` or `predict_step`, which only `fit` and `predict` run."""
    steps = [name for name in _STEPS_OF_FIT if isinstance(model, keras.Model) and has_own(model, name)]
    if steps:
        yield CodedText(
            "own-steps",
            f"{type(model).__name__} has its own {' and '.join(steps)}, so how often and with which "
            "training= fit calls the layers is not known: the table shows one call with training=True",
        )
    if isinstance(model, keras.Model) and has_own(model, "predict_step"):
        yield CodedText(
            "own-steps",
            f"{type(model).__name__} has its own predict_step: what the table shows of evaluate holds for "
            "predict only if that calls the model with training=False",
        )


def _leak(model: Any, watched: list[Facts]) -> Iterator[CodedText]:
    """Layers that are in inference mode during `fit` although none of their call sites says so."""
    leaked = [
        facts.named.path
        for facts in watched
        if any(not call.training for call in facts.fit)
        and not facts.flags
        # The code of a subclass may pass anything.
        and all(graph(layer) is not None for layer in (model, *facts.around))
    ]
    if leaked:
        yield CodedText(
            "leaking-call-site",
            "training=False at a call site leaks, so these are in inference mode during fit too: "
            f"{', '.join(leaked)}",
        )


def _lost_in_saving(model: Any, watched: list[Facts]) -> Iterator[CodedText]:
    """What was set on layers made in constructors is not in a file; after loading, it is gone."""
    norms = [facts.layer for facts in watched if isinstance(facts.layer, keras.layers.BatchNormalization)]
    text = loss(model, norms)
    if text:
        yield CodedText("lost-in-saving", text)


def _averaged_weights(model: Any) -> Iterator[CodedText]:
    """The averaged weights that `use_ema` assigns at the end of `fit` need statistics of their own."""
    optimizer = getattr(model, "optimizer", None)
    inside = getattr(optimizer, "inner_optimizer", optimizer)
    if getattr(inside, "use_ema", False):
        yield CodedText(
            "averaged-weights",
            "the optimizer averages weights (use_ema), and fit ends with the averages: the moving statistics "
            "are those of the weights before; call tfbn.recalibrate(model, data) after fit",
        )


def _frozen_elsewhere(model: Any) -> Iterator[CodedText]:
    """Parts that are frozen in two compiled models at once, such as a discriminator and its GAN."""
    text = frozen_in_both(model)
    if text:
        yield CodedText("frozen-elsewhere", text)


def _numpy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable), np.float64)
