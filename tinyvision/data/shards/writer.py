"""Write samples into shard after shard."""

import hashlib
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ...files import write_atomically
from ..dataset import Skipped
from .index import INDEX_NAME, Index, ShardInfo
from .tar import Fields, add_sample

SHARD_NAME = "sample-{:06d}.tar"


@dataclass(frozen=True)
class Packed:
    """An image ready to be written.

    Parameters
    ----------
    image : bytes
        The file.
    extension : str
        "jpg", "png" ...
    labels : tuple of int
    facts : dict
        What else is known, for the ``.json``.
    """

    image: bytes
    extension: str
    labels: tuple[int, ...]
    facts: dict[str, Any]


class ShardWriter:
    """Writes samples into ``sample-000000.tar``, ``sample-000001.tar`` ... and then the index.

    Parameters
    ----------
    folder : Path
        Is made where it is missing.
    name : str
        What the set is called.
    classes : tuple of str
    tagging : bool
        An image has any number of labels.
    shard_bytes : int
        A shard that has reached it is closed.
    """

    def __init__(
        self, folder: Path, name: str, classes: tuple[str, ...], *, tagging: bool, shard_bytes: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name, self.classes = folder, name, classes
        self.tagging, self.shard_bytes = tagging, shard_bytes
        self.counts = np.zeros(len(classes), np.int64)
        self.shards: list[ShardInfo] = []
        self.skipped: list[Skipped] = []
        self.number = 0  # of the next sample
        self._in_shard = 0
        self._file: BinaryIO | None = None
        self._tar: tarfile.TarFile | None = None

    def add(self, sample: Packed) -> None:
        """Append a sample to the shard at hand, or to a new one."""
        if self._tar is None or self._file is None:
            self._file = (self.folder / self._shard_name()).open("xb")
            self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)
        add_sample(self._tar, f"{self.number:09d}", self._fields(sample))
        self.counts[list(sample.labels)] += 1
        self.number += 1
        self._in_shard += 1
        if self._file.tell() >= self.shard_bytes:
            self._close_shard()

    def finish(self) -> Index:
        """Close the last shard, write the index and return it."""
        self._close_shard()
        index = Index(
            self.name,
            self.classes,
            tuple(self.counts.tolist()),
            self.tagging,
            tuple(self.shards),
            tuple(self.skipped),
        )
        write_atomically(self.folder / INDEX_NAME, index.to_json().encode())
        return index

    def abandon(self) -> None:
        """Close what is open, after an error."""
        if self._file is not None:
            self._file.close()
        self._file = self._tar = None

    def _fields(self, sample: Packed) -> Fields:
        names = [self.classes[label] for label in sample.labels]
        facts = {**sample.facts, **({"labels": names} if self.tagging else {"label": names[0]})}
        fields = {sample.extension: sample.image}
        if not self.tagging:
            fields["cls"] = str(sample.labels[0]).encode()
        fields["json"] = json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace")
        return fields

    def _shard_name(self) -> str:
        return SHARD_NAME.format(len(self.shards))

    def _close_shard(self) -> None:
        if self._tar is None or self._file is None:
            return
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = self._tar = None
        path = self.folder / self._shard_name()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.shards.append(ShardInfo(path.name, self._in_shard, path.stat().st_size, digest))
        self._in_shard = 0
