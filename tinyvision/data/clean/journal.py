"""The journal of the moves: ``rejected.jsonl`` beside the rejected images.

A move is written down before it is made and its way back after it was made. So whatever lies among
the rejects has its line, wherever a kill struck; a line whose move was not made is told by the file
itself, which is still in its place.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from ..jsonlines import append_whole, load_lines, to_line, utc_now

NAME = "rejected.jsonl"


@dataclass(frozen=True)
class Move:
    """A file that goes aside, or comes back.

    Parameters
    ----------
    action : {"rejected", "restored"}
    source : str
        Its place in the data set, below its root, with slashes.
    target : str
        Its place among the rejects, below their folder, with slashes.
    check, reason : str
        What was found.
    sha256 : str
        Of the file.
    time : str
        In UTC (ISO 8601).
    """

    action: Literal["rejected", "restored"]
    source: str
    target: str
    check: str
    reason: str
    sha256: str
    time: str = ""

    def line(self) -> bytes:
        """Write the move as a line of JSON, in which ``source`` and ``target`` are from and to."""
        known = {_KEYS.get(name, name): value for name, value in asdict(self).items()}
        return to_line(known)

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Read a line; what later versions add is passed over.

        Raises
        ------
        ValueError
            It is no move.
        """
        found = json.loads(line)
        if not isinstance(found, dict) or found.get("action") not in ("rejected", "restored"):
            raise ValueError("its action is neither rejected nor restored")
        try:
            values = {name: str(found[_KEYS.get(name, name)]) for name in _FIELDS}
        except KeyError as error:
            raise ValueError(f"it has no {error.args[0]}") from None
        for name in ("source", "target"):
            if Path(values[name]).is_absolute() or ".." in Path(values[name]).parts:
                raise ValueError(f"{values[name]} leads out of its folder")
        return cls(found["action"], **values)


_KEYS = {"source": "from", "target": "to"}
_FIELDS = ("source", "target", "check", "reason", "sha256", "time")


class Journal:
    """The open journal of a folder of rejects; to be used in its workshop.

    Raises
    ------
    DataError
        A line that cannot be read, other than a torso at the end.
    OSError
        It cannot be opened or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.aside: dict[str, Move] = {}  # by target: those that went and have not come back
        with suppress(FileNotFoundError):
            # a line that was cut short was cut before its move
            advice = "The image it spoke of stays where it is."
            for move in load_lines(self.path, Move.read, advice):
                self._remember(move)
        self._file = self.path.open("ab", buffering=0)

    def append(self, move: Move) -> Move:
        """Write a move down and bring it to the disk; returned with its time."""
        move = Move(**{**vars(move), "time": utc_now()})
        append_whole(self._file, move.line())
        os.fsync(self._file.fileno())
        self._remember(move)
        return move

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _remember(self, move: Move) -> None:
        self.aside.pop(move.target, None)
        if move.action == "rejected":
            self.aside[move.target] = move
