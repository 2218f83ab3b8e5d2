"""The file that touches private names of Keras: one small function for each.

Those of optimizers are in `keras_optimizers` and `optimizer_twin`, of trainers in `keras_trainers`; no other
file has any.

Only names without a public counterpart in Keras 3.8 to 3.16 are here, each with its purpose and the
first version that has it, so that a Keras release that moves one of them affects this file alone.
`tests/graph/test_keras_internals.py` names the behavior that each function relies on, and
`tests/test_layering.py` holds that no other file reaches for a private name.

Public names that look sufficient, and why they are not:

- `Layer.layers` does not exist; only models have it, and a Functional model's leaves out the
  layers that are attributes (`tracked_layers`).
- `Layer.trainable_variables` includes the variables of sublayers, and leaves out what is frozen
  (`own_trainable_variables`).
- `Model.get_compile_config` gives serialized copies, so a loss that is a custom function is lost
  (`compile_arguments`).
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

# Graphs.


def functional_of(model: Any) -> Any | None:
    """The Functional model that a built Sequential runs; None before it is built.

    Since Keras 3.0: `Sequential._functional`. Sequential lists layers, not the calls of them.
    """
    return model._functional


def is_functional(model: Any) -> bool:
    """Whether a model keeps a graph of calls of its own, whatever its class is called.

    Since Keras 3.0: `_nodes_by_depth`, from `keras.src.ops.Function`. The class `Functional` has
    no public name.
    """
    return hasattr(model, "_nodes_by_depth")


def graph_call(model: Any) -> Any | None:
    """The `call` with which a Functional model runs its graph; None for models of other kinds.

    Since Keras 3.0: the class named `Functional` inside Keras.
    """
    kinds: list[Any] = [
        k for k in type(model).__mro__ if k.__name__ == "Functional" and "keras" in k.__module__
    ]
    return kinds[-1].call if kinds else None


def nodes_of(flow: Any) -> list[Any]:
    """The calls in a Functional model's graph, in data-flow order, without the inputs.

    Since Keras 3.0: `_nodes_by_depth`. A node has the public attributes `operation`, `arguments`,
    `input_tensors`, `outputs` and `is_input`.
    """
    groups = sorted(flow._nodes_by_depth.items(), reverse=True)
    return [node for _, group in groups for node in group if not node.is_input]


def calls_of(operation: Any) -> list[Any]:
    """The places where an operation was called on symbolic tensors, in any graph, as nodes.

    Since Keras 3.0: `Operation._inbound_nodes`.
    """
    return getattr(operation, "_inbound_nodes", [])


def maker_of(tensor: Any) -> Any:
    """The layer or operation that a symbolic tensor comes out of.

    Since Keras 3.0: `KerasTensor._keras_history`.
    """
    return tensor._keras_history.operation


def carries_mask(tensor: Any) -> bool:
    """Whether a tensor has a mask that Keras would pass on to the next layer.

    Since Keras 3.0: `_keras_mask`.
    """
    return getattr(tensor, "_keras_mask", None) is not None


# Layers.


def tracked_layers(layer: Any) -> list[Any]:
    """The layers directly inside a layer: those of its graph, then its attributes, also in lists and dicts.

    Since Keras 3.0: `Layer._flatten_layers`. For a Sequential model this includes its InputLayer,
    which `layers` leaves out, but no attributes, since Sequential replaces `Layer._layers` by a list
    of its own. Those are looked up.
    """
    found = list(layer._flatten_layers(include_self=False, recursive=False))
    if isinstance(layer, keras.Sequential):
        own = ("_layers", "_functional", "_tracker", "_modules")  # and TensorFlow's, `_self_...`
        attributes = [v for name, v in vars(layer).items() if name not in own and name[:6] != "_self_"]
        found += [each for each in _layers_in(attributes) if each is not layer]
    return list({id(each): each for each in found}.values())


def _layers_in(value: Any) -> Iterator[Any]:
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, list | tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(each)


def all_layers(layer: Any) -> list[Any]:
    """The layer and every layer inside it, in an order that two layers of one class and config share.

    Since Keras 3.0: `Layer._flatten_layers`.
    """
    return list(layer._flatten_layers())


def own_trainable_variables(layer: Any) -> list[Any]:
    """The variables that a layer made itself as trainable, frozen or not; none of its sublayers'.

    Since Keras 3.0: `Layer._trainable_variables`.
    """
    return layer._trainable_variables


def own_state(layer: Any) -> list[Any]:
    """The variables that a layer made itself with `trainable=False`; none of its sublayers'.

    Since Keras 3.0: `Layer._non_trainable_variables`.
    """
    return layer._non_trainable_variables


def has_seeds(layer: Any) -> bool:
    """Whether a layer draws random numbers from its own seed.

    Since Keras 3.0: `Layer._seed_generators`.
    """
    return bool(layer._seed_generators)


@contextlib.contextmanager
def cells_called_in_steps_only(rnn: Any) -> Iterator[None]:
    """While the block runs, a recurrent layer calls its cell once per step, and not to infer shapes.

    In a loop Keras also calls the cell before the first step, so the layer is unrolled. A stack of
    cells is also called to make masks for dropout, which cells else make when they need them.
    Since Keras 3.0: `RNN._maybe_config_dropout_masks`.
    """
    unroll = rnn.unroll
    rnn.unroll = True
    rnn.__dict__["_maybe_config_dropout_masks"] = lambda *args: None
    try:
        yield
    finally:
        del rnn.__dict__["_maybe_config_dropout_masks"]
        rnn.unroll = unroll


# BatchNormalization.


def batch_moments(layer: Any, inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Mean and biased variance of a batch, as the layer itself computes them.

    Since Keras 3.0: `BatchNormalization._moments`: masks, and replicas where `synchronized`.
    """
    return layer._moments(inputs, mask)


