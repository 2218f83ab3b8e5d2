"""An overview before a run starts: images, their classes and sizes, the pixel range."""

import functools
from typing import Any

from tfbn.datasets.pictures import classes_of, sizes_of
from tfbn.models.first_layer import mismatch_in_first_layer

from . import networks
from .data import positions
from .pools import listing, pool

LOOKED_AT = 64  # images to check the first layer with


@functools.cache
def say(*texts: str) -> None:
    """Prints texts, each once per process."""
    print("\n".join(filter(None, texts)), flush=True)


def of_pixels(config: Any) -> str:
    """A line about the pixel range of a network that is not tfbn's; "" for tfbn's own.

    Raises:
        InputError: No range is given, and it cannot be derived from the file's layers.
    """
    if networks.is_file(config.model) or networks.is_application(config.model):
        return f"Pixels fed to {config.model}: {networks.pixels_fed(config)}"
    return ""


def of_images(config: Any) -> str:
    """Describes the contents of a folder and its splits; reads the first bytes of some files."""
    if not config.data_dir:
        return ""
    source = config.target
    found, inside = pool(source), listing(source.folder)
    train, test = positions(source, found, config.train_images, config.test_images, seed=0)
    how = "its own split" if found.splits else "drawn separately for each seed"
    lines = [
        f"Images in {config.data_dir}: {found.size:,} in {classes_of(inside)}",
        f"Sizes: {sizes_of(inside.files)}; fed as {' x '.join(map(str, source.shape))}",
        f"{len(train):,} to train on, {len(test):,} to test on ({how})",
    ]
    if len(found.splits) > 2:
        lines.append("Not used: the images in the validation folder, since there is a test folder")
    lines += [f"Skipped: {'; '.join(inside.ignored)}"] if inside.ignored else []
    return "\n".join(lines)


def of_first_layer(config: Any, network: Any, images: Any) -> str:
    """A warning if the inputs of the first BatchNormalization are very far from its statistics."""
    found = mismatch_in_first_layer(network, images[:LOOKED_AT])
    if not found:
        return ""
    fed = networks.pixels_fed(config)
    return f"Warning: {found}. Is the range of pixels right? Fed: {fed}; see --pixels."
