"""The hashed split: each image's part follows from the image alone.

A split drawn at random deals all images anew when some are added, and images once learnt from turn
up in the test part. Here an image's part is a hash of its name or its content, whatever else there
is.
"""

import hashlib
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .shares import checked_shares

KeyBy = Literal["content", "name"]

_BITS = 53  # that a float64 holds exactly


def hashed_split(
    keys: Sequence[Hashable] | NDArray[np.generic], fractions: Sequence[float], seed: int
) -> list[NDArray[np.int64]]:
    """Deal positions out to parts by the hash of their keys.

    Equal keys stay together. So hashes of the content keep exact copies on one side, and the names
    of groups make a grouped split that new images leave as it is.

    Parameters
    ----------
    keys : sequence of N values
        Strings, bytes or numbers; see :func:`file_keys`.
    fractions : sequence of float
        Share of each part, from 0 to 1; their sum is 1. The parts come close to them for many
        images: n images give a part of share p about n p, with the standard deviation
        sqrt(n p (1 - p)).
    seed : int
        Same seed, same split.

    Returns
    -------
    list of ndarray of int64
        For each part its positions in ``keys``, ascending.

    Raises
    ------
    DataError
        Fractions that are no shares of a whole.

    Notes
    -----
    SHA-256 of seed and key gives a number u in [0, 1); the part is that in whose stretch of the
    shares, laid end to end, u falls.
    """
    shares = checked_shares(fractions)
    values = keys.tolist() if isinstance(keys, np.ndarray) else keys
    u = np.array([_unit(key, seed) for key in values], np.float64)
    ends = np.cumsum(shares)
    # the last end is 1 but for rounding, and nothing may fall beyond the last part with a share
    ends[np.flatnonzero(shares)[-1] :] = 1.0
    part_of = np.searchsorted(ends, u, side="right")
    return [np.flatnonzero(part_of == part) for part in range(len(shares))]


def file_keys(
    paths: Sequence[str | Path], by: KeyBy = "content", *, root: str | Path | None = None
) -> list[str]:
    """Return a key for each file that no other file changes.

    Parameters
    ----------
    paths : sequence of path
    by : {"content", "name"}
        SHA-256 of the bytes, which renaming and moving leave alone; or the path, relative to
        ``root`` where that is given, which costs no reading and outlives editing.
    root : path, optional

    Raises
    ------
    DataError
        A file cannot be read; another ``by``.
    """
    if by == "name":
        return [
            (Path(path).relative_to(root) if root is not None else Path(path)).as_posix()
            for path in paths
        ]
    if by != "content":
        raise DataError(f"A file is told by its 'content' or its 'name', not by {by!r}.")
    return [_digest(Path(path)) for path in paths]


def _unit(key: Hashable, seed: int) -> float:
    # bytes as they are, all else as Python writes it: "1" and 1 are one name of a group
    content = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(f"{seed}:".encode() + content).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / float(1 << _BITS)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
