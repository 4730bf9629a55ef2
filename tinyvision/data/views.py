"""Which part of a picture an image shows: drawn before anybody knows how large the picture is.

A view is four numbers: the share of the picture's area, the proportions of the part as a multiple
of those that are wanted, and how far down and to the right it lies, of the way there is, 0 to 1.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..backend import Kernels

Views = NDArray[np.float64]  # (N, 4): share, proportions, down, right


def boxes_of(views: Views, H: int, W: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return where the parts lie in pictures of H x W: (N, 4) of top, bottom, left, right.

    A part that would be higher or wider than the picture is cut to it.
    """
    share, proportions, down, right = views.T  # (N, 4) to four of (N,)
    area, slant = share * H * W, proportions * size[1] / size[0]
    height, width = np.minimum(np.sqrt(area / slant), H), np.minimum(np.sqrt(area * slant), W)
    top, left = down * (H - height), right * (W - width)
    boxes = np.stack([top, top + height, left, left + width], axis=1)  # (N, 4)
    inside: NDArray[np.float32] = np.minimum(boxes, [H, H, W, W]).astype(np.float32)
    return inside


def size_needed(view: Views, size: tuple[int, int]) -> tuple[int, int]:
    """Return what a picture's sides must come to for one view (1, 4) of it to have ``size``."""
    share, proportions = float(view[0, 0]), float(view[0, 1])
    slant = proportions * size[1] / size[0]
    # Of a picture with the shorter side m, the part has sides of at least m times these, or all.
    part = min((share / slant) ** 0.5, (share * slant) ** 0.5, 1.0)
    side = ceil(max(size) / part)
    return side, side


def cut_views(
    images: NDArray[np.uint8], views: Views, size: tuple[int, int], kernels: Kernels
) -> NDArray[np.uint8]:
    """Bring the parts of images (N, H, W, C) that are seen to a size."""
    _, H, W, _ = images.shape
    boxes = boxes_of(views, H, W, size)
    seen: NDArray[np.uint8] = kernels.resize_images(np.ascontiguousarray(images), boxes, *size)
    return seen
