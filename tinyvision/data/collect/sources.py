"""What is to be collected, whatever form it comes in: a list, a folder, an archive, or Python."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ...errors import DataError
from .archives import is_archive, members
from .local import Found, walk
from .naming import label_problem
from .wanted import Wanted, checked, read_list

Source = Path | str | Iterable[Wanted | str | tuple[str, str]]


def find(
    source: Source, folder: Path, label: str | None, licence: str | None
) -> list[Found] | Iterator[Found]:
    """Find the images that a source speaks of, each with its class.

    Parameters
    ----------
    source, folder, label, licence
        As for :func:`tinyvision.data.collect`.

    Returns
    -------
    list or iterator of Found
        An iterator for an archive, which is read from its beginning to its end.

    Raises
    ------
    DataError
        As :func:`tinyvision.data.collect`.
    """
    if label is not None and (problem := label_problem(label)):
        raise DataError(f"The class {label!r} cannot be a folder: {problem}.")
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        source = [source]
    if not isinstance(source, (str, Path)):
        entries = [_as_wanted(entry) for entry in source]
        named = ((f"address {i}", entry) for i, entry in enumerate(entries, 1))
        return [Found(_completed(entry, label, licence)) for entry in checked(named)]
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"There is no file or folder {path}.")
    if path.is_dir():
        inner, outer = folder.resolve(), path.resolve()
        if inner == outer or inner in outer.parents or outer in inner.parents:
            raise DataError(f"{folder} cannot collect from {path}: one lies in the other.")
        found = walk(path, licence)
        return [replace(f, wanted=_completed(f.wanted, label, licence)) for f in found]
    if is_archive(path):
        inside = members(path, licence)
        return (replace(f, wanted=_completed(f.wanted, label, licence)) for f in inside)
    return [Found(_completed(entry, label, licence)) for entry in read_list(path)]


def _as_wanted(entry: Wanted | str | tuple[str, str]) -> Wanted:
    if isinstance(entry, Wanted):
        return entry
    return Wanted(entry) if isinstance(entry, str) else Wanted(*entry)


def _completed(wanted: Wanted, label: str | None, licence: str | None) -> Wanted:
    """Fill in the class and the licence that it does not have itself."""
    if wanted.licence is None:
        wanted = replace(wanted, licence=licence)
    if wanted.label is None and label is not None:
        folder = f"{wanted.folder}/{label}" if wanted.folder else label
        wanted = replace(wanted, label=label, folder=folder)
    return wanted
