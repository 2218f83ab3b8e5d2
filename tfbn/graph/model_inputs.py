"""What a model's `predict` does to data before its layers see them.

Tasks of keras-hub preprocess raw inputs in `fit` and `predict` (`preprocess_samples`), and a model
may override `predict_step`. The bare call `model(x)` does neither.
"""

from typing import Any

import keras

from tfbn.graph.data_flow import graph
from tfbn.utils.validation import fail
from tfbn.utils.words import counted


def preprocessed(model: Any, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """`(x, y, sample_weight)` after the preprocessing of a model that has a preprocessor; unchanged
    for others.

    Args:
        model: Any model; one with a method `preprocess_samples`, as every task of keras-hub has
            it, preprocesses.
        x: A batch of inputs, as `predict` takes them.
        y: Targets, if there are any.
        sample_weight: Weights, if there are any.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> preprocessed(model, "as it is")
    ('as it is', None, None)
    """
    preprocess = getattr(model, "preprocess_samples", None)
    if preprocess is None:
        return x, y, sample_weight
    return keras.utils.unpack_x_y_sample_weight(preprocess(x, y, sample_weight))


def check_number(model: Any, x: Any, name: str = "data") -> None:
    """Raises if a list or tuple has more arrays than the model has inputs: Keras would drop the others.

    Args:
        model: Any model or layer.
        x: A batch of inputs, or all inputs, as `predict` takes them.
        name: What the user calls them.

    Raises:
        InputError: There are more.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> check_number(model, [np.zeros((4, 2)), np.ones((4, 2))])
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `data` to be the model's 1 input;... Received: data='list of 2'
    """
    flow = graph(model) if isinstance(x, list | tuple) else None
    if flow is None or hasattr(model, "preprocess_samples") or has_own(model, "predict_step"):
        return
    expected, number = len(flow.inputs), len(keras.tree.flatten(x))
    if number > expected:
        what = f"to be the model's {counted(expected, 'input')}; batches come from an iterator, iter(batches)"
        raise fail(name, what, f"{type(x).__name__} of {number}")


def has_own(model: Any, step: str) -> bool:
    """Whether a model has a step (`"predict_step"`, `"train_step"`, ...) that is not Keras's.

    Example:

    >>> has_own(keras.Sequential([keras.layers.Dense(1)]), "predict_step")
    False
    """
    return getattr(type(model), step, None) is not getattr(keras.Model, step, None)


def predict_outputs(model: Any, x: Any) -> Any:
    """Calls a model on a preprocessed batch as its `predict_step` does.

    Args:
        model: A model or layer.
        x: A batch, preprocessed.
    """
    if isinstance(model, keras.Model) and has_own(model, "predict_step"):
        return model.predict_step((x,))
    return model(x)


def call_inputs(model: Any, x: Any) -> Any:
    """The inputs that `predict` passes to `model.call` for a batch of raw inputs.

    Args:
        model: A built model.
        x: A batch of inputs, as `predict` takes them.

    Returns:
        The inputs of the call, in the structure that `model(...)` takes.

    Raises:
        InputError: A custom `predict_step` does not call the model exactly once.

    Example:

    >>> class Scaled(keras.Sequential):
    ...     def predict_step(self, data):
    ...         return self(data[0] / 255, training=False)
    >>> model = Scaled([keras.Input((1,)), keras.layers.ReLU()])
    >>> round(float(call_inputs(model, np.array([[51.0]]))[0, 0]), 2)
    0.2
    """
    x, _, _ = preprocessed(model, x)
    if not (isinstance(model, keras.Model) and has_own(model, "predict_step")):
        return x
    seen: list[Any] = []
    call, before = model.call, model.__dict__.get("call")

    def seeing(*args: Any, **kwargs: Any) -> Any:
        seen.append(args[0] if args else next(iter(kwargs.values())))
        return call(*args, **kwargs)

    model.__dict__["call"] = seeing
    try:
        model.predict_step((keras.tree.map_structure(keras.ops.convert_to_tensor, x),))
    finally:
        del model.__dict__["call"]
        if before is not None:
            model.__dict__["call"] = before
    if len(seen) != 1:
        raise fail("model", "to call itself once in its own predict_step", f"{model.name}, {len(seen)} calls")
    return seen[0]
