"""The header of decoded images: what they were made of, and what was left out."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import PIL
from PIL import features

from ..dataset import Skipped
from ..decoding import Form, Stored

FORMAT, VERSION = "tinyvision decoded images", 1

# To be raised whenever decoding or resizing gives other bytes: what older versions have decoded is
# then decoded again.
RECIPE = 1


@dataclass(frozen=True)
class Header:
    """What is known of a file of decoded images.

    Parameters
    ----------
    source : str
        The folder, list or folder of shards that was decoded.
    fingerprint : str
        Of its files and of how they were decoded; see :func:`fingerprint_of`.
    count : int
        Images in the file.
    labels : tuple of int or None
        Of these, where only decoding tells them.
    skipped : tuple of (int, Skipped)
        Images that could not be decoded, by their positions in the source; their paths without
        :func:`above_files`.
    bytes, mtime_ns : int
        Length and time of the file: what has been cut short or written to since is not believed.
    """

    source: str
    fingerprint: str
    count: int
    labels: tuple[int, ...] | None
    skipped: tuple[tuple[int, Skipped], ...]
    bytes: int
    mtime_ns: int

    def to_json(self) -> str:
        """Return the text of the header."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> "Header | None":
        """Undo :meth:`to_json`; None where there is no header, or one that cannot be read."""
        try:
            facts = json.loads(path.read_bytes())
            if (facts.pop("format"), facts.pop("version")) != (FORMAT, VERSION):
                return None
            labels = facts.pop("labels")
            skipped = tuple((int(at), Skipped(**file)) for at, file in facts.pop("skipped"))
            return cls(
                labels=None if labels is None else tuple(map(int, labels)), skipped=skipped, **facts
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def fits(self, file: os.stat_result) -> bool:
        """Tell whether the images are as they were written."""
        return (self.bytes, self.mtime_ns) == (file.st_size, file.st_mtime_ns)


def stem_of(source: Path, form: Form) -> str:
    """Name the files of a source, decoded to a form."""
    (H, W), C = form.size, form.channels
    path = os.fsencode(source.resolve())
    digest = hashlib.sha256(b"%s\0%d %d %d %s" % (path, H, W, C, form.fit.encode())).hexdigest()
    name = re.sub(r"[^\w.-]+", "_", source.resolve().name, flags=re.ASCII)[:60]
    return f"{name}-{H}x{W}x{C}-{form.fit}-{digest[:8]}"


def above_files(source: Path) -> str:
    """Return how the paths of a source's files begin: its folder, or a list's."""
    folder = source if source.is_dir() else source.parent
    return "" if folder == Path() else os.path.join(folder, "")  # noqa: PTH118, with its last slash


def fingerprint_of(parts: Mapping[str, Stored], source: Path) -> str:
    """Return a checksum that changes with the source's files, and with what decodes them.

    A file is told by its path, length and time, as make and rsync do: reading all of them would
    take as long as decoding them. Paths count from the source on, however its own is written: from
    another working directory, or through a symbolic link, the files are the same.
    """
    above = above_files(source)
    jpeg = features.version_feature("libjpeg_turbo")
    digest = hashlib.sha256(f"{RECIPE} {PIL.__version__} {jpeg}\n".encode())
    for stored in parts.values():
        for stamp in stored.stamps():
            digest.update(stamp.removeprefix(above).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()
