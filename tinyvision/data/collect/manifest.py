"""The manifest: what became of every address, one line of JSON each.

``manifest.jsonl`` is the memory of a collection. A line is appended when an image is in its place
or given up, so a kill loses at most the line being written; the next run cuts off such a torso and
goes on. Of several lines with the same address the last one counts.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from ..jsonlines import append_whole, load_lines, to_line, utc_now

NAME = "manifest.jsonl"
Status = Literal["stored", "duplicate", "refused", "failed"]


@dataclass(frozen=True)
class Record:
    """What became of one address; a line of the manifest, which leaves out what is None.

    Parameters
    ----------
    url : str
    status : {"stored", "duplicate", "refused", "failed"}
        Refused for good, or failed this time: the next run tries again what failed.
    time : str
        When, in UTC (ISO 8601).
    label : str, optional
        The class.
    path : str, optional
        The stored image, within the folder, with slashes.
    sha256, size : str and int, optional
        Of the stored file, in bytes; as ``sha256sum`` and ``ls`` show them.
    height, width : int, optional
        In pixels, upright.
    format : str, optional
        Of the content, such as ``JPEG``.
    licence : str, optional
        As the list gave it.
    http : int, optional
        The last answer's status.
    delivered_by : str, optional
        The address at the end of the redirects.
    reason : str, optional
        Why it is not there.
    same_as, similar_to : str, optional
        A stored image with the same content, or one that looks the same.
    received_sha256 : str, optional
        Of the file as it came, where its location was taken out.
    look : str, optional
        The perceptual hash, in hexadecimal digits.
    under : dict, optional
        The settings it was refused under. Where one of them is another, it is tried again.
    """

    url: str
    status: Status
    time: str = ""
    label: str | None = None
    path: str | None = None
    sha256: str | None = None
    size: int | None = None
    height: int | None = None
    width: int | None = None
    format: str | None = None
    licence: str | None = None
    http: int | None = None
    delivered_by: str | None = None
    reason: str | None = None
    same_as: str | None = None
    similar_to: str | None = None
    received_sha256: str | None = None
    look: str | None = None
    under: Mapping[str, Any] | None = None

    def line(self) -> bytes:
        """Write the record as a line of JSON."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return to_line(known)

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Read a line; fields of later versions are passed over.

        Raises
        ------
        ValueError
            It is no record.
        """
        found = json.loads(line)
        if not isinstance(found, dict) or not isinstance(found.get("url"), str):
            raise ValueError("it has no url")
        if found.get("status") not in get_args(Status):
            raise ValueError("its status is none of " + ", ".join(get_args(Status)))
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in names})


class Manifest:
    """The open manifest of a folder; to be used under one lock by all threads.

    Parameters
    ----------
    path : Path
        It is made where it is missing.

    Raises
    ------
    DataError
        A line that cannot be read, other than a torso at the end.
    OSError
        It cannot be opened or repaired.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = {}  # by address
        with suppress(FileNotFoundError):
            advice = "What it spoke of will be fetched again."
            for record in load_lines(path, Record.read, advice):
                self.records[record.url] = record
        self._file = path.open("ab", buffering=0)

    def append(self, record: Record) -> Record:
        """Write a record down, now; returned with its time.

        Raises
        ------
        OSError
            The disk is full, for example. The manifest then ends where it ended before.
        """
        record = Record(**{**vars(record), "time": utc_now()})
        append_whole(self._file, record.line())
        self.records[record.url] = record
        return record

    def close(self) -> None:
        """Bring the manifest to the disk and close it."""
        with suppress(OSError):  # nothing to be done; each line has been written
            os.fsync(self._file.fileno())
        self._file.close()
