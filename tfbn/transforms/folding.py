"""BatchNormalization folded into the linear layer before or after it, for inference."""

import dataclasses
from typing import Any

import keras

from tfbn.graph.data_flow import DataFlow, graph
from tfbn.graph.traversal import NamedLayer, batch_normalizations, named_layers
from tfbn.layers import modes
from tfbn.statistics.replaced_statistics import replaceable
from tfbn.transforms import folded_weights, linear
from tfbn.transforms.folded_model import Rebuilt
from tfbn.utils.validation import fail


@dataclasses.dataclass(frozen=True)
class Fold:
    """The plan of `fold` for one BatchNormalization layer.

    Attributes:
        path: The layer's path in the model.
        into: Path of the layer it is folded into, or None if it stays.
        reason: Why it stays; empty if it does not.
    """

    path: str
    into: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.path}: folded into {self.into}" if self.into else f"{self.path}: stays, {self.reason}"


def plan(model: keras.Model) -> list[Fold]:
    """The plan of `fold` for each BatchNormalization layer, with the reason why some stay.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)),
    ...     keras.layers.Conv2D(4, 3, name="conv"), keras.layers.BatchNormalization(name="bn"),
    ...     keras.layers.ReLU(name="relu"), keras.layers.BatchNormalization(name="late"),
    ... ])
    >>> for row in plan(model):
    ...     print(row)
    bn: folded into conv
    late: stays, it comes after ReLU 'relu'
    """
    return _Plan(model).rows


def fold(model: keras.Model, verbose: bool = True) -> keras.Model:
    """An inference model in which BatchNormalization is part of the layer before or after it.

    In inference mode, `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with the
    moving statistics is linear. After a Dense, Conv, DepthwiseConv, SeparableConv or
    ConvTranspose layer it becomes, with `s = gamma / sqrt(variance + epsilon)`,

    `kernel' = kernel * s` and `bias' = (bias - mean) * s + beta`

    by output channel, in any number of dimensions and any data format. Where that is not
    possible, but a Dense, Conv, DepthwiseConv or SeparableConv layer without padding follows,
    it becomes part of that layer, with `t = beta - mean * s`:

    `kernel' = kernel * s` by input channel and `bias' = bias + sum(kernel * t)`

    The outputs are the same up to rounding (1e-5 relative in float32). Functional and
    Sequential models are folded on all levels, across branches and shared submodels. A
    layer with a custom `call` that contains BatchNormalization is traced if it uses only layers and
    `keras.ops`, as the blocks of KerasHub's backbones do; it becomes a functional model of the same
    name.

    A BatchNormalization layer stays, as Keras's own layer, if it cannot be folded into either
    neighbor: one of the two is used more than once, the layer before has an activation or its
    output is also used elsewhere; `plan` says which layers stay, and why. A subclassed model cannot
    be rebuilt: as the argument it is an error (fold the functional models inside it); as a
    part of the model it stays unchanged if it cannot be traced.

    Args:
        model: A built Functional or Sequential model. It is not changed.
        verbose: Print how many layers were folded, and a line for each that stays.

    Returns:
        A new model with its own weights and the same class, name, inputs, outputs and output
        names: where a folded layer was an output, an `Identity` takes its name. What the class
        has besides its graph, such as the preprocessor of a KerasHub task, is kept; a class
        whose config would recreate the folded layers, such as a KerasHub backbone, becomes a
        Functional model. It has no layers of tfbn, so it saves, exports and loads without tfbn.
        It is for inference: training it differs from training the original.

    Raises:
        ValueError: The model is subclassed, not built, or has no BatchNormalization
            layer; a layer in it cannot be made again from its config; a layer normalizes
            by the batch in inference (`batch_statistics_in_inference`).

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((3,)),
    ...     keras.layers.Dense(2, use_bias=False, name="dense"), tfbn.layers.BatchNormalization(),
    ... ])
    >>> _ = model.layers[1].moving_mean.assign([1.0, -2.0])
    >>> folded = fold(model, verbose=False)
    >>> [layer.name for layer in folded.layers]
    ['dense']
    >>> x = np.array([[1.0, 2.0, 3.0]], "float32")
    >>> bool(np.allclose(folded(x), model(x), rtol=1e-5, atol=1e-6))
    True

    References:
        Jacob et al., 2018, section 3.2, https://arxiv.org/abs/1712.05877
    """
    plan = _Plan(model)
    folded = Rebuilt(plan.flow, plan.into).of(model)
    if verbose:
        done = sum(row.into is not None for row in plan.rows)
        print(f"Folded {done} of {len(plan.rows)} BatchNormalization layers of {model.name!r}.")
        print("".join(f"  {row}\n" for row in plan.rows if not row.into), end="")
    return folded


