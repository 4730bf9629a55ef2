"""Find out where in a folder the images and their classes lie, without opening a single file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from .dataset import Skipped

PARTS = ("train", "val", "test")
_PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}

# Ends the name of the folder beside a data set into which rejected images are moved: no class
REJECTED = ".rejected"

# What lies among images without meaning to be one. Any other file is opened and judged by content.
_IGNORED_NAMES = {"thumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"}
# fmt: off
_IGNORED_SUFFIXES = {
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml",
    ".ini", ".cfg", ".log", ".html", ".htm", ".py", ".ipynb", ".sh", ".bat", ".pdf", ".doc",
    ".docx", ".xls", ".xlsx", ".zip", ".tar", ".gz", ".md5", ".sha256",
}
_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif"}
# fmt: on
_PAPERWORK = re.compile(r"(licen[cs]e|readme|copying|notice|authors|changelog)([^a-z].*)?")


@dataclass(frozen=True)
class Layout:
    """The image files of a folder, by part and class.

    Parameters
    ----------
    root : Path
    parts : dict
        Part to class to files. The only part is "all" where the folder is not divided; otherwise
        they are some of "train", "val" and "test". Classes and files are in natural order.
    strays : tuple of Skipped
        What cannot be assigned to a class or not be looked into.
    """

    root: Path
    parts: dict[str, dict[str, tuple[Path, ...]]]
    strays: tuple[Skipped, ...]

    @property
    def training_part(self) -> str:
        """The part to learn from: "train", or "all" where the folder is not divided."""
        return "all" if "all" in self.parts else "train"

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the training part."""
        return tuple(self.parts[self.training_part])


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key under which "2" comes before "10", and case decides last."""
    pieces = re.split(r"(\d+)", name)  # text, digits, text, digits, ..., text
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(pieces)], name


def find_images(root: Path | str) -> Layout:
    """Find the images of a folder that has one sub-folder for each class.

    The class folders may also lie in ready "train", "val" (or "validation") and "test" folders.
    Within a class folder, images may lie at any depth. Hidden files, system files, text and folders
    of rejects (``photos.rejected``) are passed over; links are followed, but not in circles.

    Raises
    ------
    DataError
        No such folder, an empty one, images without class folders, two folders for one part.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"There is no folder {root}.")
    if not root.is_dir():
        raise DataError(f"{root} is a file; a folder with one sub-folder for each class is needed.")
    strays: list[Skipped] = []
    folders, files = _entries(root, strays)
    if not folders and not files:
        raise DataError(
            f"The folder {root} holds no images; it needs one sub-folder of images for each class."
        )
    if not folders:
        raise DataError(
            f"The folder {root} holds files ({files[0].name}, for example) but no class folders; "
            "move the images into one sub-folder for each class."
        )
    strays += [
        Skipped(str(file), "it lies beside the class folders, so its class is unknown")
        for file in files
    ]
    parts: dict[str, dict[str, tuple[Path, ...]]] = {}
    if _are_parts(folders):
        for folder in folders:
            part = _PART_NAMES[folder.name.casefold()]
            if part in parts:
                raise DataError(f"{root} has more than one folder for its {part} part; keep one.")
            class_folders, loose = _entries(folder, strays)
            strays += [
                Skipped(str(file), "it lies beside the class folders, so its class is unknown")
                for file in loose
            ]
            parts[part] = _by_class(root, class_folders, strays)
        parts = {part: parts[part] for part in PARTS if part in parts}
    else:
        parts["all"] = _by_class(root, folders, strays)
    return Layout(root, parts, tuple(strays))


def part_of_name(name: str) -> str | None:
    """Return which part people call so: "validation", "valid" and "dev" are "val"."""
    return _PART_NAMES.get(name.strip().casefold())


def _are_parts(folders: list[Path]) -> bool:
    """Tell ready parts from classes that happen to be called train (and plane, and car)."""
    names = {folder.name.casefold() for folder in folders}
    if not names <= _PART_NAMES.keys():
        return False
    training = [folder for folder in folders if _PART_NAMES[folder.name.casefold()] == "train"]
    return any(_entries(folder, [])[0] for folder in training)


def _by_class(
    root: Path, folders: list[Path], strays: list[Skipped]
) -> dict[str, tuple[Path, ...]]:
    return {folder.name: tuple(_walk(folder, _ancestry(root), strays)) for folder in folders}


def _ancestry(root: Path) -> set[Path]:
    real = root.resolve()
    return {real, *real.parents}


def _walk(folder: Path, visited: set[Path], strays: list[Skipped]) -> Iterator[Path]:
    """Yield the files under a folder, entering each real folder once."""
    real = folder.resolve()
    if real in visited:  # a link to somewhere above or to where we have been
        return
    visited.add(real)
    folders, files = _entries(folder, strays)
    yield from files
    for child in folders:
        yield from _walk(child, visited, strays)


def _entries(folder: Path, strays: list[Skipped]) -> tuple[list[Path], list[Path]]:
    """Return a folder's sub-folders and its files, both in natural order, without the ignored."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        strays.append(Skipped(str(folder), f"it cannot be looked into ({error.strerror})"))
        return [], []
    folders = [path for path in entries if path.is_dir() and not is_ignored_folder(path.name)]
    # A link to nothing is no file but is reported; a pipe is neither and would wait for ever.
    files = [path for path in entries if path.is_file() or _leads_nowhere(path)]
    files = [path for path in files if not is_ignored(path.name)]
    return folders, files


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def is_ignored(name: str) -> bool:
    """Tell by its name whether a file is passed over: hidden, of the system, or text."""
    name = name.casefold()
    suffix = Path(name).suffix
    if suffix in _IMAGE_SUFFIXES and not name.startswith("."):
        return False
    return (
        is_ignored_folder(name)
        or suffix in _IGNORED_SUFFIXES
        or _PAPERWORK.fullmatch(name) is not None
    )


def is_ignored_folder(name: str) -> bool:
    """Tell by its name whether a folder is passed over: hidden, of the system, or of rejects.

    Only files are passed over as paperwork: "license plates" and "readme.txt" may be classes.
    """
    name = name.casefold()
    # Hidden things begin with a dot, and so do macOS's AppleDouble files ("._photo.jpg").
    hidden = name.startswith(".") or name.endswith("~")
    return hidden or name.endswith(REJECTED) or name in _IGNORED_NAMES
