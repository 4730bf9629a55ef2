"""Load what lies on this machine: a folder of images, a list of them, arrays, shards."""

from pathlib import Path

from .dataset import Skipped, Splits
from .files import find_files
from .files.table import TABLE_SUFFIXES
from .folder import Progress, load_folder
from .npz import read_npz
from .resize import Fit, bring_to
from .shards import Shards, find_shards
from .split.parts import completed

FOLDER_SIZE = (64, 64)  # photos differ in size, so one has to be chosen


def is_class_folder(path: Path) -> bool:
    """Tell a folder with one sub-folder for each class from files and shards."""
    return not is_file_of_images(path) and not find_shards(path)


def is_file_of_images(path: Path) -> bool:
    """Tell whether a path names a file that :func:`load_local` reads, there or not."""
    return path.suffix.lower() in (*TABLE_SUFFIXES, ".npz")


def load_local(
    path: Path,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    *,
    seed: int = 0,
    val: float = 0.1,
    test: float = 0.2,
    progress: Progress | None = None,
) -> Splits:
    """Load images from a folder, a list (CSV, JSON Lines), a .npz file or a folder of shards.

    Parameters
    ----------
    path : path
    size : (H, W), optional
        By default that of the arrays, and 64 x 64 for files.
    channels, fit, seed, val, test, progress
        As for :func:`tinyvision.data.load`.

    Raises
    ------
    DataError
        The data cannot be used as they are.
    """
    if path.suffix.lower() == ".npz" and not path.is_dir():
        arrays = read_npz(path)
        parts = {part: bring_to(data, size, channels, fit) for part, data in arrays.items()}
        return completed(parts, val, test, seed)
    size, channels = size or FOLDER_SIZE, channels or 3
    shards = find_shards(path)
    if shards:
        read = {
            part: Shards(at).in_memory(size, channels, fit, progress=progress)
            for part, at in shards.items()
        }
        broken = tuple(file for _, skipped in read.values() for file in skipped)
        return completed({part: data for part, (data, _) in read.items()}, val, test, seed, broken)
    if not is_file_of_images(path) or path.is_dir():
        return load_folder(
            path, size, channels, fit, seed=seed, val=val, test=test, progress=progress
        )
    parts, skipped = {}, list[Skipped]()
    for part, files in find_files(path)[0].items():
        parts[part], _, broken = files.in_memory(size, channels, fit, progress=progress)
        skipped += broken
    return completed(parts, val, test, seed, tuple(skipped))
