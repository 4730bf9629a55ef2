"""Read a folder of images, one sub-folder for each class, at one size."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DataError
from .dataset import Dataset, Skipped, Splits
from .decoding import Form
from .files.find import files_of
from .layout import Layout, find_images
from .reading import read
from .resize import Fit
from .split.division import Division
from .threads import Progress


def read_folder(
    root: Path | str,
    size: tuple[int, int] = (64, 64),
    channels: int = 3,
    fit: Fit = "crop",
    *,
    classes: Sequence[str] | None = None,
    min_per_class: int = 2,
    cache: bool = False,
    progress: Progress | None = None,
) -> tuple[Dataset, tuple[Skipped, ...]]:
    """Read a folder with one sub-folder for each class.

    Only the resized images are held in memory, or with ``cache`` none of them. Files that cannot be
    decoded are left out and listed; which files are passed over in silence is told at
    :func:`tinyvision.data.layout.find_images`.

    Parameters
    ----------
    root : path
    size : tuple of int
        Height and width in pixels of the images in memory.
    channels : {1, 3}
        Gray or RGB.
    fit : {"crop", "stretch", "pad"}
        How other proportions are brought to ``size``; see :func:`tinyvision.data.resize.resize`.
    classes : sequence of str, optional
        The classes and their order, for example those of a trained model; some of their folders
        may then be missing. By default the sub-folders in natural order.
    min_per_class : int
        The fewest usable images a class may have. The default is what a split takes.
    cache : bool
        Keep the decoded images on disk; see :mod:`tinyvision.data.decoded`.
    progress : callable, optional
        Called after each file with the files done and the files in all.

    Returns
    -------
    dataset : Dataset
    skipped : tuple of Skipped

    Raises
    ------
    DataError
        No such folder, an empty one, images without class folders, fewer than two classes, a class
        with too few usable images, a sub-folder that is none of ``classes``.
    """
    layout = find_images(root)
    if "all" not in layout.parts:
        raise DataError(
            f"{root} is divided into {' and '.join(layout.parts)} folders; load it with "
            "load_folder, or read one of them alone."
        )
    names = layout.classes if classes is None else tuple(classes)
    reading = read(
        files_of(layout, names),
        Form(size, channels, fit),
        cache=layout.root if cache else None,
        progress=progress,
    )
    _refuse_problems(layout, reading.parts["all"], min_per_class)
    return reading.parts["all"], layout.strays + reading.skipped


def load_folder(
    root: Path | str,
    size: tuple[int, int] = (64, 64),
    channels: int = 3,
    fit: Fit = "crop",
    *,
    seed: int = 0,
    val: float = 0.1,
    test: float = 0.2,
    progress: Progress | None = None,
) -> Splits:
    """Read a folder of images and split it, or take the split that it comes with.

    A folder with ready "train", "val" and "test" folders keeps them; a part it lacks, or that has
    no usable images in class folders, is split off its training part.

    Parameters
    ----------
    root, size, channels, fit, progress
        As for :func:`read_folder`.
    seed : int
        Of the split.
    val, test : float
        Shares of the images to split off.

    Raises
    ------
    DataError
        As :func:`read_folder` and :func:`tinyvision.data.split.split`; a validation or test part
        with a class that the training part lacks.
    """
    return divide_folder(
        root, Form(size, channels, fit), Division(seed, val, test), progress=progress
    )


def divide_folder(
    root: Path | str,
    form: Form,
    division: Division,
    *,
    cache: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """Read a folder of images and divide it; see :func:`load_folder`."""
    layout = find_images(root)
    files, training = files_of(layout, layout.classes), layout.training_part
    reading = read(files, form, cache=layout.root if cache else None, progress=progress)
    _refuse_problems(layout, reading.parts[training], min_per_class=2)
    return division(
        reading.parts,
        layout.strays + reading.skipped,
        files=files[training].subset(reading.rows[training]),
        root=layout.root,
    )


def class_problems(layout: Layout, counts: Mapping[str, int], min_per_class: int) -> list[str]:
    """Say what about the classes stands in the way of training, a sentence each.

    Parameters
    ----------
    layout : Layout
    counts : mapping of str to int
        Usable images of each class in the training part.
    min_per_class : int
        The fewest images that a class with a folder may have.
    """
    root, files = layout.root, layout.parts[layout.training_part]
    problems = []
    if len(counts) < 2:
        problems.append(_too_few_classes(root, list(counts)))
    for name, count in counts.items():
        if name not in files or count >= min_per_class:
            continue
        if count == 0:
            whys = {0: "its folder is empty", 1: "its only file cannot be read"}
            found = len(files[name])
            why = whys.get(found, f"none of its {found} files can be read")
            problems.append(
                f"{root}: class {name!r} has no usable images, since {why}; "
                "add images or remove the folder."
            )
        else:
            problems.append(
                f"{root}: class {name!r} has {count} usable image{'s' if count > 1 else ''}, and "
                f"at least {min_per_class} are needed; add images or remove the folder."
            )
    return problems


def _refuse_problems(layout: Layout, train: Dataset, min_per_class: int) -> None:
    counts = dict(zip(train.classes, train.counts().tolist(), strict=True))
    problems = class_problems(layout, counts, min_per_class)
    if problems:
        raise DataError(problems[0])


def _too_few_classes(root: Path, names: Sequence[str]) -> str:
    if not names:
        return f"{root} has no class folders; it needs at least two."
    only = root / names[0]
    text = f"{root} has one class, {names[0]!r}, and telling classes apart takes at least two"
    if only.is_dir() and sum(path.is_dir() for path in only.iterdir()) > 1:
        return f"{text}; did you mean {only}?"
    return f"{text}; add a sub-folder for each further class."
