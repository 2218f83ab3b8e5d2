"""What a folder of photographs contains, without reading any photograph."""

import collections
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfbn.utils.validation import fail
from tfbn.utils.words import counted

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# Names of folders above the class folders -> the split that they stand for.
SPLITS = dict.fromkeys(("train", "training"), "train")
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
SPLITS |= dict.fromkeys(("test", "testing"), "test")
# Folders and files that operating systems leave behind, never a user's photographs.
_LEFT_BEHIND = {"__macosx", "$recycle.bin", "system volume information", "@eadir"}
_FILES_LEFT_BEHIND = {"thumbs.db", "desktop.ini", "icon\r"}


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
    """The images of a folder by class and, where it has them, by split.

    Attributes:
        folder: The folder that was given.
        class_names: The names of the classes that have images.
        files: Paths of the images, sorted by split, class and name. Strings, since 100,000 of
            them take a tenth of the memory of `Path` objects.
        labels: int64, shape `(n,)`: the class of each file.
        splits: The positions of each split's files: `"train"`, `"validation"`, `"test"`.
            Empty where the folder has class folders only.
        ignored: What is not used, one line each.

    Example:

    >>> for split in ("train", "val"):
    ...     (folder / "pets" / split / "cat").mkdir(parents=True)
    ...     _ = (folder / "pets" / split / "cat" / "1.webp").write_bytes(b"...")
    >>> found = list_folder(folder / "pets")
    >>> found.class_names, {name: len(rows) for name, rows in found.splits.items()}
    (('cat',), {'train': 1, 'validation': 1})
    """

    folder: str
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    splits: dict[str, np.ndarray]
    ignored: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """The number of images of each class, by its name."""
        numbers = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, numbers.tolist(), strict=True))


def list_folder(folder: str | os.PathLike) -> Listing:
    """Lists the images of a folder that has one folder for each class.

    The class folders may be one level down, in folders named train, val (valid, validation) and
    test: these are the splits. If the folder contains only one folder, as an unpacked archive
    does, that one is used. Empty folders, system files (`__MACOSX`, names that begin with a dot)
    and files of other kinds are skipped; `Listing.ignored` names them.

    Args:
        folder: `folder/<class>/<anything>` or `folder/<split>/<class>/<anything>`, with
            the suffix .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif or .tiff, also in folders
            further down.

    Returns:
        The `Listing`.

    Raises:
        InputError: Not a folder, no class folders, or no images in them.

    Example:

    >>> for name in ("cat", "dog", "__MACOSX", "none_yet"):
    ...     (folder / "zoo" / name).mkdir(parents=True)
    >>> for name in ("cat", "dog"):
    ...     _ = (folder / "zoo" / name / "1.jpg").write_bytes(b"...")
    >>> found = list_folder(folder / "zoo")
    >>> found.counts(), found.ignored
    ({'cat': 1, 'dog': 1}, ('__MACOSX: left behind by a system', 'none_yet: empty'))
    """
    root = Path(folder)
    if not root.is_dir():
        raise fail("data_dir", "to be a folder", str(folder))
    notes: list[str] = []
    top = _inside_the_only_one(root)
    folders = _folders(top, notes)
    if not folders:
        raise fail("data_dir", "to be a folder with one folder for each class", str(folder))
    parts = _by_split(folders, notes) or {"": folders}
    found = [
        (split, place.name, file)
        for split, places in parts.items()
        for place in places
        for file in _images(place, top, notes)
    ]
    if not found:
        raise fail("data_dir", f"to hold images ({', '.join(SUFFIXES)})", str(folder))
    classes = sorted({name for _, name, _ in found})
    labels = np.array([classes.index(name) for _, name, _ in found], np.int64)
    splits = {split: np.flatnonzero([each == split for each, _, _ in found]) for split in parts if split}
    splits = {split: rows for split, rows in splits.items() if len(rows)}
    return Listing(
        str(folder), tuple(classes), tuple(file for *_, file in found), labels, splits, tuple(notes)
    )


def _inside_the_only_one(folder: Path) -> Path:
    """The folder itself, or the folder of folders inside it if there is nothing else."""
    inside = _folders(folder, [])
    if len(inside) != 1 or inside[0].name.lower() in SPLITS or not _folders(inside[0], []):
        return folder
    if any(_is_image(path) for path in [*folder.iterdir(), *inside[0].iterdir()]):
        return folder
    return _inside_the_only_one(inside[0])


def _folders(folder: Path, notes: list[str]) -> list[Path]:
    """The folders in a folder without system folders, in alphabetical order."""
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    left = [path.name for path in found if path.name.lower() in _LEFT_BEHIND]
    notes += [f"{name}: left behind by a system" for name in left]
    return [path for path in found if path.name not in left]


def _by_split(folders: list[Path], notes: list[str]) -> dict[str, list[Path]] | None:
    """The class folders of each split, or None if the folders are classes themselves."""
    used = [path for path in folders if any(_walk(path))]
    named = [path for path in used if path.name.lower() in SPLITS]
    if not named or named != used or not any(SPLITS[path.name.lower()] == "train" for path in named):
        return None
    parts: dict[str, list[Path]] = {name: [] for name in ("train", "validation", "test")}
    for path in named:
        inside = _folders(path, notes)
        parts[SPLITS[path.name.lower()]] += inside
        loose = sum(_is_image(each) for each in path.iterdir())
        if loose and SPLITS[path.name.lower()] == "train":
            return None  # pictures right in "train": a class of that name
        if loose:
            notes.append(f"{path.name}: {counted(loose, 'image')} without a class folder")
    notes += [f"{path.name}: empty" for path in folders if path not in used]
    return parts if parts["train"] else None


def _walk(folder: Path) -> Iterator[str]:
    """The files below a folder that are not hidden, without what systems leave behind."""
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name.lower() not in _LEFT_BEHIND
        )
        for name in sorted(files):
            if not name.startswith(".") and name.lower() not in _FILES_LEFT_BEHIND:
                yield f"{path}{os.sep}{name}"


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _images(place: Path, top: Path, notes: list[str]) -> list[str]:
    """The images of a class folder; everything else goes to the notes."""
    files = list(_walk(place))
    suffixes = [Path(path).suffix.lower() for path in files]
    images = [path for path, suffix in zip(files, suffixes, strict=True) if suffix in SUFFIXES]
    name = place.relative_to(top)
    others = collections.Counter(suffix or "no suffix" for suffix in suffixes if suffix not in SUFFIXES)
    if others:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
        notes.append(f"{name}: {kinds}")
    if not images:
        notes.append(f"{name}: no images" if others else f"{name}: empty")
    return images
