"""Observing layers that run in an inner graph: RNN cells, loops, conditions, `tf.function`.

What is observed inside a TensorFlow loop or condition cannot leave it as a tensor of the graph
around it. The same model run eagerly has no such graphs: loops run in Python. So a function that
observes layers runs traced, and from the first time that it meets an inner graph, eagerly.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras

from tfbn.graph.keras_internals.layers import cells_called_in_steps_only
from tfbn.graph.traversal import NamedLayer, batch_normalizations, named_layers
from tfbn.utils.validation import fail


class InnerGraphError(Exception):
    """A layer runs inside an inner graph, so what it is called with cannot be handed out of it."""


def current_graph() -> Any | None:
    """The TensorFlow graph that is being traced; None when running eagerly and on other backends."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


def check_graph(outer: Any | None, layer: Any) -> None:
    """Raises `InnerGraphError` if what runs now runs in another graph than `outer`, or once for many.

    `tf.vectorized_map` traces its function in the graph around it, for its first element.
    """
    graph = current_graph()
    vectorized = graph is not None and "loop_body" in graph.get_name_scope().split("/")
    if graph is not outer or vectorized:
        raise InnerGraphError(f"layer {layer.name!r}")


@contextlib.contextmanager
def functions_inlined() -> Iterator[None]:
    """While the block runs, each `tf.function` runs its Python code, in the graph around it if there is one.

    So layers in it are observed also where it was traced before, and it keeps no trace
    of having been observed. Nothing to do on other backends.
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def _loops_in_python(model: Any) -> Iterator[None]:
    """While the block runs, JAX runs loops and conditions in Python, as TensorFlow does when eager.

    Recurrent layers call their cells once a step, and not once more for the shapes of outputs.
    """
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.disable_jit())
        for named in named_layers(model):
            if _has_normalized_cell(named):
                stack.enter_context(cells_called_in_steps_only(named.layer))
        yield


def _signs() -> tuple[type[Exception], ...]:
    """Errors that say that code needs to run eagerly to be observed."""
    if keras.backend.backend() == "jax":
        import jax

        return (InnerGraphError, jax.errors.UnexpectedTracerError, jax.errors.ConcretizationTypeError)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # An inlined `tf.function` may need AutoGraph for its own `if` and `for`.
        return (InnerGraphError, tf.errors.OperatorNotAllowedInGraphError)
    return (InnerGraphError,)


class EagerIfNeeded:
    """A function that runs traced, and eagerly from the first time that it meets an inner graph.

    Args:
        model: The model that the function runs.
        traced: The function as it runs fast.
        eager: The same, not traced.

    Attributes:
        is_eager: Whether it has met an inner graph, or is known to: in a recurrent layer.

    Example:

    >>> model = keras.Sequential([keras.layers.ReLU()])
    >>> function = EagerIfNeeded(model, lambda x: x + 1, lambda x: x + 1)
    >>> function(1), function.is_eager
    (2, False)
    """

    def __init__(self, model: Any, traced: Callable, eager: Callable):
        self._model, self._traced, self._eager = model, traced, eager
        self.is_eager = any(map(_has_normalized_cell, named_layers(model)))

    def __call__(self, *args: Any) -> Any:
        if not self.is_eager:
            try:
                return self._traced(*args)
            except _signs():
                self.is_eager = True
        try:
            with functions_inlined(), _loops_in_python(self._model):
                return self._eager(*args)
        except InnerGraphError as error:
            # Keras has wrapped it in another message.
            layer = re.search(r"layer '[^']*'", str(error))
            what = f"to run {layer and layer[0]} where it can be observed, not in tf.vectorized_map"
            raise fail("model", what, self._model.name) from error


def _has_normalized_cell(named: NamedLayer) -> bool:
    return isinstance(named.layer, keras.layers.RNN) and bool(batch_normalizations(named.layer))
