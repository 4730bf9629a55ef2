"""Lists of images: CSV and JSON Lines files with a path and one label, or several, to a line."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..layout import natural_key
from .image_files import ImageFiles
from .strings import Strings

TABLE_SUFFIXES = {".csv", ".tsv", ".jsonl", ".ndjson"}

# What lists in circulation call their columns; the first is ours.
PATH_NAMES = ("path", "file", "filename", "file_name", "image")
LABEL_NAMES = ("label", "class")
TAGS_NAMES = ("labels", "tags")


@dataclass(slots=True)
class _Line:
    """One line: where it stands, the file, its labels (None: there is no such column), the rest."""

    number: int
    path: str
    labels: list[str]
    tagged: bool
    rest: dict[str, str]


def read_table(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    separator: str = "|",
    check: bool = True,
) -> ImageFiles:
    r"""Read a list of images and their labels.

    A CSV file has a header line with the columns ``path`` and ``label``, or ``path`` and ``labels``
    for tags; without one, exactly two columns, path and label. ``.tsv`` files have tabs for commas,
    and a header with semicolons and no commas makes semicolons separate. A JSON Lines file has an
    object to a line: ``{"path": "a.jpg", "label": "cat"}``, or ``"labels": ["cat", "indoors"]``.

    Parameters
    ----------
    path : path
        ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, in UTF-8. Paths in it are relative to its
        folder.
    classes : sequence of str, optional
        The classes and their order, for example those of a trained model; by default those that
        occur, in natural order.
    separator : str
        What stands between the labels in a CSV file's ``labels``.
    check : bool
        Look whether each file is there.

    Returns
    -------
    ImageFiles
        Further columns are kept as text in ``columns``.

    Raises
    ------
    DataError
        The list cannot be read; a line without path or label, with a label that is none of
        ``classes`` or a path that leads nowhere. The message names the line.
    """
    path = Path(path)
    paths: list[str] = []  # short-lived: turned into Strings below
    found: list[list[str]] = []
    rest: dict[str, list[str]] = {}
    tagged: bool | None = None
    for line in _lines(path, separator):
        where = f"{path}, line {line.number}"
        if tagged is None:
            tagged, rest = line.tagged, {key: [] for key in line.rest}
        if line.tagged != tagged:
            raise DataError(f"{where}: one label and lists of labels cannot be mixed in one file.")
        paths.append(_located(path, where, line.path, check))
        if classes is not None:
            for label in line.labels:
                if label not in classes:
                    raise DataError(
                        f"{where}: the label {label!r} is none of the known classes "
                        f"({', '.join(classes)})."
                    )
        found.append(line.labels)
        for key, values in rest.items():
            values.append(line.rest.get(key, ""))
    if tagged is None:
        raise DataError(f"{path} lists no images.")
    names = (
        tuple(sorted({label for labels in found for label in labels}, key=natural_key))
        if classes is None
        else tuple(classes)
    )
    numbers = {name: i for i, name in enumerate(names)}
    labels: Any
    if tagged:
        labels = np.zeros((len(found), len(names)), np.bool_)
        for row, tags in zip(labels, found, strict=True):
            row[[numbers[tag] for tag in tags]] = True
    else:
        labels = np.array([numbers[label] for (label,) in found], np.int64)
    return ImageFiles(Strings(paths), labels, names, path.stem, rest)


def _located(table: Path, where: str, name: str, check: bool) -> str:
    if "://" in name:
        raise DataError(f"{where}: {name} is an address, not a file; collect the images first.")
    found = table.parent / name  # which an absolute path ignores the folder of
    if check and not found.is_file():
        what = "is a folder, not an image" if found.is_dir() else "is not there"
        raise DataError(f"{where}: the file {found} {what}.")
    return str(found)


def _lines(path: Path, separator: str) -> Iterator[_Line]:
    read = _csv_lines if path.suffix.lower() in (".csv", ".tsv") else _json_lines
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(f"{path}: a list of images ends in {', '.join(sorted(TABLE_SUFFIXES))}.")
    try:
        yield from read(path, separator)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8 ({error.reason}); save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _csv_lines(path: Path, separator: str) -> Iterator[_Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:  # -sig: Excel's byte order mark
        first = file.readline()
        file.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        if delimiter == "," and "," not in first and ";" in first:  # Excel where 0,5 is a half
            delimiter = ";"
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        try:
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                if header is None:
                    header = _header(path, row)
                    if header is not None:
                        continue
                    header = ["path", "label"]
                if len(row) != len(header):
                    raise DataError(
                        f"{path}, line {rows.line_num}: {len(row)} columns where there should be "
                        f"{len(header)} ({', '.join(header)})."
                    )
                cells = dict(zip(header, row, strict=True))
                yield _line(path, rows.line_num, cells, separator)
        except csv.Error as error:
            raise DataError(f"{path}, line {rows.line_num}: {error}.") from None


def _header(path: Path, row: list[str]) -> list[str] | None:
    """Return the columns' names; None where the first line is an image already."""
    names = [cell.strip().casefold() for cell in row]
    has_path = any(name in PATH_NAMES for name in names)
    has_label = any(name in (*LABEL_NAMES, *TAGS_NAMES) for name in names)
    if has_path and has_label:
        return names
    if len(row) == 2 and not has_path and not has_label:
        return None
    raise DataError(
        f"{path}, line 1: the columns are {', '.join(row)}, but 'path' and 'label' (or 'labels') "
        "are needed."
    )


def _json_lines(path: Path, separator: str) -> Iterator[_Line]:
    with path.open(encoding="utf-8-sig") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not JSON ({error}).") from None
            if not isinstance(value, dict):
                raise DataError(
                    f"{path}, line {number}: an object such as "
                    '{"path": "a.jpg", "label": "cat"} is needed.'
                )
            yield _line(path, number, value, separator)


def _line(path: Path, number: int, cells: dict[str, Any], separator: str) -> _Line:
    """Take path and labels out of a line; what remains is kept as text."""
    rest = dict(cells)
    where = f"{path}, line {number}"
    file = _take(rest, PATH_NAMES)
    if not isinstance(file, str) or not file.strip():
        raise DataError(f"{where}: there is no path.")
    tags = _take(rest, TAGS_NAMES)
    label = _take(rest, LABEL_NAMES) if tags is None else None
    if isinstance(label, list):
        tags, label = label, None
    if tags is not None:
        values = tags.split(separator) if isinstance(tags, str) else tags
        if not isinstance(values, list):
            raise DataError(f"{where}: the labels must be a list, not {values!r}.")
        labels = [_text(where, value) for value in values if value != ""]
    else:
        labels = [_text(where, label)]
        if not labels[0]:
            raise DataError(f"{where}: there is no label.")
    texts = {key: value if isinstance(value, str) else str(value) for key, value in rest.items()}
    return _Line(number, file.strip(), labels, tags is not None, texts)


def _take(cells: dict[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if name in cells:
            return cells.pop(name)
    return None


def _text(where: str, label: Any) -> str:
    if label is None:
        raise DataError(f"{where}: there is no label.")
    if isinstance(label, bool) or not isinstance(label, (str, int)):
        raise DataError(f"{where}: a label is text or a whole number, not {label!r}.")
    return str(label).strip()
