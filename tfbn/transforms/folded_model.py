"""Rebuilds a model without the BatchNormalization layers that are folded into others."""

import collections
import warnings
from typing import Any

import keras
import numpy as np

from tfbn import layers
from tfbn.graph.data_flow import DataFlow, graph
from tfbn.graph.keras_internals.layers import all_layers
from tfbn.graph.saving import config_holds
from tfbn.graph.traversal import batch_normalizations
from tfbn.transforms.folded_weights import Target, folded
from tfbn.utils.validation import InputError

_FOLDED = object()  # marks a removed layer


class _Inlined:
    """Stands in for a layer with a custom `call`: the functional model of its computation."""

    def __init__(self, model: keras.Model):
        self.model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [t for t in keras.tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
        return self.model(tensors[0] if len(tensors) == 1 else tensors)


class Rebuilt:
    """The layers made so far, and what is folded into them.

    Args:
        flow: The model's calls.
        into: The layer into which each BatchNormalization is folded, by the id of the latter.
    """

    def __init__(self, flow: DataFlow, into: dict[int, Target]):
        self._flow, self._into = flow, into
        self._targets: dict[int, list[Target]] = collections.defaultdict(list)
        for target in into.values():
            self._targets[id(target.layer)].append(target)
        self._made: dict[int, tuple[Any, Any]] = {}  # by the id of the old layer: (old, new)

    def of(self, model: keras.Model) -> keras.Model:
        """Rebuilds the whole model, with its weights and class."""
        new = self._rebuild(model)
        self._copy_weights()
        for named in batch_normalizations(new):
            if type(named.layer) is layers.BatchNormalization:
                named.layer.__class__ = keras.layers.BatchNormalization
        return self._of_class(model, new)

    def _rebuild(self, model: keras.Model) -> keras.Model:
        if isinstance(model, keras.Sequential):
            made = [self._make(layer) for layer in model.layers]
            kept = [getattr(each, "model", each) if isinstance(each, _Inlined) else each for each in made]
            first = model.inputs[0]
            given = {"batch_shape": first.shape, "dtype": first.dtype, "sparse": first.sparse}
            inputs = keras.Input(**given, name=first.name)
            kept = [each for each in kept if each is not _FOLDED]
            return keras.Sequential([inputs, *kept], name=model.name)
        return keras.models.clone_model(model, clone_function=self._make, call_function=_call)

    def _make(self, layer: Any) -> Any:
        if id(layer) in self._into and not self._flow.is_output(layer):
            return _FOLDED
        if id(layer) not in self._made:
            self._made[id(layer)] = layer, self._new(layer)
        return self._made[id(layer)][1]

    def _new(self, layer: Any) -> Any:
        if id(layer) in self._into:  # the model's output is named after it
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy)
        if id(layer) in self._flow.traced:
            return self._inline(layer)
        if isinstance(layer, keras.Model) and graph(layer) is not None:
            return self._rebuild(layer)
        return self._again(layer)

    def _inline(self, layer: Any) -> _Inlined:
        flow = self._flow.traced[id(layer)]
        inputs = [keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in flow.inputs]
        values = {id(old): new for old, new in zip(flow.inputs, inputs, strict=True)}
        names: set[str] = set()
        for node in flow.nodes:
            operation = self._make(node.operation)
            _give_name_of_its_own(operation, names)
            args, kwargs = node.arguments.fill_in(values)
            outputs = keras.tree.flatten(_call(operation, *args, **_without_training(kwargs)))
            values.update({id(old): new for old, new in zip(node.outputs, outputs, strict=True)})
        outputs = keras.tree.map_structure(lambda tensor: values[id(tensor)], flow.structure)
        return _Inlined(keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs, name=layer.name))

    def _again(self, layer: Any) -> Any:
        try:
            config = layer.get_config()
            if id(layer) in self._targets:
                config["use_bias"] = True
            return type(layer).from_config(config)
        except Exception as error:
            if type(layer).__module__.split(".")[0] == "keras" and not getattr(layer, "variables", ()):
                return layer  # an activation in code, without state: one does for both models
            raise _not_made_again(layer, error) from error

    def _copy_weights(self) -> None:
        for old, new in self._made.values():
            if id(old) in self._targets:
                for name, value in folded(old, self._targets[id(old)]).items():
                    getattr(new, name).assign(value)
            elif graph(old) is None and not isinstance(new, _Inlined) and id(old) not in self._into:
                _copy_weights(old, new)

    def _of_class(self, old: keras.Model, new: keras.Model) -> keras.Model:
        """`new` as one of the old one's class, with what that has besides its graph.

        Not where the class's config would make the layers again that are folded: such a model
        could be saved, but not loaded.
        """
        if type(old) is type(new) or type(old).__module__.split(".")[0] == "keras":
            return new
        if not all(config_holds(old, layer) for layer in old.layers if self._is_changed(layer)):
            if type(old).predict is not keras.Model.predict:
                warnings.warn(
                    f"The folded model is a plain Functional one: what {type(old).__name__} does with data "
                    "before its graph, such as preprocessing, is left out.",
                    stacklevel=4,
                )
            return new
        inputs = keras.Input((1,))
        plain = keras.Model(inputs, keras.layers.Identity()(inputs))
        plain.compile()
        for name in vars(old).keys() - vars(new).keys() - vars(plain).keys() - {"_tfbn_traced"}:
            new.__dict__[name] = keras.tree.map_structure(self._new_of, vars(old)[name])
        new.__class__ = type(old)
        return new

    def _is_changed(self, layer: Any) -> bool:
        changed = self._targets.keys() | self._into.keys() | self._flow.traced.keys()
        return any(id(each) in changed for each in all_layers(layer))

    def _new_of(self, value: Any) -> Any:
        new = self._made.get(id(value), (None, value))[1]
        return new.model if isinstance(new, _Inlined) else new


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    inputs = args[0] if args else kwargs.get("inputs")
    if layer is _FOLDED:
        return inputs
    return layer(inputs) if isinstance(layer, keras.layers.Identity) else layer(*args, **kwargs)


def _without_training(kwargs: dict[str, Any]) -> dict[str, Any]:
    """A `training=False` that the layer's code passed on says nothing in inference, and would leak."""
    return {name: value for name, value in kwargs.items() if name != "training" or value is True}


def _give_name_of_its_own(operation: Any, names: set[str]) -> None:
    if operation is _FOLDED:
        return
    inside = operation.model if isinstance(operation, _Inlined) else operation
    name, number = inside.name, 1
    while inside.name in names:
        inside.name, number = f"{name}_{number}", number + 1
    names.add(inside.name)


def _copy_weights(old: Any, new: Any) -> None:
    """Copies state layer by layer, as when loading a file, because some layers prepare themselves in
    doing so."""
    if not isinstance(old, keras.layers.Layer) or new is old:
        return
    try:
        _copy_own_weights(all_layers(old), all_layers(new))
    except Exception as error:  # each kind of layer checks in its own way
        raise _not_made_again(old, error) from error


def _not_made_again(layer: Any, error: Exception) -> InputError:
    return InputError(
        "Expected `model` to be of layers that can be made again from their config. "
        f"Received: {type(layer).__name__} {layer.name!r}: {error}"
    )


def _copy_own_weights(old: list[Any], new: list[Any]) -> None:
    for one, other in zip(old, new, strict=True):
        store: dict[str, Any] = {}
        one.save_own_variables(store)
        # Copies: on JAX two variables may not share an array, since Keras's step frees what it is given.
        store = {name: np.array(keras.ops.convert_to_numpy(value)) for name, value in store.items()}
        if store:
            other.load_own_variables(store)
