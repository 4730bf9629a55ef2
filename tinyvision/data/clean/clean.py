"""Move rejected images aside."""

import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ..dataset import Skipped
from ..survey import Finding, Survey
from ..threads import Progress
from .journal import Journal, Move
from .moving import digest, is_moved, move
from .place import held, rejected_folder


@dataclass(frozen=True)
class Cleaned:
    """What became of the rejects.

    Parameters
    ----------
    folder : Path
        Of the rejected images.
    moved : tuple of Move
        What was moved, or in a dry run what would be.
    left : tuple of Skipped
        What stayed in its place all the same, and why.
    """

    folder: Path
    moved: tuple[Move, ...]
    left: tuple[Skipped, ...]


def clean(
    found: Survey,
    to: Path | str | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Cleaned:
    """Move the rejects of a survey to a folder beside the data set; nothing is deleted.

    A reject ``photos/train/cat/a.jpg`` goes to ``photos.rejected/duplicate/train/cat/a.jpg``, and
    ``photos.rejected/rejected.jsonl`` gets a line about it. What has changed since the survey, or
    is reached through a symbolic link, stays. Stopped in the middle, another survey and another
    call do the rest; :func:`~tinyvision.data.clean.restore` brings all back.

    Parameters
    ----------
    found : Survey
    to : path, optional
        The folder for the rejects, outside the data set; one for each data set.
    dry_run : bool
        Only say what would be moved.
    progress : callable, optional
        Called after each file with the files done and the files in all.

    Raises
    ------
    DataError
        The survey is not of a folder; the folder for the rejects lies in the data set; its journal
        is damaged; a file cannot be moved. What was moved before that is written down.
    """
    if found.kind != "folder":
        raise DataError(
            f"{found.root} is no folder of class folders, and only there images can be moved aside."
        )
    root, folder = Path(found.root), rejected_folder(found.root, to)
    if dry_run:
        plan = [_plan(finding, root, folder, None) for finding in found.rejects]
        return Cleaned(folder, *_sorted_out(plan))
    if not found.rejects:
        return Cleaned(folder, (), ())
    done: list[Move | Skipped] = []
    try:
        with held(folder):
            journal = Journal(folder)
            try:
                for number, finding in enumerate(found.rejects, 1):
                    done.append(_reject(finding, root, folder, journal))
                    if progress is not None:
                        progress(number, len(found.rejects))
            finally:
                journal.close()
    except OSError as error:
        moved = len(_sorted_out(done)[0])
        raise DataError(
            f"Rejected images cannot be moved to {folder}: {_reason(error)}. "
            f"{moved:,} of {len(found.rejects):,} were moved before, and nothing is lost; that "
            "mended, the same command does the rest."
        ) from error
    return Cleaned(folder, *_sorted_out(done))


def _reject(finding: Finding, root: Path, folder: Path, journal: Journal) -> Move | Skipped:
    planned = _plan(finding, root, folder, journal)
    if isinstance(planned, Skipped):
        return planned
    source, target = root / planned.source, folder / planned.target
    if planned.target in journal.aside and is_moved(source, target):
        source.unlink()  # a killed run had copied it, whole, to another disk
        return journal.aside[planned.target]
    written = journal.append(planned)
    try:
        move(source, target)
    except FileNotFoundError:
        if source.exists():
            raise
        return Skipped(str(source), "it is no longer there")
    return written


def _plan(finding: Finding, root: Path, folder: Path, journal: Journal | None) -> Move | Skipped:
    """Say where a file is to go; a Skipped says why it stays."""
    path = finding.place.path
    inside = path.relative_to(root)
    if path.resolve() != root.resolve() / inside:
        return Skipped(str(path), "it is reached through a link; what it leads to stays")
    try:
        if digest(path) != finding.sha256:
            return Skipped(str(path), "it has changed since it was looked at")
    except FileNotFoundError:
        return Skipped(str(path), "it is no longer there")
    except OSError as error:
        return Skipped(str(path), f"it cannot be read ({error.strerror})")
    if finding.other is not None and not _is_still(finding.other.path, finding.sha256):
        return Skipped(str(path), f"{finding.other.path}, its other copy, is no longer there")
    target = _free(Path(finding.check, inside), folder, path, journal)
    return Move(
        "rejected", inside.as_posix(), target.as_posix(), finding.check, finding.reason,
        finding.sha256,
    )  # fmt: skip


def _free(inside: Path, folder: Path, source: Path, journal: Journal | None) -> Path:
    """Return a name that no file has among the rejects, numbered where it must be."""
    target, number = inside, 1
    while os.path.lexists(folder / target):
        begun = journal is not None and target.as_posix() in journal.aside
        if begun and is_moved(source, folder / target):
            break
        number += 1
        target = inside.with_name(f"{inside.stem} ({number}){inside.suffix}")
    return target


def _is_still(path: Path, sha256: str) -> bool:
    try:
        return digest(path) == sha256
    except OSError:
        return False


def _sorted_out(
    done: list[Move | Skipped],
) -> tuple[tuple[Move, ...], tuple[Skipped, ...]]:
    moved = tuple(item for item in done if isinstance(item, Move))
    return moved, tuple(item for item in done if isinstance(item, Skipped))


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text
