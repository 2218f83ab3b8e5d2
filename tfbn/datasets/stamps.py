"""Photographs of animals and plants, cut out, from Debian's package `tuxpaint-stamps-default`.

Not shipped (161 MB, GPL-2): `apt-get install tuxpaint-stamps-default`, or without root
`apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default_*.deb stamps`.
"""

import os
import shutil
from pathlib import Path

from tfbn.utils.files import written_whole
from tfbn.utils.validation import fail

FOLDER = Path("/usr/share/tuxpaint/stamps")
PACKAGE = "tuxpaint-stamps-default"
# Class -> the folders of its pictures, including those below.
CLASSES = {
    "birds": "animals/birds",
    "fish": "animals/fish",
    "flowers": "plants/flowers",
    "fruit": "food/fruit",
    "insects": "animals/insects",
    "mammals": "animals/mammals",
    "vegetables": "food/vegetables",
}
NOT_PHOTOGRAPHS = {"cartoon", "toys", "plastic"}  # folders of drawings and of things made to look alike


def is_package(stamps: str | os.PathLike) -> bool:
    """Whether a folder is the one that the package installs, or that it was unpacked into.

    Its top folders are not classes: they also contain drawings, and "animals" is three classes here.

    Example:

    >>> is_package(folder / "nothing")
    False
    """
    root = _root(stamps)
    return all((root / place).is_dir() for place in CLASSES.values())


def _root(stamps: str | os.PathLike) -> Path:
    inside = Path(stamps) / FOLDER.relative_to("/")
    return inside if inside.is_dir() else Path(stamps)


def photographs(stamps: str | os.PathLike = FOLDER, *, name: str = "stamps") -> dict[str, list[Path]]:
    """The photographs of the package by class, drawings and toys left out.

    Args:
        stamps: The folder that the package installs, `usr/share/tuxpaint/stamps`, or one
            that it was unpacked into.
        name: What the user calls the folder.

    Raises:
        InputError: The package is not there, or a class has no picture.

    Example:

    >>> photographs(folder / "nothing")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `stamps` to be the folder of ... tuxpaint-stamps-default ...
    """
    root, found = _root(stamps), {}
    for label, place in CLASSES.items():
        files = sorted((root / place).rglob("*.png"))
        found[label] = [file for file in files if not NOT_PHOTOGRAPHS & {*file.relative_to(root).parts}]
        if not found[label]:
            expected = f"to be the folder of Debian's {PACKAGE} (apt-get install {PACKAGE}), with {place}"
            raise fail(name, expected, str(stamps))
    return found


def unpack(folder: str | os.PathLike, stamps: str | os.PathLike = FOLDER) -> Path:
    """Copies the photographs into a folder of class folders, for `load_folder` and `--data_dir`.

    Their background is transparent, which `load_folder` makes white.

    Args:
        folder: The folder to create; existing files are kept.
        stamps: See `photographs`.

    Returns:
        The folder.

    Raises:
        InputError: See `photographs`.

    Example:

    >>> unpack(folder / "photographs", folder / "nothing")
    Traceback (most recent call last):
    tfbn.utils.validation.InputError: Expected `stamps` to be the folder of Debian's ...
    """
    folder = Path(folder)
    for name, files in photographs(stamps).items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file in files:
            target = folder / name / file.name
            if not target.exists():
                with written_whole(target) as temporary:
                    shutil.copyfile(file, temporary)
    return folder
