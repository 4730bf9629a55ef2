"""One image file to one array of bytes, whatever the file's kind.

Every file becomes uint8 of shape (H, W, 1) or (H, W, 3), upright, opaque, 0 black and 255 white.
Pillow does the decoding; what each of its pixel formats becomes is decided in :mod:`.modes`, on
purpose. Where simplejpeg is installed, it does the same for JPEG, faster (:mod:`.jpeg`).

Gray becomes colour by repeating the channel; colour becomes gray by ITU-R BT.601 luma,
0.299 R + 0.587 G + 0.114 B. Pillow keeps the high byte of 16-bit colour. Embedded colour profiles
are not applied, and a see-through value declared for 2-bit or 4-bit gray or 16-bit colour is not
seen by Pillow, so such pixels keep their stored colour. Of an animation or a file of several pages
the first image is taken.

The format is told from the content, never from the file's name. What cannot be decoded completely
is refused: half an image would be learnt as if it were whole. (Not every damage shows: JPEG has no
checksum, and zeroed bytes in the middle of one decode without a complaint from anybody.)
"""

from .decode import ImageInfo, check_channels, decode, probe
from .opening import ImageError, opened, pillow_warnings_muted

__all__ = [
    "ImageError",
    "ImageInfo",
    "check_channels",
    "decode",
    "opened",
    "pillow_warnings_muted",
    "probe",
]
