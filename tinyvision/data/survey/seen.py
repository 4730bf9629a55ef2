"""Look at one file: hash it, decode it once, and keep a few numbers of it."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..collect.duplicates import look
from ..images import ImageError, decode, probe
from ..large import room_for
from ..resize import load_image
from .blank import plain_levels
from .finding import Finding, Place
from .inventory import Inventory
from .judge import Judge

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


def look_at(
    place: Place, inventory: Inventory, judge: Judge | None = None
) -> tuple[Seen | Finding, NDArray[np.uint8] | None]:
    """Read an image once, decode it, and for a judge once more at the size that it takes.

    Parameters
    ----------
    place : Place
    inventory : Inventory
        That the place is of.
    judge : Judge, optional

    Returns
    -------
    seen : Seen or Finding
        A finding says why the image cannot be decoded.
    picture : ndarray of uint8, shape (H, W, C), or None
        The image as the judge takes it.
    """
    sha256, picture = "", None
    try:
        with inventory.open(place.path) as file:
            content = file.read()
        sha256 = hashlib.sha256(content).hexdigest()
        info = probe(content)
        with room_for(info.size):
            pixels = decode(content, 3, at_least=(_SIDE, _SIDE))  # (H, W, 3), perhaps reduced
            plain, hashed = plain_levels(pixels), look(_gray(pixels))
            if judge is not None:
                picture = load_image(content, judge.size, judge.channels, judge.fit)
    except ImageError as error:
        if _says_nothing_of_the_content(error.__cause__):
            return Finding("unreadable", "warn", place, error.reason, sha256=sha256), None
        return Finding("broken", "reject", place, error.reason, sha256=sha256), None
    except FileNotFoundError:
        return Finding("unreadable", "warn", place, "there is no such file"), None
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or error})"
        return Finding("unreadable", "warn", place, reason), None
    linked = inventory.linked(place.path)
    seen = Seen(place, info.size, info.mode, info.format, sha256, hashed, plain, linked)
    return seen, picture


def _says_nothing_of_the_content(error: BaseException | None) -> bool:
    """Tell a failing disk and a full memory, which pass, from a file that is no image."""
    failing = isinstance(error, OSError) and error.errno is not None
    return failing or isinstance(error, MemoryError)


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn RGB (H, W, 3) to gray (H, W, 1), to the bit as decoding to gray does."""
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
