"""Shows what every BatchNormalization of a model will do in `fit` and in `evaluate`, in advance."""

import dataclasses
import re
from typing import Any

import keras

from tfbn.auditing.advice import advice
from tfbn.auditing.coded_text import CodedText
from tfbn.auditing.rules import Facts, facts_of, layer_warnings, model_warnings
from tfbn.auditing.table import Audit, Row
from tfbn.graph.symbolic_calls import Call, received
from tfbn.graph.traversal import NamedLayer, built_batch_normalizations, named_layers
from tfbn.layers import BatchNormalization, modes
from tfbn.utils.validation import check_at_least

_NOT_OBSERVED = "the model could not be run on symbolic inputs, so flags at call sites are not seen"
# Layers other than BatchNormalization that behave differently in training.
_RANDOM: tuple[str, ...] = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
_RANDOM += ("GaussianNoise", "GaussianDropout", "AlphaDropout")


def audit(model: Any, batch_size: int | None = None, steps: int | None = None) -> Audit:
    """Shows what every BatchNormalization of a model will do, with warnings.

    The model runs on symbolic inputs as `fit` and `evaluate` would run it, and the calls of each
    layer are recorded. So the answer is what the installed Keras actually does, including flags at
    call sites and in the code of subclassed models, for stock, converted and tfbn layers. The
    model does not change.

    It warns about: a `training=` at a call site that this Keras overrides, or that leaks;
    batch statistics in `evaluate`; flags changed since the train step was traced;
    statistics still at (0, 1); a bias just before (it has no effect while the batch
    normalizes); too few values per channel for batch statistics to mean anything; dead
    channels; statistics, gamma or beta that are NaN, infinite, negative (the variance) or
    too large for float16; what a saved model will lose; averaged weights (`use_ema`),
    which need statistics of their own. Averages that a callback swaps in (`SwapEMAWeights`)
    cannot be seen in the model: recalibrate after those, too.

    Args:
        model: Any built Keras model or layer.
        batch_size: For the warning about few values per channel, and for the advice.
        steps: Training steps, for the advice: how far the moving statistics will have moved
            after them, `1 - momentum**steps` of the way, and what to try.

    Returns:
        An `Audit`: print it, or use `to_frame()` and `warnings`.

    Raises:
        ValueError: The model has no BatchNormalization layer or is not built.

    Example:

    >>> inputs = keras.Input((3,))
    >>> x = keras.layers.BatchNormalization(name="bn")(inputs, training=False)
    >>> found = tfbn.audit(keras.Model(inputs, x))
    >>> print(found.rows[0].evaluate)
    moving statistics, held, gamma and beta frozen
    >>> any("call site" in warning for warning in found.warnings)
    True
    """
    if batch_size is not None:
        check_at_least("batch_size", batch_size, 1)
    if steps is not None:
        check_at_least("steps", steps, 1)
    norms = built_batch_normalizations(model)
    random = [named for named in named_layers(model) if type(named.layer).__name__ in _RANDOM]
    fit, evaluate, problem = _calls(model, [*norms, *random])
    everything = facts_of(model, [*norms, *random], fit, evaluate, batch_size)
    trained = {id(variable) for variable in model.trainable_variables}
    rows = tuple(_row(facts, trained) for facts in everything[: len(norms)])
    general = (*problem, *model_warnings(model, everything))
    asked = batch_size is not None or steps is not None
    said = tuple(advice(everything[: len(norms)], rows, steps)) if asked else ()
    return Audit(model.name, rows, general, observed=not problem, advice=said)


def _row(facts: Facts, trained: set[int]) -> Row:
    layer = facts.layer
    return Row(
        facts.named.path,
        _kind(layer),
        layer.moving_mean.shape[0],
        _mode(layer, facts.fit, trained, default=True),
        _mode(layer, facts.evaluate, trained, default=False),
        tuple(layer_warnings(facts)),
    )


def _calls(
    model: Any, watched: list[NamedLayer]
) -> tuple[dict[int, list[Call]], dict[int, list[Call]], list[CodedText]]:
    layers = [named.layer for named in watched]
    try:
        return received(model, layers, training=True), received(model, layers, training=False), []
    except Exception as error:  # whatever a subclassed model's own code raises
        reason = _reason(error)
        return (
            {},
            {},
            [CodedText("not-observed", f"{_NOT_OBSERVED}: {reason}")],
        )


def _reason(error: Exception) -> str:
    """The most informative line of an error: Keras puts a line of its own, with colors, before it."""
    text = str(error).rpartition("Error encountered:")[2]  # what Keras puts before says less
    lines = [re.sub(r"\x1b\[\d+m", "", line).strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith("Exception encountered")]
    return telling[0] if telling else type(error).__name__


def _mode(layer: Any, calls: list[Call], trained: set[int], default: bool) -> modes.Mode:
    """The mode of the layer's first call; without a call, the mode that its flags give."""
    training_call = bool(calls[0].training) if calls else default
    mode = modes.of_layer(layer, training_call)
    trains = default and any(id(v) in trained for v in (layer.gamma, layer.beta) if v is not None)
    return dataclasses.replace(mode, trains=trains)


def _kind(layer: Any) -> str:
    if isinstance(layer, BatchNormalization):
        return "tfbn"
    return "stock" if type(layer) is keras.layers.BatchNormalization else type(layer).__name__
