"""The collection on disk: a folder, its manifest, and the one door through which images enter.

An image grows under ``.collecting/``, which programs that read images pass over. It is checked
there, brought to the disk, and only then gets its name, in one step; after that the manifest gets
its line. Killed in between, the next run fetches the image again and gives it the same name, since
the name follows from the content.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from ...errors import DataError
from ...files import flush_folder
from ..lock import exclusive
from .checks import Checked
from .duplicates import Known
from .manifest import NAME, Manifest, Record
from .naming import file_name
from .outcome import StoppedError
from .wanted import Wanted

WORKSHOP = ".collecting"


class Store:
    """The open collection; :func:`open_store` makes it.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    drop_similar : bool
        Whether an image that looks like a stored one counts as a duplicate.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, drop_similar: bool) -> None:
        self.folder = folder
        self._manifest = manifest
        self._known = Known(manifest.records.values())
        self._drop_similar = drop_similar
        self._door = threading.Lock()
        self._closed = False

    def known(self, url: str) -> Record | None:
        """Return what the manifest last said of an address."""
        return self._manifest.records.get(url)

    def temporary(self) -> Path:
        """Return a new name in the workshop."""
        return self.folder / WORKSHOP / secrets.token_hex(8)

    def enter(self, record: Record) -> Record:
        """Write down what became of an address that brought no image."""
        with self._open_door():
            return self._manifest.append(record)

    def admit(self, wanted: Wanted, record: Record, image: Checked, temporary: Path) -> Record:
        """Give an image its place, or write down that it is there already.

        Parameters
        ----------
        wanted : Wanted
        record : Record
            What is known of it so far.
        image : Checked
        temporary : Path
            The file as it arrived; it is gone afterwards, or will be when the run ends.
        """
        name = file_name(wanted.url, image.sha256, image.format)
        path = f"{wanted.place}/{name}" if wanted.place else name
        record = replace(
            record,
            size=len(image.content),
            sha256=image.sha256,
            received_sha256=None
            if image.received_sha256 == image.sha256
            else image.received_sha256,
            height=image.size[0],
            width=image.size[1],
            format=image.format,
            look=None if image.look is None else f"{image.look:016x}",
        )
        _to_disk(temporary, image)  # slow, so before the door
        with self._open_door():
            if same := self._known.same(image.sha256, image.received_sha256):
                reason = f"is the same file as {same.path}{_elsewhere(same, wanted)}"
                return self._manifest.append(
                    replace(record, status="duplicate", reason=reason, same_as=same.path)
                )
            similar = self._known.similar(image.look)
            if similar and self._drop_similar:
                reason = f"looks like {similar.path}{_elsewhere(similar, wanted)}"
                return self._manifest.append(
                    replace(
                        record,
                        status="duplicate",
                        reason=reason,
                        similar_to=similar.path,
                        under={"drop_similar": True},
                    )
                )
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)
            flush_folder(target.parent)
            record = self._manifest.append(
                replace(
                    record, status="stored", path=path, similar_to=similar.path if similar else None
                )
            )
            self._known.add(record)
            return record

    def close(self) -> None:
        """Close the door: whoever comes later gets StoppedError."""
        with self._door:
            self._closed = True
            self._manifest.close()

    @contextmanager
    def _open_door(self) -> Iterator[None]:
        with self._door:
            if self._closed:
                raise StoppedError
            yield

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def open_store(folder: Path, *, drop_similar: bool = False) -> Iterator[Store]:
    """Open a collection, new or begun; wait while another process collects into it.

    Raises
    ------
    DataError
        A file stands in the way, or the manifest is damaged.
    OSError
        It cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; a collection needs a folder.")
    workshop = folder / WORKSHOP
    workshop.mkdir(parents=True, exist_ok=True)
    with exclusive(workshop / "lock"):
        _sweep(workshop)  # what a killed run left
        try:
            with Store(folder, Manifest(folder / NAME), drop_similar=drop_similar) as store:
                yield store
        finally:
            _sweep(workshop)


def _sweep(workshop: Path) -> None:
    for path in workshop.iterdir():
        if path.name != "lock":
            with suppress(OSError):
                path.unlink()


def _to_disk(temporary: Path, image: Checked) -> None:
    """Make the file what is to be stored, and have the disk hold it."""
    if image.sha256 != image.received_sha256:
        temporary.write_bytes(image.content)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())


def _elsewhere(there: Record, wanted: Wanted) -> str:
    """Remark on a class that differs: one of the two must be wrong."""
    if there.label == wanted.label:
        return ""
    return f", which is of the class {there.label!r}, not {wanted.label!r}"
