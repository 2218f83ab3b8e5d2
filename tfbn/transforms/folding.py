"""BatchNormalization folded into the linear layer before it, for inference."""

import dataclasses
from typing import Any

import keras
import numpy as np

from tfbn import layers
from tfbn.graph.data_flow import DataFlow, graph
from tfbn.graph.keras_internals import all_layers
from tfbn.graph.traversal import NamedLayer, batch_normalizations, named_layers
from tfbn.statistics.replaced_statistics import replaceable
from tfbn.transforms import linear
from tfbn.utils.validation import fail


@dataclasses.dataclass(frozen=True)
class Fold:
    """What `fold` does with one BatchNormalization layer.

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
    """What `fold` would do with each BatchNormalization layer, and why some stay.

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
    return _Folding(model).rows


def fold(model: keras.Model, verbose: bool = True) -> keras.Model:
    """An inference model in which BatchNormalization is part of the layer before it.

    In inference mode, `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with the
    moving statistics is linear. After a Dense, Conv, DepthwiseConv, SeparableConv or
    ConvTranspose layer it becomes, with `s = gamma / sqrt(variance + epsilon)`,

    `kernel' = kernel * s` and `bias' = (bias - mean) * s + beta`

    by output channel, in any number of dimensions and any data format. The outputs are
    the same to rounding (1e-5 relative in float32). Functional and Sequential models are
    folded on all levels, over branches and shared submodels.

    A BatchNormalization layer stays, as Keras's own layer, if it does not directly
    follow such a layer, or if one of the two is used more than once, if that layer has
    an activation or its output is also used elsewhere; `plan` tells which and why. A
    subclassed model cannot be rebuilt: as the argument it is an error (fold the
    functional models inside it); as a part of the model it stays as it is.

    Args:
        model: A built Functional or Sequential model. It stays as it is.
        verbose: Print how many layers were folded, and a line for each that stays.

    Returns:
        A new model with weights of its own and the same name, inputs and outputs. No
        layer of it is tfbn's: it saves, exports and loads without tfbn. It is for
        inference: training it is not what training the original would be.

    Raises:
        ValueError: The model is subclassed, not built, or has no BatchNormalization
            layer; a layer in it cannot be made again from its config.

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
    folding = _Folding(model)
    folded = folding.rebuild(model)
    folding.copy_weights()
    _leave_tfbn(folded)
    if verbose:
        stay = [row for row in folding.rows if not row.into]
        print(
            f"Folded {len(folding.pairs)} of {len(folding.rows)} BatchNormalization layers of {model.name!r}."
        )
        print("".join(f"  {row}\n" for row in stay), end="")
    return folded


_FOLDED = object()  # stands for a layer that is not there any more


class _Folding:
    """What is folded into what in one model, and the layers made so far."""

    def __init__(self, model: keras.Model):
        named_layers(model)  # raises if it is no model at all
        if graph(model) is None:
            what = "to be a Functional or Sequential model; a subclassed one cannot be rebuilt"
            if not getattr(model, "built", True):
                what += ", nor one that is not built (call it on a batch first)"
            raise fail("model", what, f"{model.name} of class {type(model).__name__}")
        known, _ = replaceable(model)
        self.known = {id(named.layer) for named in known}
        self.flow = DataFlow(model)
        self.path = {id(named.layer): named.path for named in named_layers(model)}
        self.pairs: dict[int, tuple[Any, Any]] = {}  # by the id of the BN: (linear layer, BN)
        self.rows = [self._decide(named) for named in batch_normalizations(model)]
        self.targets = {id(target): bn for target, bn in self.pairs.values()}
        self.made: dict[int, tuple[Any, Any]] = {}  # by the id of the old layer: (old, new)

    def _decide(self, named: NamedLayer) -> Fold:
        reason = self._reason_to_stay(named.layer)
        if reason:
            return Fold(named.path, reason=reason)
        target = self.flow.before(named.layer)
        self.pairs[id(named.layer)] = target, named.layer
        return Fold(named.path, into=self.path[id(target)])

    def _reason_to_stay(self, bn: Any) -> str | None:
        if id(bn) not in self.known:
            return f"it is a {type(bn).__name__}, which has a call of its own"
        if not self.flow.calls(bn):
            return "it is not in the graph of a functional model"
        if self.flow.calls(bn) > 1:
            return "it is used more than once"
        if id(bn) in self.flow.forced:
            return "training=True where it is called makes it normalize by the batch in inference, too"
        before = self.flow.before(bn)
        if before is None:
            return "it comes first in its model"
        if not linear.is_linear(before):
            return f"it comes after {type(before).__name__} {before.name!r}"
        if self.flow.calls(before) > 1:
            return f"the layer before it, {before.name!r}, is used more than once"
        if self.flow.users_of_input(bn) > 1:
            return f"the output of {before.name!r} is also used elsewhere"
        return linear.obstacle(before) or _mismatch(before, bn)

    def rebuild(self, model: keras.Model) -> keras.Model:
        """A new model without the layers that are folded; weights are copied later."""
        if isinstance(model, keras.Sequential):
            kept = [self._make(layer) for layer in model.layers if id(layer) not in self.pairs]
            first = model.inputs[0]
            inputs = keras.Input(batch_shape=first.shape, dtype=first.dtype, name=first.name)
            return keras.Sequential([inputs, *kept], name=model.name)
        return keras.models.clone_model(model, clone_function=self._make, call_function=_call)

    def _make(self, layer: Any) -> Any:
        if id(layer) in self.pairs:
            return _FOLDED
        if id(layer) not in self.made:
            is_model = isinstance(layer, keras.Model) and graph(layer) is not None
            self.made[id(layer)] = layer, (self.rebuild(layer) if is_model else self._again(layer))
        return self.made[id(layer)][1]

    def _again(self, layer: Any) -> Any:
        config = layer.get_config()
        if id(layer) in self.targets:
            config["use_bias"] = True
        try:
            return type(layer).from_config(config)
        except Exception as error:
            raise ValueError(
                "Expected `model` to be of layers that can be made again from their config. "
                f"Received: {type(layer).__name__} {layer.name!r}: {error}"
            ) from error

    def copy_weights(self) -> None:
        for old, new in self.made.values():
            if id(old) in self.targets:
                for name, value in _folded_weights(old, self.targets[id(old)]).items():
                    getattr(new, name).assign(value)
            elif graph(old) is None:
                _copy_weights(old, new)


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    if layer is _FOLDED:
        return args[0] if args else kwargs["inputs"]
    return layer(*args, **kwargs)


def _mismatch(before: Any, bn: Any) -> str | None:
    rank = bn.input_spec.ndim
    if bn.axis % rank != linear.channel_axis(before, rank):
        return f"it normalizes axis {bn.axis}, which is not that of the channels of {before.name!r}"
    if bn.compute_dtype != before.compute_dtype:
        return f"it computes in {bn.compute_dtype} and the layer before it in {before.compute_dtype}"
    with np.errstate(all="ignore"):
        weights = _folded_weights(before, bn)
        largest = max(float(np.abs(value).max()) for value in weights.values())
    if not bool(keras.ops.isfinite(keras.ops.cast(largest, before.variable_dtype))):
        return f"the folded weights would not fit {before.variable_dtype}"
    return None


def _folded_weights(before: Any, bn: Any) -> dict[str, np.ndarray]:
    mean, variance = linear.float64(bn.moving_mean), linear.float64(bn.moving_variance)
    gamma = linear.float64(bn.gamma) if bn.scale else np.ones_like(mean)
    beta = linear.float64(bn.beta) if bn.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + bn.epsilon)
    return linear.scaled(before, scale, beta - mean * scale)


def _copy_weights(old: Any, new: Any) -> None:
    """Layer by layer, the way that files are loaded: some layers prepare themselves from it."""
    if not isinstance(old, keras.layers.Layer):
        return
    pairs = zip(all_layers(old), all_layers(new), strict=True)
    for one, other in pairs:
        store: dict[str, Any] = {}
        one.save_own_variables(store)
        # Copies: on JAX two variables may not share an array, since Keras's step frees what it is given.
        store = {name: np.array(keras.ops.convert_to_numpy(value)) for name, value in store.items()}
        if store:
            other.load_own_variables(store)


def _leave_tfbn(model: keras.Model) -> None:
    for named in batch_normalizations(model):
        if type(named.layer) is layers.BatchNormalization:
            named.layer.__class__ = keras.layers.BatchNormalization
