"""The `training` argument that each layer of a model receives in `fit` and in `evaluate`.

Found by running the model on symbolic inputs: no data, no change of any variable. So it
is true for functional graphs with flags at call sites, for subclassed models that pass
`training` on as they like, and for every version of Keras.
"""

import collections
import dataclasses
import functools
import inspect
from collections.abc import Iterable
from typing import Any

import keras

from tfbn.graph.call_hooks import observed
from tfbn.graph.inner_graphs import functions_inlined
from tfbn.graph.keras_internals.graphs import is_functional, output_spec
from tfbn.graph.stand_ins import stand_ins


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        training: What it received; None counts as False.
        shape: The shape of its inputs; None where it is not known, as of the batch.
    """

    training: bool | None
    shape: tuple[int | None, ...]


def received(model: Any, layers: Iterable[Any], training: bool) -> dict[int, list[Call]]:
    """The calls that layers receive when the model is called as in `fit` or `evaluate`.

    Args:
        model: A built model whose input shape is known.
        layers: Layers of it that take `(inputs, training)`.
        training: True for `fit`, False for `evaluate` and `predict`.

    Returns:
        The calls of each layer in order, by the layer's id; layers that are not called are missing.

    Raises:
        ValueError: The input shape is not known, or the model cannot be called.

    Example:

    >>> layer = keras.layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((3,)), layer])
    >>> received(model, [layer], training=True)[id(layer)]
    [Call(training=True, shape=(None, 3))]
    """
    layers = list(layers)
    calls: dict[int, list[Call]] = collections.defaultdict(list)
    runs: list[dict[int, list[Call]]] = []
    traced = [layer.__dict__.get("_traced_as") for layer in layers]
    arguments = {"training": training} if takes_training(model) else {}

    def see(layer: Any, inputs: Any, training: bool | None, mask: Any) -> None:
        calls[id(layer)].append(Call(training, _shape(inputs)))

    def run(inputs: Any) -> Any:
        # PyTorch's backend repeats a failed run in another way: discard the calls of the failed one.
        calls.clear()
        with keras.StatelessScope():
            outputs = model(inputs, **arguments)
        runs.append(dict(calls))
        return outputs

    try:
        # A `tf.function` of the model's own that was traced here would keep what it did in this scope.
        with stand_ins(model), observed(layers, see), functions_inlined():
            for inputs in _probes(model):
                output_spec(run, inputs)
    finally:
        for layer, value in zip(layers, traced, strict=True):
            layer.__dict__.pop("_traced_as", None)
            if value is not None:
                layer.__dict__["_traced_as"] = value
    return _in_common(runs)


def _shape(tensor: Any) -> tuple[int | None, ...]:
    # JAX has symbolic expressions for unknown sizes.
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def _probes(model: Any) -> list[Any]:
    """Inputs to run the model on; PyTorch's backend has no symbols, so it runs on two small batches.

    (It would itself fill in 83 and 89, which takes long in a large network.)
    """
    inputs = symbolic_inputs(model)
    if keras.backend.backend() != "torch":
        return [inputs]

    def of_size(batch: int, tensor: Any) -> Any:
        shape = tuple(tensor.shape)
        return keras.KerasTensor((batch, *shape[1:]) if shape[:1] == (None,) else shape, dtype=tensor.dtype)

    return [keras.tree.map_structure(functools.partial(of_size, batch), inputs) for batch in (2, 3)]


def _in_common(runs: list[dict[int, list[Call]]]) -> dict[int, list[Call]]:
    """The calls of the last run, with None for sizes that differ between runs."""
    known = dict(runs[-1])
    for other in runs[:-1]:
        for key, calls in other.items():
            known[key] = [
                Call(
                    call.training,
                    tuple(a if a == b else None for a, b in zip(call.shape, before.shape, strict=True)),
                )
                for call, before in zip(known[key], calls, strict=True)
            ]
    return known


def symbolic_inputs(model: Any) -> Any:
    """Symbolic tensors like the model's inputs.

    Raises:
        ValueError: The shapes are not known.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> symbolic_inputs(model).shape
    (None, 3)
    """
    if is_functional(model):
        structure = model.input
    elif getattr(model, "inputs", None):
        structure = model.inputs
    else:
        shape = (model.get_build_config() or {}).get("input_shape")
        if not isinstance(shape, (tuple, list)) or not all(d is None or isinstance(d, int) for d in shape):
            raise ValueError(
                "Expected `model` to know the shape of its one input: call `model.build(shape)`. "
                f"Received: model={model.name!r}, input_shape={shape}"
            )
        return keras.KerasTensor((None, *shape[1:]), dtype=model.compute_dtype)
    copies = keras.tree.map_structure(lambda t: keras.KerasTensor(t.shape, dtype=t.dtype), structure)
    single = isinstance(copies, (list, tuple)) and len(copies) == 1
    return copies[0] if single else copies


def takes_training(model: Any) -> bool:
    """Whether a model's `call` has an argument `training`."""
    return "training" in inspect.signature(model.call).parameters
