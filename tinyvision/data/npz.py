"""Arrays of images in NumPy's .npz files, as many sets are handed around."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .dataset import Dataset
from .layout import natural_key

IMAGE_NAMES = ("images", "x", "data")
LABEL_NAMES = ("labels", "y", "targets")
PARTS = ("train", "val", "test")


def read_npz(path: str | Path) -> dict[str, Dataset]:
    """Read images and labels from a .npz file.

    Parameters
    ----------
    path : path
        Holds ``images`` and ``labels`` (or ``x`` and ``y``), uint8 of shape (N, H, W) or
        (N, H, W, C) and whole numbers of shape (N,) or (N, 1); the same for each part in files
        with ``x_train``, ``y_train``, ``x_test`` ... or ``train_images``, ``train_labels`` ...
        Class names may stand in ``classes``; otherwise they are the numbers.

    Returns
    -------
    dict of str to Dataset
        The parts "train", "val" and "test" that there are, or "all".

    Raises
    ------
    DataError
        The file cannot be read, or its arrays are others.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:  # opened here: NumPy leaves a damaged file open
            loaded = np.load(raw)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is a single array; a .npz of images and labels is needed.")
            return _parts(path, {name.casefold(): name for name in loaded.files}, loaded)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # a ValueError is also what NumPy says to arrays of Python objects, which could run code
        raise DataError(f"{path} cannot be read ({str(error).rstrip('.')}).") from None


def _parts(path: Path, names: dict[str, str], file: Any) -> dict[str, Dataset]:
    found = {}
    for part in ("all", *PARTS):
        images, labels = (_find(names, part, kinds) for kinds in (IMAGE_NAMES, LABEL_NAMES))
        if images is not None and labels is not None:
            found[part] = (file[images], file[labels])
    if len(found) > 1:
        found.pop("all", None)
    if not found:
        raise DataError(
            f"{path} holds {', '.join(names.values()) or 'nothing'}, but 'images' and 'labels' "
            "(or 'x' and 'y', or both with '_train' and '_test') are needed."
        )
    classes = _classes(file[names["classes"]] if "classes" in names else None, found)
    title = path.stem
    return {
        part: _dataset(f"{title} {part}" if part != "all" else title, images, labels, classes)
        for part, (images, labels) in found.items()
    }


def _find(names: dict[str, str], part: str, kinds: tuple[str, ...]) -> str | None:
    for kind in kinds:
        for name in (kind,) if part == "all" else (f"{kind}_{part}", f"{part}_{kind}"):
            if name in names:
                return names[name]
    return None


def _classes(given: Any, parts: dict[str, tuple[Any, Any]]) -> tuple[str, ...]:
    if given is not None:
        return tuple(str(name) for name in given.ravel())
    highest = [labels.max() for _, labels in parts.values() if labels.size]
    numbers = range(int(max(highest, default=-1)) + 1)
    return tuple(sorted(map(str, numbers), key=natural_key))


def _dataset(name: str, images: Any, labels: Any, classes: tuple[str, ...]) -> Dataset:
    if images.ndim == 3:
        images = images[..., None]  # (N, H, W) to (N, H, W, 1)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]  # (N, 1) to (N,)
    if labels.dtype.kind not in "iu":
        raise DataError(f"{name}: labels must be whole numbers, got {labels.dtype}.")
    return Dataset(images, labels.astype(np.int64), classes, name)
