"""Look at a file that has arrived: is it an image, which one, and what is to be stored?"""

import hashlib
from dataclasses import dataclass

from ..answers import RefusedError
from ..images import ImageError, decode, probe
from ..large import room_for
from .duplicates import look
from .location import without_location


@dataclass(frozen=True)
class Checked:
    """An image that may be stored.

    Parameters
    ----------
    content : bytes
        The file as it is to be stored.
    sha256, received_sha256 : str
        Of ``content``, and of the file as it came.
    size : tuple of int
        Height and width in pixels, upright.
    format : str
        Pillow's name of the format.
    look : int or None
        The perceptual hash.
    """

    content: bytes
    sha256: str
    received_sha256: str
    size: tuple[int, int]
    format: str
    look: int | None


def check(content: bytes, *, keep_location: bool) -> Checked:
    """Decode a file completely and take out its location.

    Raises
    ------
    RefusedError
        It is no whole image, claims more pixels than can be decoded safely, or tells a place that
        cannot be taken out.
    """
    try:
        with room_for(probe(content).size):
            kept = content if keep_location else without_location(content)
            info = probe(kept)
            gray = decode(kept, 1, at_least=(32, 32))  # what is stored is what was decoded
        picture = look(gray)
    except ImageError as error:
        raise RefusedError(f"is no usable image: {error.reason}") from None
    received = hashlib.sha256(content).hexdigest()
    sha256 = received if kept is content else hashlib.sha256(kept).hexdigest()
    return Checked(kept, sha256, received, info.size, info.format, picture)
