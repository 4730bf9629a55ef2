"""The index of a folder of shards: how much is in each, and what the labels mean."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import DataError
from ..dataset import Skipped
from ..layout import natural_key
from .tar import Fields, image_field, read_samples

INDEX_NAME = "index.json"
FORMAT, VERSION = "tinyvision shards", 1


@dataclass(frozen=True)
class ShardInfo:
    """One shard.

    Parameters
    ----------
    file : str
        Its name, in the folder of the index.
    count : int
        Samples.
    bytes : int
        Size of the file.
    sha256 : str or None
        Its checksum; None where nobody has computed it.
    """

    file: str
    count: int
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Index:
    """All shards of a set.

    Parameters
    ----------
    name : str
        What the set is called in reports.
    classes : tuple of str
        What the numbers in ``.cls`` mean.
    counts : tuple of int
        Images of each class.
    tagging : bool
        An image has any number of labels, by name in its ``.json``, and no ``.cls``.
    shards : tuple of ShardInfo
    skipped : tuple of Skipped
        Images that were left out, and why.
    """

    name: str
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    tagging: bool
    shards: tuple[ShardInfo, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def count(self) -> int:
        """Samples in all shards."""
        return sum(shard.count for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.bytes for shard in self.shards)

    def to_json(self) -> str:
        """Return the text of ``index.json``."""
        facts = {"format": FORMAT, "version": VERSION, "count": self.count, "bytes": self.bytes}
        return json.dumps(facts | asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> "Index":
        """Undo :meth:`to_json`; ``source`` is for the message.

        Raises
        ------
        DataError
            The text is no index, or one of a later version.
        """
        try:
            facts = json.loads(text)
            if facts["format"] != FORMAT:
                raise KeyError("format")
            if facts["version"] > VERSION:
                raise DataError(
                    f"{source} is of version {facts['version']}, and this tinyvision reads up to "
                    f"{VERSION}; update it."
                )
            return cls(
                name=str(facts["name"]),
                classes=tuple(map(str, facts["classes"])),
                counts=tuple(map(int, facts["counts"])),
                tagging=bool(facts["tagging"]),
                shards=tuple(ShardInfo(**shard) for shard in facts["shards"]),
                skipped=tuple(Skipped(**file) for file in facts["skipped"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{source} is no index of shards ({error!r}); pack again.") from None


def read_index(folder: Path) -> Index:
    """Read a folder's index, or count through its shards where it has none.

    Raises
    ------
    DataError
        There are neither index nor shards, or they are damaged.
    """
    path = folder / INDEX_NAME
    try:
        return Index.from_json(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return _counted(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from None


def verify_shards(folder: str | Path) -> Index:
    """Compare every shard with the checksum in the index.

    Returns
    -------
    Index

    Raises
    ------
    DataError
        A shard is missing or has changed since it was packed; the message names it.
    """
    folder = Path(folder)
    index = read_index(folder)
    for shard in index.shards:
        path = folder / shard.file
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
        if shard.sha256 is not None and found != shard.sha256:
            raise DataError(f"{path} has changed since it was packed: its SHA-256 is {found}.")
    return index


def labels_of(fields: Fields, numbers: Mapping[str, int], where: str) -> tuple[int, ...]:
    """Read a sample's labels: its ``.cls``, or by name from its ``.json``.

    Parameters
    ----------
    fields : dict of str to bytes
    numbers : mapping of str to int
        Class name to number.
    where : str
        The sample, for the message.

    Raises
    ------
    DataError
        The sample has no labels, or others than the set.
    """
    if "cls" in fields:
        text = fields["cls"].decode("ascii", "replace").strip()
        if not text.isdecimal() or int(text) >= len(numbers):
            raise DataError(f"{where}: its class is {text!r}, not a number below {len(numbers)}.")
        return (int(text),)
    names = _named(fields, where)
    unknown = [name for name in names if name not in numbers]
    if unknown:
        raise DataError(f"{where}: its label {unknown[0]!r} is none of those of the set.")
    return tuple(numbers[name] for name in names)


def _named(fields: Fields, where: str) -> list[str]:
    try:
        facts = json.loads(fields["json"])
        return [facts["label"]] if "label" in facts else [str(name) for name in facts["labels"]]
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{where} has no label: neither a .cls with the number of its class, nor a .json "
            'with "label" or "labels".'
        ) from None


def _counted(folder: Path) -> Index:
    """Make the index of shards that others wrote, by reading them once."""
    paths = sorted(folder.glob("*.tar"), key=lambda path: natural_key(path.name))
    if not paths:
        raise DataError(f"{folder} holds neither {INDEX_NAME} nor shards (.tar).")
    shards, by_label, tagging = [], dict[str, int](), False
    for path in paths:
        count = 0
        for key, fields in read_samples(path):
            where = f"{path}: {key}"
            if image_field(fields) is None:
                raise DataError(f"{where} has no image, only {', '.join(fields)}.")
            cls = fields.get("cls")
            names = _named(fields, where) if cls is None else [cls.decode("ascii", "replace")]
            tagging |= len(names) != 1
            for name in names:
                by_label[name.strip()] = by_label.get(name.strip(), 0) + 1
            count += 1
        shards.append(ShardInfo(path.name, count, path.stat().st_size, None))
    classes = tuple(sorted(by_label, key=natural_key))
    if classes and all(name.isdecimal() for name in classes):  # classes by number have no gaps
        classes = tuple(str(number) for number in range(int(classes[-1]) + 1))
    counts = tuple(by_label.get(name, 0) for name in classes)
    return Index(folder.resolve().name, classes, counts, tagging, tuple(shards))
