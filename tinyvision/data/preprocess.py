"""From an image to the network's input: resize, crop, normalise.

The same steps run in training and in prediction, so the model file records them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..backend import BFLOAT16
from ..errors import DataError
from .dataset import Dataset
from .images import check_channels
from .resize import Fit, check_fit, check_size, load_image, resize

_CHUNK = 1 << 22  # values counted at a time: np.bincount widens each byte to eight


@dataclass(frozen=True)
class Preprocess:
    """How an image becomes the network's input: size, channels and normalisation.

    The input is ``(x / 255 - mean) / std`` per channel, so that on the training part every channel
    has mean 0 and standard deviation 1 (LeCun et al., Efficient BackProp, 1998, section 4.3).

    Parameters
    ----------
    size : tuple of int
        Height and width of the input in pixels.
    channels : {1, 3}
        Gray or RGB.
    fit : {"crop", "stretch", "pad"}
        How other proportions are brought to ``size``; see :func:`tinyvision.data.resize.resize`.
    mean, std : tuple of float
        One number per channel, in units of 0 (black) to 1 (white).

    Raises
    ------
    DataError
        A value of the wrong kind, named, with what it should be.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit = "crop"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_size(self.size)
        check_fit(self.fit)
        check_channels(self.channels)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not isinstance(values, tuple) or not all(_is_number(value) for value in values):
                raise DataError(f"Preprocess: {name} must be finite numbers, got {values!r}.")
            if len(values) == 1 and self.channels == 3:  # one number stands for all channels
                object.__setattr__(self, name, values * 3)
            elif len(values) != self.channels:
                raise DataError(
                    f"Preprocess: {name} must have one number for each of {self.channels} "
                    f"channels, got {len(values)}."
                )
        if min(self.std) <= 0:
            raise DataError(f"Preprocess: std must be above 0, got {self.std}.")

    @classmethod
    def measure(cls, train: Dataset, fit: Fit = "crop") -> "Preprocess":
        """Measure mean and standard deviation of a training part.

        Of the training part only: numbers from validation or test images would tell the network
        something about images it must not have seen.

        A byte has 256 values, so one histogram per channel holds all there is to know, and whole
        numbers give the exact result in little memory. A constant channel gets the std 1.

        Parameters
        ----------
        train : Dataset
        fit : {"crop", "stretch", "pad"}
            How later images of other sizes are to be fitted.

        Raises
        ------
        DataError
            A data set without images, or with channels other than 1 and 3.
        """
        H, W, C = train.image_shape
        if len(train) == 0:
            raise DataError(f"{train.name}: there are no images to measure mean and std on.")
        counts = np.zeros((C, 256), np.int64)
        images_at_a_time = max(_CHUNK // (H * W), 1)
        for start in range(0, len(train), images_at_a_time):
            chunk = train.images[start : start + images_at_a_time]
            for c in range(C):
                counts[c] += np.bincount(chunk[..., c].ravel(), minlength=256)
        moments = [_moments(row) for row in counts.tolist()]
        mean, std = (tuple(column) for column in zip(*moments, strict=True))
        return cls((H, W), C, fit, mean, std)

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring one image (H, W, C) to ``size``, still as bytes.

        Raises
        ------
        DataError
            Not an image, or of another channel count.
        """
        resized = resize(image, self.size, self.fit)
        if resized.shape[2] != self.channels:
            raise DataError(self._wrong_channels(image.shape, resized.shape[2]))
        return resized

    def batch(self, images: NDArray[np.uint8], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Turn images into the network's input.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, H, W, C)
            Of any size; those of another size than ``size`` are brought to it one by one.
        dtype : {"float32", "bfloat16"}
            bfloat16 is what float32 would be, rounded once.

        Returns
        -------
        ndarray of ``dtype``, shape (N, *size, C)

        Raises
        ------
        DataError
            Another type, rank or channel count.
        """
        one = float_type(dtype)
        images = self.fitted(images)
        N, H, W, C = images.shape
        # Written out for a whole image: NumPy's loop over one long row is 8 times faster than over
        # many rows of C = 3.
        scale, bias = self.scale_and_bias()
        x = images.reshape(N, H * W * C).astype(np.float32)  # (N, H, W, C) to (N, H*W*C)
        x *= np.tile(scale, H * W)
        x += np.tile(bias, H * W)
        return x.reshape(N, H, W, C).astype(one, copy=False)  # (N, H*W*C) to (N, H, W, C)

    def fitted(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring images (N, H, W, C) to ``size``, still as bytes.

        Raises
        ------
        DataError
            Another type, rank or channel count.
        """
        self.check(images)
        N, H, W, C = images.shape
        if self.size != (H, W):
            resized = np.empty((N, *self.size, C), np.uint8)
            for i, image in enumerate(images):
                resized[i] = self.image(image)
            images = resized
        return images

    def check(self, images: NDArray[np.uint8]) -> None:
        """Refuse what are no images (N, H, W, C) as bytes of the channels wanted."""
        if images.dtype != np.uint8 or images.ndim != 4:
            raise DataError(
                f"Images must be uint8 of shape (N, H, W, C), got {images.dtype} of shape "
                f"{images.shape}."
            )
        if self.channels != images.shape[3]:
            raise DataError(self._wrong_channels(images.shape, images.shape[3]))

    def scale_and_bias(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return two numbers for each channel: a byte's input is ``byte * scale + bias``.

        ``(x / 255 - mean) / std`` in one multiplication and one addition.
        """
        mean, std = np.array(self.mean), np.array(self.std)
        return (1.0 / (255.0 * std)).astype(np.float32), (-mean / std).astype(np.float32)

    def levels(self) -> NDArray[np.float32]:
        """Return the input that each byte becomes in each channel, shape (C, 256)."""
        scale, bias = self.scale_and_bias()
        return np.arange(256, dtype=np.float32) * scale[:, None] + bias[:, None]

    def file(self, source: Path | str | bytes | BinaryIO) -> NDArray[np.float32]:
        """Decode one image file to the network's input, shape (H, W, C).

        Raises
        ------
        DataError
            The file cannot be used; see :func:`tinyvision.data.images.decode`.
        """
        image = load_image(source, self.size, self.channels, self.fit)
        x: NDArray[np.float32] = self.batch(image[None])[0]  # (H, W, C) to (1, H, W, C) and back
        return x

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON knows them, for the model file."""
        return {
            "size": list(self.size),
            "channels": self.channels,
            "fit": self.fit,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocess":
        """Undo :meth:`to_dict`.

        Raises
        ------
        DataError
            A setting missing, unknown or of the wrong kind.
        """
        if not isinstance(values, Mapping):
            raise DataError(f"Preprocess: expected named settings, got {type(values).__name__}.")
        names = {"size", "channels", "fit", "mean", "std"}
        if values.keys() != names:
            missing = ", ".join(sorted(names - values.keys())) or "nothing"
            unknown = ", ".join(sorted(str(key) for key in values.keys() - names)) or "nothing"
            raise DataError(f"Preprocess: missing {missing}; unknown {unknown}.")
        size, mean, std = (  # JSON has lists where this class has tuples
            tuple(values[k]) if isinstance(values[k], list) else values[k]
            for k in ("size", "mean", "std")
        )
        return cls(size, values["channels"], values["fit"], mean, std)

    def _wrong_channels(self, shape: tuple[int, ...], channels: int) -> str:
        kinds = {1: "gray (1 channel)", 3: "RGB (3 channels)"}
        return (
            f"Images of shape {shape} have C={channels}, but the network takes "
            f"{kinds[self.channels]}; decode or convert them to that."
        )


def float_type(dtype: DTypeLike) -> np.dtype[Any]:
    """Return the type of a network's input, given itself or by name: float32 or bfloat16.

    Raises
    ------
    DataError
        Any other.
    """
    for one in (np.dtype(np.float32), BFLOAT16):
        if dtype in (one.name, one.type, one):
            return one
    raise DataError(f"A network's input is float32 or bfloat16, not {dtype!r}.")


def _moments(counts: list[int]) -> tuple[float, float]:
    """Mean and standard deviation, in 0..1 units, of bytes given by their histogram."""
    # Python's integers do not round: var = (n sum(v^2) - sum(v)^2) / n^2
    n = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    std = sqrt(n * second - first * first) / (255 * n)
    return first / (255 * n), std or 1.0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
