"""Images that are here already: a folder or an archive, brought in like those from the web."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from ...errors import DataError
from ..answers import RefusedError
from ..layout import is_ignored, is_ignored_folder
from .naming import label_problem
from .outcome import DAMAGED, BombError, FailedError, TooLargeError
from .wanted import Wanted

PIECE = 1 << 20  # bytes
_PARTS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


@dataclass(frozen=True)
class Found:
    """An image on its way, from the web if nothing else is said.

    Parameters
    ----------
    wanted : Wanted
    file : Path, optional
        The file of a folder.
    open : callable, optional
        Opens the member of an archive, until the next one is asked for.
    arrived : Path, optional
        Where it lies already, to be taken from there.
    problem : RefusedError or FailedError, optional
        Why it is given up unseen: a link, a device, a name that leads outside.
    """

    wanted: Wanted
    file: Path | None = None
    open: Callable[[], BinaryIO] | None = None
    arrived: Path | None = None
    problem: Exception | None = None


def walk(root: Path, licence: str | None) -> list[Found]:
    """List the images of a folder, without following links to folders.

    Hidden files, system files and text are passed over, as by
    :func:`tinyvision.data.layout.find_images`.

    Raises
    ------
    DataError
        It holds no files.
    """
    paths: list[PurePosixPath] = []
    closed: list[Found] = []

    def cannot_look(error: OSError) -> None:
        problem = FailedError(f"cannot be looked into: {error.strerror}")
        closed.append(Found(Wanted(Path(error.filename).absolute().as_uri()), problem=problem))

    for folder, folders, names in os.walk(root, onerror=cannot_look):
        folders[:] = sorted(name for name in folders if not is_ignored_folder(name))
        here = PurePosixPath(Path(folder).relative_to(root).as_posix())
        paths += [here / name for name in sorted(names) if not is_ignored(name)]
    if not paths and not closed:
        raise DataError(f"The folder {root} holds no images.")
    found = closed
    for path, (place, problem) in zip(paths, places(paths), strict=True):
        file = root / path
        if not file.is_file():  # a pipe would wait for ever
            problem = "is a link that leads nowhere, a pipe or a device"
        wanted = Wanted(file.absolute().as_uri(), label_of(place), licence, place)
        found.append(Found(wanted, file, problem=RefusedError(problem) if problem else None))
    return found


def places(paths: list[PurePosixPath]) -> Iterator[tuple[str, str | None]]:
    """Tell for each path of a folder or an archive where it goes, and what is wrong with it.

    The first folder is the class, whatever lies below. A single folder around everything, as in
    most archives, is looked through; ready "train", "val" and "test" folders are kept.

    Yields
    ------
    folder : str
        Within the collection, with slashes; empty for files outside all folders.
    problem : str or None
    """
    folders = [path.parts[:-1] for path in paths]
    level = 0  # folders around everything
    while (
        len(tops := {parts[level : level + 1] for parts in folders}) == 1
        and tops != {()}
        and any(len(parts) > level + 1 for parts in folders)
        and not _are_parts(tops)
    ):
        level += 1
    depth = level + (2 if _are_parts({parts[level : level + 1] for parts in folders}) else 1)
    for parts in folders:
        kept = parts[level:depth]
        problems = (problem for name in kept if (problem := label_problem(name)))
        problem = next(problems, None)
        why = f"lies in a folder {'/'.join(kept)!r} that cannot be a class: {problem}"
        yield ("", why) if problem else ("/".join(kept), None)


def label_of(folder: str) -> str | None:
    """Return the class that a folder of the collection stands for."""
    name = folder.rpartition("/")[2]
    return name if name and not (folder == name and name.casefold() in _PARTS) else None


def member_url(archive: Path, name: str) -> str:
    """Give a member of an archive an address of its own."""
    return f"{archive.absolute().as_uri()}#{quote(name, errors='surrogateescape')}"


def copy(open: Callable[[], BinaryIO], target: Path, max_bytes: int) -> None:
    """Copy a stream to a file, but not more than so many bytes.

    Raises
    ------
    TooLargeError, RefusedError
        More bytes, or damaged ones.
    FailedError
        It cannot be read.
    BombError
        The archive it comes from is one.
    OSError
        The target cannot be written.
    """
    done = 0
    with target.open("wb") as file, ExitStack() as stack:
        source = None
        while True:
            try:
                if source is None:
                    source = stack.enter_context(open())
                piece = source.read(PIECE)
            except BombError:
                raise
            except OSError as error:
                raise FailedError(f"cannot be read: {error.strerror or error}") from None
            except DAMAGED as error:
                raise RefusedError(f"is damaged in the archive: {error}") from None
            if not piece:
                return
            done += len(piece)
            if done > max_bytes:
                raise TooLargeError(f"has more than {max_bytes:,} bytes")
            file.write(piece)


def _are_parts(tops: set[tuple[str, ...]]) -> bool:
    return () not in tops and {name.casefold() for (name,) in tops} <= _PARTS
