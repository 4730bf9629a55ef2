"""A file of JSON lines that remembers: it grows line by line, and a kill costs at most the last."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DataError

R = TypeVar("R")


def to_line(values: Mapping[str, Any]) -> bytes:
    """Write an object as a line; what is no Unicode becomes an escape that JSON reads back."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def append_whole(file: FileIO, line: bytes) -> None:
    """Append a line to an unbuffered file, whole or not at all.

    Raises
    ------
    OSError
        The disk is full, for example. The file then ends where it ended before.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        while line:
            line = line[file.write(line) :]
    except BaseException:
        with suppress(OSError):
            file.truncate(size)
        raise


def load_lines(path: Path, read: Callable[[bytes], R], advice: str) -> list[R]:
    """Read a file's lines, and cut off what a killed write has left behind them.

    Parameters
    ----------
    path : Path
    read : callable
        Turns a line into what it stands for, or raises ValueError or TypeError.
    advice : str
        What it means to repair or delete a line that cannot be read; a sentence.

    Raises
    ------
    DataError
        A line that cannot be read.
    OSError
        The file cannot be read, or not be mended.
    """
    content = path.read_bytes()
    *whole, torso = content.split(b"\n")
    lines = []
    for number, line in enumerate(whole, 1):
        if not line.strip():
            continue
        try:
            lines.append(read(line))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {number} cannot be read ({error}); repair or delete the line. "
                f"{advice}"
            ) from None
    if torso:
        try:
            lines.append(read(torso))
        except (ValueError, TypeError):  # killed in the middle of a line
            os.truncate(path, len(content) - len(torso))
        else:  # an editor that ends the file without a line break
            with path.open("ab") as file:
                file.write(b"\n")
    return lines


def utc_now() -> str:
    """Return the time as ``2026-01-31T23:59:59Z`` (ISO 8601)."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
