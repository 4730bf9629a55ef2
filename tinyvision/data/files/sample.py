"""A sample: an image as it was stored, with its labels; and how samples become arrays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...backend import Kernels, host_kernels
from ...errors import DataError, TinyvisionError
from ..decoding import Form
from ..images import ImageError, decode, pillow_warnings_muted
from ..resize import Fit, load_image
from ..views import Views, cut_views, size_needed


@dataclass(frozen=True, slots=True)
class Sample:
    """An image that is not decoded yet.

    Parameters
    ----------
    name : str
        What to call it in messages: its path, or the shard and its name there.
    content : bytes
        The file as it was stored.
    labels : tuple of int
        Positions in the set's classes: one, or any number where images are tagged.
    """

    name: str
    content: bytes
    labels: tuple[int, ...]


Decode = Callable[[Sample], NDArray[np.uint8]]  # to (H, W, C), of the same shape for all samples


@dataclass(frozen=True)
class DecodeTo:
    """Brings every image to one form, as folders are read, or a part of it.

    Parameters
    ----------
    form : Form
    kernels : Kernels
        That resize.
    """

    form: Form
    kernels: Kernels

    def __call__(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode a whole image."""
        size, channels, fit = self.form.size, self.form.channels, self.form.fit
        return load_image(sample.content, size, channels, fit, kernels=self.kernels)

    def part(self, sample: Sample, view: Views) -> NDArray[np.uint8]:
        """Decode the part of an image that a view (1, 4) shows."""
        size = self.form.size
        picture = decode(sample.content, self.form.channels, at_least=size_needed(view, size))
        # (1, H, W, C) to (H, W, C)
        part: NDArray[np.uint8] = cut_views(picture[None], view, size, self.kernels)[0]
        return part


def decode_to(size: tuple[int, int], channels: int = 3, fit: Fit = "crop") -> DecodeTo:
    """Return the decoder that brings every image to one form, as folders are read.

    Parameters
    ----------
    size, channels, fit
        As for :class:`tinyvision.data.decoding.Form`.
    """
    # The kernels here: the threads that decode know nothing of a ``with using(...)``.
    return DecodeTo(Form(size, channels, fit), host_kernels())


def decode_samples(
    samples: Sequence[Sample], decode: Decode, views: Views | None = None
) -> NDArray[np.uint8]:
    """Decode samples into one array (N, H, W, C).

    Parameters
    ----------
    samples : sequence of Sample
    decode : callable
    views : ndarray, shape (N, 4), optional
        The part of each picture that is wanted, where ``decode`` is a :class:`DecodeTo`.

    Raises
    ------
    DataError
        A sample cannot be decoded, or to another shape than the first; the message names it.
    """
    images: NDArray[np.uint8] | None = None
    with pillow_warnings_muted():  # for all of them: it takes a lock that other threads want too
        for i, sample in enumerate(samples):
            take = decode
            if views is not None and isinstance(decode, DecodeTo):
                take = partial(decode.part, view=views[i : i + 1])
            image = _decoded(sample, take)
            if images is None:
                images = np.empty((len(samples), *image.shape), np.uint8)
            if image.shape != images.shape[1:] or image.dtype != np.uint8:
                raise DataError(
                    f"{sample.name} was decoded to {image.dtype} of shape {image.shape}, and "
                    f"{samples[0].name} to uint8 of shape {images.shape[1:]}; the images of a "
                    "batch need one shape."
                )
            images[i] = image
    if images is None:
        raise DataError("A batch has at least 1 image, got none.")
    return images


def _decoded(sample: Sample, decode: Decode) -> NDArray[np.uint8]:
    try:
        return decode(sample)
    except ImageError as error:
        # the decoder saw bytes without a name
        raise ImageError(sample.name, error.reason) from error
    except Exception as error:
        # in a thread far from where it was asked for, any error is lost without the file's name
        kind = "" if isinstance(error, TinyvisionError) else f"{type(error).__name__}: "
        raise DataError(f"{sample.name} could not be decoded ({kind}{error})") from error


def label_array(
    labels: Sequence[tuple[int, ...]], classes: int, *, tagging: bool
) -> NDArray[np.int64] | NDArray[np.float32]:
    """Return labels as the losses take them: numbers (N,), or for tags ones and zeros (N, K)."""
    if not tagging:
        return np.array([label for (label,) in labels], np.int64)
    hot = np.zeros((len(labels), classes), np.float32)
    for row, tags in zip(hot, labels, strict=True):
        row[list(tags)] = 1
    return hot
