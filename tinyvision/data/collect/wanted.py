"""The list of what is wanted: addresses, each with its class and its licence if known.

====================  ============================================================================
File                  One line
====================  ============================================================================
``.csv``              address, class, licence; quoted where one holds a comma. A first line with
                      the names ``url``, ``label`` (or ``class``) and ``licence`` (or ``license``)
                      allows any order and further columns
``.jsonl``            an object with these names
any other             address, class and licence separated by tabs; or an address, blanks, and all
                      the rest is the class. Empty lines and lines that start with # are skipped
====================  ============================================================================
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from .naming import label_problem

_NAMES = {
    "url": "url",
    "address": "url",
    "label": "label",
    "class": "label",
    "licence": "licence",
    "license": "licence",
}


@dataclass(frozen=True)
class Wanted:
    """One image to get.

    Parameters
    ----------
    url : str
        Its address, and its identity in the manifest; files and members of archives have one, too
        (``file:///photos/cat.jpg``, ``file:///photos.zip#cats/cat.jpg``).
    label : str, optional
        Its class.
    licence : str, optional
        As the list gives it.
    folder : str, optional
        Where it goes within the collection, with slashes; by default its class.
    """

    url: str
    label: str | None = None
    licence: str | None = None
    folder: str | None = None

    @property
    def place(self) -> str:
        """The folder within the collection; empty for the collection itself."""
        return self.folder if self.folder is not None else self.label or ""


def read_list(path: Path) -> list[Wanted]:
    """Read a list of addresses.

    Raises
    ------
    DataError
        It cannot be read, has no addresses, or a class in it cannot be a folder's name; the line is
        named.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is no list of addresses in UTF-8, nor an archive (zip, tar) or a folder."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    read = {".csv": _read_csv, ".jsonl": _read_jsonl}.get(path.suffix.lower(), _read_plain)
    numbered = list(read(path, text))
    if not numbered:
        raise DataError(f"{path} holds no addresses.")
    return checked((f"{path}, line {number}", entry) for number, entry in numbered)


def checked(entries: Iterable[tuple[str, Wanted]]) -> list[Wanted]:
    """Refuse classes that cannot be folders, and two classes for one address; drop repetitions.

    Parameters
    ----------
    entries : iterable of (str, Wanted)
        With where each stands, for the error.
    """
    kept: dict[str, Wanted] = {}
    for where, entry in entries:
        problem = None if entry.label is None else label_problem(entry.label)
        if problem:
            raise DataError(f"{where}: the class {entry.label!r} cannot be a folder: {problem}.")
        first = kept.setdefault(entry.url, entry)
        if first.label != entry.label:
            now, before = (
                "without a class" if label is None else f"of the class {label!r}"
                for label in (entry.label, first.label)
            )
            raise DataError(f"{where}: {entry.url} is {now} here and {before} before; keep one.")
    return list(kept.values())


def _read_plain(path: Path, text: str) -> Iterator[tuple[int, Wanted]]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        columns = line.split("\t") if "\t" in line else line.split(None, 1)
        yield number, _entry(*columns[:3])


def _read_csv(path: Path, text: str) -> Iterator[tuple[int, Wanted]]:
    rows = csv.reader(text.splitlines())
    order = ["url", "label", "licence"]
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            names = [_NAMES.get(cell.strip().lower(), "") for cell in row]
            if rows.line_num == 1 and "url" in names:
                order = names
                continue
            cells = {name: cell for name, cell in zip(order, row, strict=False) if name}
            yield rows.line_num, _entry(**cells)
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}.") from None


def _read_jsonl(path: Path, text: str) -> Iterator[tuple[int, Wanted]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}.") from None
        cells = found.items() if isinstance(found, dict) else ()
        known = {_NAMES[k]: v for k, v in cells if k in _NAMES and v is not None}
        if "url" not in known or not all(isinstance(value, str) for value in known.values()):
            raise DataError(f'{path}, line {number} is no object with a "url" and words.')
        yield number, _entry(**known)


def _entry(url: str = "", label: str = "", licence: str = "") -> Wanted:
    return Wanted(url.strip(), label.strip() or None, licence.strip() or None)
