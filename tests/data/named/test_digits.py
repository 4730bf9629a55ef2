"""The 8 x 8 digits, and the sentence for those without scikit-learn."""

import sys

import numpy as np
import pytest

from tinyvision.data.named.digits import load_digits
from tinyvision.errors import DataError


def test_the_digits_are_those_of_scikit_learn():
    pytest.importorskip("sklearn")
    digits = load_digits()
    assert digits.images.shape == (1797, 8, 8, 1)
    assert digits.name == "digits"
    assert digits.classes == tuple("0123456789")
    # Class counts as in scikit-learn's description of the set.
    assert digits.counts().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.labels[:10].tolist() == list(range(10))
    # The first row of the first image is 0 0 5 13 9 1 0 0 of 16: times 255 / 16, rounded.
    assert digits.images[0, 0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert digits.images.max() == 255
    assert len(np.unique(digits.images)) == 17


def test_without_scikit_learn_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)  # what Python does for a missing module
    with pytest.raises(DataError, match=r"pip install 'tinyvision\[digits\]'"):
        load_digits()
