"""Load what lies on this machine: a folder of images, a list of them, arrays, shards."""

from pathlib import Path

from ..errors import DataError
from .dataset import Splits
from .decoding import Form
from .files import find_files
from .files.table import TABLE_SUFFIXES
from .folder import divide_folder
from .npz import read_npz
from .reading import read
from .resize import Fit, bring_to
from .shards import Shards, find_shards
from .split.division import Division
from .threads import Progress

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
    division: Division,
    cache: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """Load images from a folder, a list (CSV, JSON Lines), a .npz file or a folder of shards.

    Parameters
    ----------
    path : path
    size : (H, W), optional
        By default that of the arrays, and 64 x 64 for files.
    division : Division
        How the images are split.
    channels, fit, cache, progress
        As for :func:`tinyvision.data.load`.

    Raises
    ------
    DataError
        The data cannot be used as they are.
    """
    if path.suffix.lower() == ".npz" and not path.is_dir():
        division.refuse_without_files(str(path), "its images are arrays without names")
        if cache:
            raise DataError(f"{path} holds decoded images already, which need no cache.")
        arrays = read_npz(path)
        return division({part: bring_to(of, size, channels, fit) for part, of in arrays.items()})
    form = Form(size or FOLDER_SIZE, channels or 3, fit)
    source = path if cache else None
    shards = find_shards(path)
    if shards:
        division.refuse_without_files(str(path), "its shards keep no names to go by")
        stored = {part: Shards(at) for part, at in shards.items()}
        reading = read(stored, form, cache=source, progress=progress)
        return division(reading.parts, reading.skipped)
    if not is_file_of_images(path) or path.is_dir():
        return divide_folder(path, form, division, cache=cache, progress=progress)
    files, _ = find_files(path)
    training = "all" if "all" in files else "train"
    reading = read(files, form, cache=source, progress=progress)
    return division(
        reading.parts,
        reading.skipped,
        files=files[training].subset(reading.rows[training]),
        root=path.parent,
    )
