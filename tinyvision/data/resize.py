"""Bring images to one size."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..backend import Kernels, host_kernels
from ..errors import DataError
from .dataset import Dataset
from .images import decode

Fit = Literal["crop", "stretch", "pad"]


def resize(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    fit: Fit = "crop",
    *,
    kernels: Kernels | None = None,
) -> NDArray[np.uint8]:
    """Bring an image to a size: bilinear between pixels, their weighted mean where it shrinks.

    The kernel ``resize_images`` tells the formula; every backend gives the same bytes.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, C), C 1 or 3
    size : tuple of int
        Height and width in pixels to reach.
    fit : {"crop", "stretch", "pad"}
        What to do when the proportions differ: cut the longer side to its middle, distort, or keep
        everything and fill up with black.
    kernels : Kernels, optional
        Of a backend whose arrays are NumPy's; by default :func:`tinyvision.backend.host_kernels`.

    Returns
    -------
    ndarray of uint8, shape (*size, C)
        The image itself where it has the size already.

    Raises
    ------
    DataError
        An array that is no such image, a size below 1 x 1 or an unknown ``fit``.
    """
    check_fit(fit)
    check_size(size)
    _check_image(image)
    H, W, C = image.shape
    if size == (H, W):
        return image
    target_H, target_W = size
    if fit == "stretch":
        return cut(image, (0, H, 0, W), size, kernels)
    if fit == "crop":  # the middle box of the target's proportions: resize and crop in one
        scale = min(H / target_H, W / target_W)
        top, left = (H - target_H * scale) / 2, (W - target_W * scale) / 2
        return cut(image, (top, H - top, left, W - left), size, kernels)
    scale = min(target_H / H, target_W / W)
    inner_H = min(max(round(H * scale), 1), target_H)
    inner_W = min(max(round(W * scale), 1), target_W)
    top_rows, left_columns = (target_H - inner_H) // 2, (target_W - inner_W) // 2
    out = np.zeros((target_H, target_W, C), np.uint8)
    inner = out[top_rows : top_rows + inner_H, left_columns : left_columns + inner_W]
    inner[...] = cut(image, (0, H, 0, W), (inner_H, inner_W), kernels)
    return out


Box = tuple[float, float, float, float]  # top, bottom, left, right, in pixels


def cut(
    image: NDArray[np.uint8], box: Box, size: tuple[int, int], kernels: Kernels | None = None
) -> NDArray[np.uint8]:
    """Bring a box of an image (H, W, C) to a size; what of it lies beyond the image is left out."""
    H, W, _ = image.shape
    top, bottom, left, right = box
    within = max(top, 0.0), min(bottom, H), max(left, 0.0), min(right, W)
    images, boxes = np.ascontiguousarray(image)[None], np.array([within], np.float32)
    small: NDArray[np.uint8] = np.empty((*size, image.shape[2]), np.uint8)
    # Directly: for a small photo, checks would take as long as a third of the work.
    (kernels or host_kernels()).resize_images.into(small[None], images, boxes, *size)
    return small


def _check_image(image: NDArray[np.uint8]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
        raise DataError(
            f"An image is uint8 of shape (H, W, 1) or (H, W, 3), got {image.dtype} of shape "
            f"{image.shape}."
        )


def load_image(
    source: Path | str | bytes | BinaryIO,
    size: tuple[int, int],
    channels: int,
    fit: Fit,
    *,
    kernels: Kernels | None = None,
) -> NDArray[np.uint8]:
    """Decode an image file straight to a size, shape (*size, channels).

    Folders are read and single files predicted through this one function, so that a file gives the
    same bytes in both: decoding a JPEG at a fraction of its size is not to the last bit what
    resizing it in full gives.
    """
    check_size(size)
    # The least that keeps every side of the target covered under any fit and any proportions.
    return resize(decode(source, channels, at_least=size), size, fit, kernels=kernels)


def bring_to(
    dataset: Dataset, size: tuple[int, int] | None, channels: int | None, fit: Fit
) -> Dataset:
    """Bring all images of a set to a size and a number of channels; None leaves them alone."""
    images = np.asarray(dataset.images)
    N, H, W, C = images.shape
    if channels == 1 and C == 3:  # gray before small, as a file is decoded for prediction
        tall = Image.fromarray(images.reshape(N * H, W, 3))  # (N, H, W, 3) in one
        images, C = np.array(tall.convert("L")).reshape(N, H, W, 1), 1
    if size is not None and size != (H, W):
        resized = np.empty((N, *size, C), np.uint8)
        for i in range(N):
            resized[i] = resize(images[i], size, fit)
        images = resized
    if channels == 3 and C == 1:
        images = np.repeat(images, 3, axis=3)
    return dataset if images is dataset.images else replace(dataset, images=images)


def check_size(size: object) -> None:
    """Refuse what is not (height, width)."""
    if (
        not isinstance(size, tuple)
        or [type(side) for side in size] != [int, int]  # which True, though an int, is not
        or min(size) < 1
    ):
        raise DataError(f"A size is (height, width) in whole pixels, at least 1, got {size!r}.")


def check_fit(fit: object) -> None:
    """Refuse what is not one of the fits."""
    if fit not in get_args(Fit):
        raise DataError(f"An image is fitted by 'crop', 'stretch' or 'pad', not {fit!r}.")
