"""What every BatchNormalization of a model does in `fit`, by path."""

import dataclasses
from typing import Any

from tfbn.graph.traversal import built_batch_normalizations
from tfbn.layers import BatchNormalization
from tfbn.layers.modes import Mode, of_layer


def modes(model: Any) -> dict[str, Mode]:
    """The mode of every BatchNormalization layer in `fit`.

    A layer's own `training` flag decides. If a layer has none, the model is audited
    (`tfbn.audit`), which also sees flags at call sites.

    Args:
        model: A built Keras model or layer.

    Returns:
        `{path: tfbn.layers.modes.Mode}`, in the model's order.

    Raises:
        ValueError: The model has no BatchNormalization layer, or is not built.

    Example:

    >>> bn = tfbn.BatchNormalization(training=True, trainable=False, name="bn")
    >>> print(modes(keras.Sequential([keras.Input((2,)), bn]))["bn"])
    batch statistics, updating, gamma and beta frozen
    """
    named_layers = built_batch_normalizations(model)
    if not all(_decides(named.layer) for named in named_layers):
        from tfbn.auditing.audit import audit

        return {row.path: row.fit for row in audit(model).rows}
    trained = {id(variable) for variable in model.trainable_variables}
    return {named.path: _mode(named.layer, trained) for named in named_layers}


def _decides(layer: Any) -> bool:
    return isinstance(layer, BatchNormalization) and layer.training is not None


def _mode(layer: Any, trained: set[int]) -> Mode:
    mode = of_layer(layer)
    trains = any(id(v) in trained for v in (layer.gamma, layer.beta) if v is not None)
    return dataclasses.replace(mode, trains=trains)
