"""Look at one file: hash it, decode it once, and keep a few numbers of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..collect.duplicates import look
from ..images import ImageError, decode, probe
from ..large import room_for
from .blank import plain_levels
from .finding import Finding, Place

_SIDE = 32  # pixels that the perceptual hash needs: JPEGs are decoded no larger than that takes


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of an image that was decoded: its numbers, never its pixels.

    Parameters
    ----------
    place : Place
    size : tuple of int
        Height and width in pixels, upright.
    mode, format : str
        Pillow's pixel format and file format.
    sha256 : str
        Of the file.
    look : int or None
        The perceptual hash; None for a picture of one plain colour.
    plain : tuple of int or None
        Darkest and brightest level, 0 to 255, of a picture that shows nothing; else None.
    linked : bool
        It is reached through a symbolic link.
    """

    place: Place
    size: tuple[int, int]
    mode: str
    format: str
    sha256: str
    look: int | None
    plain: tuple[int, int] | None
    linked: bool


def look_at(place: Place, real_root: Path, root: Path) -> Seen | Finding:
    """Decode an image; a finding says why that was not possible.

    Parameters
    ----------
    place : Place
    real_root : Path
        ``root`` with its links resolved.
    root : Path
        The folder above ``place``.
    """
    sha256 = ""
    try:
        with place.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            info = probe(file)
            file.seek(0)
            with room_for(info.size):
                pixels = decode(file, 3, at_least=(_SIDE, _SIDE))  # (H, W, 3), perhaps reduced
                plain = plain_levels(pixels)
                picture = look(_gray(pixels))
    except ImageError as error:
        if _says_nothing_of_the_content(error.__cause__):
            return Finding("unreadable", "warn", place, error.reason, sha256=sha256)
        return Finding("broken", "reject", place, error.reason, sha256=sha256)
    except FileNotFoundError:
        return Finding("unreadable", "warn", place, "there is no such file")
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or error})"
        return Finding("unreadable", "warn", place, reason)
    linked = place.path.resolve() != real_root / place.path.relative_to(root)
    return Seen(place, info.size, info.mode, info.format, sha256, picture, plain, linked)


def _says_nothing_of_the_content(error: BaseException | None) -> bool:
    """Tell a failing disk and a full memory, which pass, from a file that is no image."""
    failing = isinstance(error, OSError) and error.errno is not None
    return failing or isinstance(error, MemoryError)


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn RGB (H, W, 3) to gray (H, W, 1), to the bit as decoding to gray does."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