def renorm_transforms(
    layer: Any, mean: Any, variance: Any, gamma: Any, beta: Any, dtype: str
) -> tuple[Any, Any, Any, Any]:
    """Batch renormalization: `(mean, variance, gamma, beta)` with the correction r, d in the last two.

    Since Keras 3.13: `_renorm_correction_and_moments` and `_compose_transforms`.
    """
    r, d, mean, variance = layer._renorm_correction_and_moments(mean, variance)
    return (mean, variance, *layer._compose_transforms(r, d, gamma, beta, dtype))


def update_renorm_statistics(layer: Any, mean: Any, variance: Any) -> None:
    """Moves the moving and the renorm statistics of a layer toward those of a batch.

    Since Keras 3.13: `_update_renorm_statistics`.
    """
    layer._update_renorm_statistics(mean, variance)


# What `compile` made.


def compile_arguments(model: Any) -> dict[str, Any]:
    """The arguments that a model was compiled with, the very objects.

    Since Keras 3.0: `Trainer._compile_config`.
    """
    return dict(model._compile_config.config)


def compiled_parts(model: Any) -> tuple[Any, ...]:
    """Objects that every `compile` creates, and how the train step was traced; compare with `is`.

    Since Keras 3.0: `Trainer._loss_tracker` is new also where the optimizer is the same object.
    """
    names = ("optimizer", "_loss_tracker", "jit_compile", "run_eagerly", "steps_per_execution")
    return tuple(getattr(model, name, None) for name in names)


def build_loss_and_metrics(model: Any, labels: Any, outputs: Any) -> None:
    """Makes the variables of loss and metrics, as the first batch of `fit` would.

    Since Keras 3.0: `Trainer._compile_metrics` and `Trainer._compile_loss`.
    """
    for part in (model._compile_metrics, model._compile_loss):
        if part is not None and not part.built:
            part.build(labels, outputs)


# Tensors.


def output_spec(function: Any, inputs: Any) -> Any:
    """Runs a function of symbolic tensors once, without data, and returns its symbolic outputs.

    Uses public names only: a temporary layer has Keras do it.
    """
    layer = _Throwaway(function)
    try:
        return layer.compute_output_spec(inputs)
    except Exception:
        # Keras wraps the error in a message about the layer; the function's own error is more useful.
        error = layer.__dict__.get("error")
        if error is None:
            raise
        raise error from None


class _Throwaway(keras.layers.Layer):
    def __init__(self, function: Any):
        super().__init__(dtype="float32", autocast=False)
        self.__dict__["function"] = function  # past Keras's __setattr__, which would track the layers in it

    def call(self, inputs: Any) -> Any:
        try:
            return self.__dict__["function"](inputs)
        except Exception as error:
            self.__dict__["error"] = error
            raise


@contextlib.contextmanager
def noted_calls_removed(layer: Any) -> Iterator[None]:
    """After the block, the layer and those inside it have no record of the calls made in it.

    Since Keras 3.0: `Operation._inbound_nodes` and `_outbound_nodes`.
    """
    noted = [each for one in all_layers(layer) for each in (one._inbound_nodes, one._outbound_nodes)]
    sizes = [len(each) for each in noted]
    try:
        yield
    finally:
        for each, size in zip(noted, sizes, strict=True):
            del each[size:]


def calls_between(inputs: list[Any], outputs: list[Any]) -> list[Any] | None:
    """The calls that compute some tensors from others, in data-flow order; None if they need further
    inputs.

    Since Keras 3.0: `KerasTensor._keras_history` and `Operation._inbound_nodes`.
    """
    known = {id(tensor) for tensor in inputs}
    order: list[Any] = []
    waiting = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        if id(tensor) in known:
            continue
        history = tensor._keras_history
        if history.operation is None or isinstance(history.operation, keras.layers.InputLayer):
            return None
        node = history.operation._inbound_nodes[history.node_index]
        if ready:
            order.append(node)
            known.update(id(made) for made in node.outputs)
        else:
            waiting.append((tensor, True))
            waiting += [(each, False) for each in reversed(node.input_tensors)]
    return order
