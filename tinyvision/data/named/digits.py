"""Scikit-learn's handwritten digits: 1,797 real images of 8 x 8, offline once it is installed.

Source: Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

import numpy as np

from ...errors import DataError
from ..dataset import Dataset

CLASSES = tuple("0123456789")
WHITE = 16  # the images count the inked pixels in blocks of 4 x 4


def load_digits() -> Dataset:
    """Load the digits, values 0..16 scaled to 0..255.

    Returns
    -------
    Dataset
        Images uint8 (1797, 8, 8, 1).

    Raises
    ------
    DataError
        Scikit-learn is not installed.
    """
    try:
        from sklearn import datasets  # imported here: it takes a second, and few need it
    except ImportError:
        raise DataError(
            "The set 'digits' comes with scikit-learn, which is not installed: "
            "run pip install 'tinyvision[digits]'."
        ) from None
    digits = datasets.load_digits()
    images = np.round(digits.images * (255 / WHITE)).astype(np.uint8)
    return Dataset(images[..., None], digits.target.astype(np.int64), CLASSES, "digits")
