"""Bring rejected images back to where they lay."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...errors import DataError
from ..dataset import Skipped
from ..threads import Progress
from .clean import Cleaned
from .journal import NAME, Journal, Move
from .moving import is_moved, move, unfinished
from .place import clear_away, held, rejected_folder


def restore(
    root: Path | str, to: Path | str | None = None, *, progress: Progress | None = None
) -> Cleaned:
    """Move all rejected images of a data set back; nothing is overwritten.

    When all are back the journal goes too, and the folder, unless something else is in it.

    Parameters
    ----------
    root : path
        The data set.
    to : path, optional
        The folder of its rejects, where it is not ``photos.rejected`` beside ``photos``.
    progress : callable, optional
        Called after each file with the files done and the files in all.

    Returns
    -------
    Cleaned
        In ``moved`` what came back, in ``left`` what could not.

    Raises
    ------
    DataError
        There is nothing to bring back; the journal is damaged; a file cannot be moved.
    """
    root, folder = Path(root), rejected_folder(root, to)
    if not (folder / NAME).exists():
        raise DataError(f"There is nothing to bring back: {folder} has no {NAME}.")
    moved: list[Move] = []
    left: list[Skipped] = []
    try:
        with held(folder):
            journal = Journal(folder)
            try:
                aside = list(journal.aside.values())
                for number, entry in enumerate(reversed(aside), 1):
                    outcome = _bring_back(entry, root, folder, journal)
                    if isinstance(outcome, Move):
                        moved.append(outcome)
                    elif outcome is not None:
                        left.append(outcome)
                    if progress is not None:
                        progress(number, len(aside))
            finally:
                journal.close()
            if not left:
                clear_away(folder, NAME)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise DataError(
            f"Rejected images cannot be moved back to {root}: {where}{error.strerror or error}. "
            f"{len(moved):,} were moved before, and nothing is lost; that mended, the same "
            "command does the rest."
        ) from error
    return Cleaned(folder, tuple(moved), tuple(left))


def _bring_back(entry: Move, root: Path, folder: Path, journal: Journal) -> Move | Skipped | None:
    """Move one back; None where it never went, or came back already."""
    here, there = folder / entry.target, root / entry.source
    unfinished(here).unlink(missing_ok=True)  # of a copy that was killed; the original is there
    if not os.path.lexists(here):
        _remove_empty(here.parent, folder)
        if os.path.lexists(there):
            return None
        return Skipped(str(here), "it is no longer there")
    if os.path.lexists(there):
        if not is_moved(here, there):
            return Skipped(str(here), f"there is another file at {there}")
        here.unlink()  # a killed run had copied it back, whole, from another disk
    else:
        move(here, there)
    _remove_empty(here.parent, folder)
    return journal.append(replace(entry, action="restored"))


def _remove_empty(folder: Path, end: Path) -> None:
    """Remove the folders that a file has left empty, up to ``end``."""
    with suppress(OSError):  # rmdir refuses what is not empty
        while folder != end:
            folder.rmdir()
            folder = folder.parent
