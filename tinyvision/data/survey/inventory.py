"""What there is to look through: the images of a folder, a list, shards or arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Literal

from ...errors import DataError
from ..dataset import Dataset, Skipped
from ..files import find_files
from ..files.table import TABLE_SUFFIXES
from ..folder import class_problems
from ..layout import Layout, find_images
from ..npz import read_npz
from ..shards import find_shards
from ..shards.index import labels_of, read_index
from ..shards.shrink import encoded
from ..shards.tar import Span, image_field, locate_samples
from .finding import Place

Kind = Literal["folder", "list", "shards", "arrays"]
Opened = BufferedReader | BytesIO  # a binary file, on the disk or in memory
Counts = Mapping[str, Mapping[str, int]]  # part to class to number of usable images


@dataclass(frozen=True)
class Inventory:
    """Images that lie somewhere, none of them opened yet.

    Parameters
    ----------
    kind : {"folder", "list", "shards", "arrays"}
    classes : dict of str to tuple of str
        Part to the names of its classes.
    places : sequence of Place
        In the order in which they are loaded. What is no file of its own, in a shard or an array,
        has a path all the same: that of what it lies in, and its name or number there.
    open : callable
        Opens the image at a place's path.
    problems : callable
        Says what stops a training, given the usable images of each part and class.
    strays : tuple of Skipped
        What belongs to no class.
    linked : callable
        Tells whether a path leads through a symbolic link.
    """

    kind: Kind
    classes: dict[str, tuple[str, ...]]
    places: Sequence[Place]
    open: Callable[[Path], Opened]
    problems: Callable[[Counts], list[str]]
    strays: tuple[Skipped, ...] = ()
    linked: Callable[[Path], bool] = lambda path: False


def take_inventory(root: Path) -> Inventory:
    """List the images of a folder, a list, shards or arrays.

    Raises
    ------
    DataError
        There are none to be found, or they have any number of labels.
    """
    if root.suffix.lower() in TABLE_SUFFIXES and not root.is_dir():
        return _of_list(root)
    if root.suffix.lower() == ".npz" and not root.is_dir():
        return _of_arrays(root)
    shards = find_shards(root)
    return _of_shards(root, shards) if shards else _of_folder(root)


def _of_folder(root: Path) -> Inventory:
    layout = find_images(root)
    real = layout.root.resolve()

    def problems(counts: Counts) -> list[str]:
        training = counts[layout.training_part]
        return [*class_problems(layout, training, min_per_class=2), *_unlearnt(layout)]

    return Inventory(
        kind="folder",
        classes={part: tuple(by_class) for part, by_class in layout.parts.items()},
        places=[
            Place(path, part, name)
            for part, by_class in layout.parts.items()
            for name, paths in by_class.items()
            for path in paths
        ],
        open=_open_file,
        problems=problems,
        strays=layout.strays,
        linked=lambda path: path.resolve() != real / path.relative_to(layout.root),
    )


def _of_list(root: Path) -> Inventory:
    parts, _ = find_files(root, check=False)  # a file that is not there is a finding
    for files in parts.values():
        _refuse_tags(root, tagging=files.tagging)
    return Inventory(
        kind="list",
        classes={part: files.classes for part, files in parts.items()},
        places=[
            Place(Path(path), part, files.classes[label])
            for part, files in parts.items()
            for path, label in zip(files.paths, files.labels.tolist(), strict=True)
        ],
        open=_open_file,
        problems=lambda counts: _class_problems(root, counts),
    )


def _of_shards(root: Path, parts: Mapping[str, Path]) -> Inventory:
    classes: dict[str, tuple[str, ...]] = {}
    places: list[Place] = []
    spans: dict[Path, tuple[Path, Span]] = {}
    for part, folder in parts.items():
        index = read_index(folder)
        _refuse_tags(root, tagging=index.tagging)
        classes[part] = index.classes
        numbers = {name: i for i, name in enumerate(index.classes)}
        for shard in index.shards:
            path = folder / shard.file
            for key, (fields, images) in locate_samples(path):
                where = f"{path}: {key}"
                extension = image_field(images)
                if extension is None:
                    raise DataError(f"{where} has no image, only {', '.join(fields)}.")
                (label,) = labels_of(fields, numbers, where)
                place = Place(path / f"{key}.{extension}", part, index.classes[label])
                places.append(place)
                spans[place.path] = path, images[extension]

    def content(path: Path) -> Opened:
        shard, span = spans[path]
        with shard.open("rb") as file:
            file.seek(span.start)
            return BytesIO(file.read(span.size))

    return Inventory(
        kind="shards",
        classes=classes,
        places=places,
        open=content,
        problems=lambda counts: _class_problems(root, counts),
    )


def _of_arrays(root: Path) -> Inventory:
    parts = read_npz(root)
    places: list[Place] = []
    rows: dict[Path, tuple[Dataset, int]] = {}
    for part, data in parts.items():
        if data.image_shape[2] not in (1, 3):
            raise DataError(
                f"{root}: images of {data.image_shape[2]} channels cannot be looked at; they need "
                "1 (gray) or 3 (RGB)."
            )
        for i, label in enumerate(data.labels.tolist()):
            path = root / str(i) if part == "all" else root / part / str(i)
            place = Place(path, part, data.classes[label])
            places.append(place)
            rows[place.path] = data, i

    def content(path: Path) -> Opened:
        data, i = rows[path]
        return BytesIO(encoded(data.images[i]))  # as PNG: equal pixels make equal bytes

    return Inventory(
        kind="arrays",
        classes={part: data.classes for part, data in parts.items()},
        places=places,
        open=content,
        problems=lambda counts: _class_problems(root, counts),
    )


def _open_file(path: Path) -> Opened:
    return path.open("rb")


def _refuse_tags(root: Path, *, tagging: bool) -> None:
    if tagging:
        raise DataError(
            f"{root}: its images have any number of labels, and a survey compares images of one "
            "label each; give each image one."
        )


def _class_problems(root: Path, counts: Counts) -> list[str]:
    """Say which classes of a list, shards or arrays cannot be learnt."""
    training = counts["all" if "all" in counts else "train"]
    problems = []
    if len(training) < 2:
        problems.append(
            f"{root} has one class, {', '.join(map(repr, training))}, and telling classes apart "
            "takes at least two."
        )
    for name, count in training.items():
        if count < 2:
            usable = f"{count or 'no'} usable image{'' if count == 1 else 's'}"
            problems.append(
                f"{root}: class {name!r} has {usable} to train on, and at least 2 are needed; add "
                "images or leave the class out."
            )
    return problems


def _unlearnt(layout: Layout) -> list[str]:
    """Say which classes there is nothing to learn of, though they are to be tested."""
    return [
        f"{layout.root}: its {part} part has the class {name!r}, which its training part lacks; "
        "add images there or remove the folder."
        for part, by_class in layout.parts.items()
        for name, paths in by_class.items()
        if paths and name not in layout.classes
    ]
