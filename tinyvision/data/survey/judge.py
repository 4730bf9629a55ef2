"""A trained model that is asked about labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..resize import Fit


@dataclass(frozen=True)
class Judge:
    """A trained model, as far as doubting labels takes it.

    :func:`tinyvision.inference.judge` makes it of a model file.

    Parameters
    ----------
    classes : tuple of str
        In the order of the probabilities.
    size : tuple of int
        Height and width in pixels of its images.
    channels : {1, 3}
    fit : {"crop", "stretch", "pad"}
    probabilities : callable
        Takes images, uint8 of shape (N, H, W, C); returns probabilities of shape (N, K).
    """

    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    fit: Fit
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.floating]]