class _Plan:
    """The folding plan of one model."""

    def __init__(self, model: keras.Model):
        named_layers(model)  # raises if it is not a model
        if graph(model) is None:
            what = "to be a Functional or Sequential model; a subclassed one cannot be rebuilt"
            if not getattr(model, "built", True):
                what += ", nor one that is not built (call it on a batch first)"
            raise fail("model", what, f"{model.name} of class {type(model).__name__}")
        known, _ = replaceable(model)
        self.known = {id(named.layer) for named in known}
        norms = batch_normalizations(model)
        _check_inference(norms)
        self.flow = DataFlow(model, reach_into=_has_batch_normalization)
        self.path = {id(named.layer): named.path for named in named_layers(model)}
        self.into: dict[int, folded_weights.Target] = {}  # by the id of the BN
        self.rows = [self._decide(named) for named in norms]

    def _decide(self, named: NamedLayer) -> Fold:
        bn = named.layer
        reason = self._reason_to_stay(bn)
        if reason:
            return Fold(named.path, reason=reason)
        before, after = self.flow.before(bn), self.flow.after(bn)
        reason = self._obstacle_before(bn, before)
        target: Any = before if reason is None else after
        if reason is not None and self._obstacle_after(bn, after) is not None:
            return Fold(named.path, reason=reason)
        self.into[id(bn)] = folded_weights.Target(target, bn, is_before=target is before)
        return Fold(named.path, into=self.path.get(id(target), target.name))

    def _reason_to_stay(self, bn: Any) -> str | None:
        if id(bn) not in self.known:
            return f"it is a {type(bn).__name__}, which has a call of its own"
        if not self.flow.calls(bn):
            return "it is not in the graph of a functional model"
        if self.flow.calls(bn) > 1:
            return "it is used more than once"
        if id(bn) in self.flow.forced:
            return "training=True where it is called makes it normalize by the batch in inference, too"
        return None

    def _obstacle_before(self, bn: Any, before: Any) -> str | None:
        if before is None:
            return "it comes first in its model"
        if not linear.is_linear(before):
            return f"it comes after {type(before).__name__} {before.name!r}"
        if self.flow.calls(before) > 1:
            return f"the layer before it, {before.name!r}, is used more than once"
        if self.flow.users_of_input(bn) > 1:
            return f"the output of {before.name!r} is also used elsewhere"
        return linear.obstacle(before) or folded_weights.mismatch(before, bn, is_before=True)

    def _obstacle_after(self, bn: Any, after: Any) -> str | None:
        if after is None or not linear.is_linear(after) or self.flow.calls(after) > 1:
            return "no linear layer alone uses its output"
        return linear.obstacle_before(after) or folded_weights.mismatch(after, bn, is_before=False)


def _check_inference(norms: list[NamedLayer]) -> None:
    by_batch = [
        named.path
        for named in norms
        if modes.of_layer(named.layer, training_call=False).normalizes_by == "batch"
    ]
    if by_batch:
        what = "to have layers that normalize by the moving statistics in inference"
        raise fail("model", f"{what} (batch_statistics_in_inference is set)", by_batch[:5])


def _has_batch_normalization(layer: Any) -> bool:
    """Whether to look into a layer with a custom `call`; Keras's wrappers call their layers in loops."""
    if not isinstance(layer, keras.layers.Layer) or type(layer).__module__.split(".")[0] == "keras":
        return False
    return not isinstance(layer, keras.layers.BatchNormalization) and bool(batch_normalizations(layer))
