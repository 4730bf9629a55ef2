"""Find the labelled image files of a folder or a list, part by part."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..dataset import Skipped
from ..layout import PARTS, find_images, part_of_name
from .image_files import ImageFiles
from .strings import Strings
from .table import TABLE_SUFFIXES, read_table

PART_COLUMNS = ("split", "part", "subset")


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
    classes = layout.classes
    parts = {}
    for part, by_class in layout.parts.items():
        unknown = [name for name, paths in by_class.items() if paths and name not in classes]
        if unknown:
            raise DataError(
                f"{source}: its {part} part has the class {unknown[0]!r}, which its training part "
                f"lacks ({', '.join(classes)})."
            )
        files = [
            (str(path), classes.index(name)) for name, paths in by_class.items() for path in paths
        ]
        labels = np.array([label for _, label in files], np.int64)
        name = source.resolve().name + ("" if part == "all" else f" {part}")
        parts[part] = ImageFiles(Strings(path for path, _ in files), labels, classes, name)
    return parts, layout.strays


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
        part: files.subset([i for i, at in enumerate(of) if at == part], f"{files.name} {part}")
        for part in PARTS
        if part in of
    }
    if "train" not in found:
        raise DataError(f"{files.name}: none of its images is in the part 'train'.")
    return found
