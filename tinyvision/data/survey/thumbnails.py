"""Small copies of images, as they stand in a page: ``data:`` addresses."""

import base64
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from ..images import ImageError, decode, probe
from ..large import room_for
from ..resize import resize
from ..threads import Progress, in_threads
from .inventory import Opened

SIDE = 144  # pixels of the longer side: sharp on screens that draw 112 with more
_EXACT = 48  # up to this side, pixels are kept as they are: JPEG would blur them


def thumbnails(
    paths: Sequence[Path], open: Callable[[Path], Opened], progress: Progress | None = None
) -> dict[Path, str]:
    """Return the address of a small copy of each image; broken ones have none."""
    copies = in_threads(lambda path: _thumbnail(path, open), paths, progress)
    return {path: address for path, address in zip(paths, copies, strict=True) if address}


def _thumbnail(path: Path, open: Callable[[Path], Opened]) -> str | None:
    try:
        with open(path) as file:
            size = probe(file).size
            file.seek(0)
            with room_for(size):
                image = decode(file, 3, at_least=(SIDE, SIDE))
    except (ImageError, OSError):
        return None
    H, W, _ = image.shape
    scale = min(SIDE / max(H, W), 1.0)
    small = Image.fromarray(
        resize(image, (max(round(H * scale), 1), max(round(W * scale), 1)), "stretch")
    )
    content = BytesIO()
    if max(H, W) <= _EXACT:
        small.save(content, "PNG")
        kind = "png"
    else:
        small.save(content, "JPEG", quality=80)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
