"""Reads back what was written, with TensorBoard's own reader."""

from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def points(events, tag):
    return [(event.step, make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]


def tags(events, plugin):
    return sorted(events.PluginTagToContent(plugin)) if plugin in events.ActivePlugins() else []
