"""What lies in the cache of decoded images, and how to clear it."""

import re
from dataclasses import dataclass
from pathlib import Path

from .header import Header
from .keep import decoded_folder

# stem_of() and an ending: nothing else is removed, and all that a killed process may have left
_OURS = re.compile(
    r"\.?[\w.-]+-\d+x\d+x[13]-[a-z]+-[0-9a-f]{8}\.(npy|json|lock|\w+\.part|json\.\w+)"
)


@dataclass(frozen=True)
class Kept:
    """A set whose decoded images are kept.

    Parameters
    ----------
    path : Path
        The file of images.
    source : str
        What was decoded.
    count : int
        Images.
    bytes : int
        Length of the file.
    """

    path: Path
    source: str
    count: int
    bytes: int


def kept_decoded() -> list[Kept]:
    """List the decoded images that are kept, by their names."""
    found = []
    for path in sorted(decoded_folder().glob("*.json")):
        images, header = path.with_suffix(".npy"), Header.read(path)
        if header is not None and images.is_file():
            found.append(Kept(images, header.source, header.count, images.stat().st_size))
    return found


def clear_decoded() -> int:
    """Remove all decoded images; return how many bytes they took.

    Nothing is lost: they are decoded again when they are asked for.

    Raises
    ------
    OSError
        A file cannot be removed.
    """
    freed = 0
    for path in sorted(decoded_folder().glob("*")):
        if _OURS.fullmatch(path.name) and path.is_file():
            freed += path.stat().st_size
            path.unlink(missing_ok=True)
    return freed
