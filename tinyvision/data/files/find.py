"""Find the labelled image files of a folder or a list, part by part."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..dataset import Skipped
from ..layout import PARTS, Layout, find_images, part_of_name
from .image_files import ImageFiles
from .strings import Strings
from .table import TABLE_SUFFIXES, read_table

PART_COLUMNS = ("split", "part", "subset")
_TITLES = {"all": "", "train": " train", "val": " validation", "test": " test"}


def find_files(
    source: str | Path, *, check: bool = True
) -> tuple[dict[str, ImageFiles], tuple[Skipped, ...]]:
    """Find the images of a folder of class folders, or of a CSV or JSON Lines list.

    Parameters
    ----------
    source : path
        As :func:`~tinyvision.data.layout.find_images` and
        :func:`~tinyvision.data.files.table.read_table` take it.
    check : bool
        Look whether each file of a list is there.

    Returns
    -------
    parts : dict of str to ImageFiles
        "train", "val" and "test" as far as the folder has them, or as the list's column ``split``
        says; otherwise "all".
    skipped : tuple of Skipped
        Files of a folder that belong to no class.

    Raises
    ------
    DataError
        There is nothing to find, or a line of the list is wrong.
    """
    source = Path(source)
    if source.suffix.lower() in TABLE_SUFFIXES and not source.is_dir():
        return _divided(read_table(source, check=check)), ()
    layout = find_images(source)
    return files_of(layout, layout.classes), layout.strays


def files_of(layout: Layout, classes: tuple[str, ...]) -> dict[str, ImageFiles]:
    """Return the files of a folder's parts, labelled by their positions in ``classes``.

    Raises
    ------
    DataError
        A file whose class is none of them.
    """
    parts = {}
    for part, by_class in layout.parts.items():
        for name, paths in by_class.items():
            if paths and name not in classes:
                raise DataError(
                    f"{paths[0]} is of the class {name!r}, which is none of the known classes "
                    f"({', '.join(classes)})."
                )
        counts = [len(paths) for paths in by_class.values()]
        numbers = [classes.index(name) if paths else 0 for name, paths in by_class.items()]
        parts[part] = ImageFiles(
            Strings(str(path) for paths in by_class.values() for path in paths),
            np.repeat(np.array(numbers, np.int64), counts),
            classes,
            layout.root.resolve().name + _TITLES[part],
        )
    return parts


def _divided(files: ImageFiles) -> dict[str, ImageFiles]:
    """Divide a list by its column of parts, where it has one."""
    column = next((files.columns[name] for name in PART_COLUMNS if name in files.columns), None)
    if column is None:
        return {"all": files}
    of = [part_of_name(name) for name in column]
    if None in of:
        raise DataError(
            f"{files.name}: {column[of.index(None)]!r} is no part; write train, val or test."
        )
    found = {
        part: files.subset([i for i, at in enumerate(of) if at == part], files.name + _TITLES[part])
        for part in PARTS
        if part in of
    }
    if "train" not in found:
        raise DataError(f"{files.name}: none of its images is in the part 'train'.")
    return found
