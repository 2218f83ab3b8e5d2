"""Texts for TensorBoard's Text tab."""

import os
import zlib
from pathlib import Path

from tfbn.summary import stock_tabs
from tfbn.summary.event_file import EventFile
from tfbn.utils.validation import fail


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
    if not isinstance(markdown, str):
        raise fail("markdown", "to be text", markdown)
    suffix = f".{zlib.crc32(tag.encode()):08x}.tfbn_text"
    for earlier in Path(log_dir).glob(f"*{suffix}"):
        earlier.unlink()
    events = EventFile(log_dir, suffix)
    events.add(step, stock_tabs.text(tag, markdown))
    events.close()
