"""Tensors as TensorBoard keeps them for the BatchNorm tab."""

import json
from typing import Any

import numpy as np

from tfbn.summary import tags


def tensor_value(tag: str, array: np.ndarray) -> Any:
    """A `Summary.Value` that holds an array for the plugin.

    Example:

    >>> tensor_value("tfbn/reference/0000", np.zeros((2, 3), "float32")).metadata.plugin_data.plugin_name
    'tfbn'
    """
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
    from tensorboard.util.tensor_util import make_tensor_proto

    value = Summary.Value(tag=tag, tensor=make_tensor_proto(array))
    value.metadata.plugin_data.plugin_name = tags.PLUGIN
    value.metadata.plugin_data.content = b'{"version": %d}' % tags.VERSION
    value.metadata.data_class = DATA_CLASS_TENSOR
    return value


def json_value(tag: str, content: Any) -> Any:
    """A `Summary.Value` that holds JSON text for the plugin."""
    return tensor_value(tag, np.array(json.dumps(content).encode(), dtype=object))


def summary(*values: Any) -> Any:
    """A `Summary` of these values."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=values)
