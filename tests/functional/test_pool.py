"""Pooling and resizing by hand."""

import numpy as np
import pytest

from tinyvision import functional


def test_pooling_steps_by_its_window_unless_told() -> None:
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    assert functional.max_pool2d(x, 2).numpy().reshape(-1).tolist() == [5, 7, 13, 15]
    assert functional.avg_pool2d(x, (4, 1)).numpy().reshape(-1).tolist() == [6, 7, 8, 9]
    assert functional.max_pool2d(x, 2, 1).shape == (1, 3, 3, 1)
    assert functional.max_pool2d(x, 3, (1, 2), pad=1).shape == (1, 4, 2, 1)
    assert functional.global_avg_pool2d(x).numpy().tolist() == [[7.5]]


def test_upsampling_repeats_or_interpolates() -> None:
    x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    nearest = functional.upsample2d(x, (1, 2))
    assert nearest.numpy().reshape(-1).tolist() == [0, 0, 4, 4]
    # centres of the four pixels lie at -1/4, 1/4, 3/4, 5/4 of the two
    bilinear = functional.upsample2d(x, (1, 2), "bilinear")
    assert bilinear.numpy().reshape(-1).tolist() == [0, 1, 3, 4]
    assert functional.resize2d(x, (3, 5)).shape == (1, 3, 5, 1)
    with pytest.raises(ValueError, match="mode must be 'nearest' or 'bilinear', got 'cubic'"):
        functional.upsample2d(x, 2, "cubic")
