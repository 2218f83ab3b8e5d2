"""The hyperparameters of each run, from TensorBoard's HParams tab."""

from typing import Any

from tensorboard.plugins.hparams import error as hparams_error
from tensorboard.plugins.hparams import metadata

from tfbn.tensorboard_plugin.descriptions import shortened
from tfbn.tensorboard_plugin.reading import Reader


def by_run(reader: Reader) -> dict[str, dict[str, str]]:
    """Names and values, as text, of each run that has any; damaged ones count as none."""
    contents = reader.plugin_contents(metadata.PLUGIN_NAME, metadata.SESSION_START_INFO_TAG)
    return {run: found for run, content in contents.items() if (found := _of_run(content))}


def _of_run(content: bytes) -> dict[str, str]:
    from google.protobuf.message import DecodeError

    try:
        info = metadata.parse_session_start_info_plugin_data(content)
    except (DecodeError, hparams_error.HParamsError):
        return {}  # of another writer or version: not the subject of this tab
    return {name: shortened(_text(value)) for name, value in sorted(info.hparams.items())}


def _text(value: Any) -> str:
    kind = value.WhichOneof("kind")
    if kind is None:
        return ""
    content = getattr(value, kind)
    return f"{content:g}" if kind == "number_value" else str(content)
