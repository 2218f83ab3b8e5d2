"""Writing for TensorBoard: what `tfbn.DriftRecorder` writes, from a training loop of one's own.

`writer` makes a `Writer` for one run: drift, mismatch, performance in both modes, channels.
`hparams` and `text` write what a study knows of a run when it has ended.
"""

import os
import zlib
from pathlib import Path

from tfbn.summary.channels import channel_values
from tfbn.summary.hyperparameters import hparams
from tfbn.summary.layer_modes import modes
from tfbn.summary.writing import Writer, writer

__all__ = ["Writer", "channel_values", "hparams", "modes", "text", "writer"]


def text(log_dir: str | os.PathLike, tag: str, markdown: str, step: int = 0) -> None:
    """Writes a text for TensorBoard's Text tab; an earlier text of the same tag is replaced.

    Args:
        log_dir: The run's folder.
        tag: Its name.
        markdown: The text.
        step: Its step.

    Example:

    >>> tfbn.summary.text(folder, "verdict", "* training=False is better by 0.1")
    >>> len(list(folder.glob("*.tfbn_text")))
    1
    """
    from tfbn.summary.event_file import EventFile
    from tfbn.summary.stock_tabs import text as text_summary

    suffix = f".{zlib.crc32(tag.encode()):08x}.tfbn_text"
    for earlier in Path(log_dir).glob(f"*{suffix}"):
        earlier.unlink()
    events = EventFile(log_dir, suffix)
    events.add(step, text_summary(tag, markdown))
    events.close()
