"""The kernel that resizes, against Pillow and against means worked out by hand."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from tinyvision_kernels import reference

TABLES = {"reference": partial(reference.TABLE["resize_images"], np)}
try:
    from tinyvision_kernels import cpu

    TABLES["cpu"] = cpu.TABLE["resize_images"]
except ImportError:
    pass


@pytest.fixture(params=TABLES)
def resized(request):
    """Resize a box (top, bottom, left, right) of an image (H, W, C)."""

    def run(image: np.ndarray, box: tuple[float, ...], height: int, width: int) -> np.ndarray:
        out = np.full((1, height, width, image.shape[2]), 7, np.uint8)
        TABLES[request.param](out, image[None], np.array([box], np.float32), height, width)
        return out[0]

    return run


def gray(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)[:, :, None]


def test_halves_by_hand(resized):
    # Weights of four pixels about an edge: 1/8, 3/8, 3/8, 1/8; at the border 3/7, 3/7, 1/7.
    image = gray([0, 70, 140, 210])
    assert resized(image, (0, 1, 0, 4), 1, 2)[0, :, 0].tolist() == [50, 160]
    assert resized(image.transpose(1, 0, 2), (0, 4, 0, 1), 2, 1)[:, 0, 0].tolist() == [50, 160]


def test_twice_as_large_by_hand(resized):
    image = gray([0, 100])
    assert resized(image, (0, 1, 0, 2), 1, 4)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_box_of_a_pixel_is_that_pixel(resized):
    image = gray([10, 20, 30], [40, 50, 60], [70, 80, 90])
    assert resized(image, (1, 2, 1, 2), 1, 1)[0, 0, 0] == 50


def test_same_size_is_the_same_image(resized):
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
    np.testing.assert_array_equal(resized(image, (0, 6, 0, 9), 6, 9), image)


@pytest.mark.parametrize("level", [0, 1, 254, 255])
def test_one_colour_stays(resized, level):
    image = np.full((37, 53, 3), level, np.uint8)
    assert (resized(image, (0.3, 36.1, 5.7, 50.9), 16, 11) == level).all()


@pytest.mark.skipif("cpu" not in TABLES, reason="Numba is not installed")
@pytest.mark.parametrize("shape", [(2_000_000, 1), (1, 2_000_000)])
@pytest.mark.parametrize("C", [1, 3])
def test_white_stays_white_where_weights_are_rounded_up(shape, C):
    # Of so many pixels each weighs a few 2^-22ths; the reference would look at them one by one.
    image = np.full((*shape, C), 255, np.uint8)
    out = np.zeros((1, 1, 1, C), np.uint8)
    TABLES["cpu"](out, image[None], np.array([[0, shape[0], 0, shape[1]]], np.float32), 1, 1)
    assert (out == 255).all()


SIZES = [  # H, W, C, height, width
    *((96, 128, 3, 64, 64), (144, 192, 3, 64, 64), (128, 96, 1, 64, 64), (7, 5, 3, 9, 11)),
    *((300, 5, 3, 2, 40), (97, 131, 3, 33, 17), (5, 300, 1, 9, 7), (1000, 3, 3, 1, 1)),
]


@pytest.mark.parametrize("H, W, C, height, width", SIZES)
def test_every_bit_is_pillows(resized, H, W, C, height, width):
    rng = np.random.default_rng(H)
    for whole in (True, False, False, False):
        image = rng.integers(0, 256, (H, W, C), np.uint8)
        rows, columns = np.sort(rng.random((2, 2)), axis=1) * [[H], [W]]
        box = (0.0, H, 0.0, W) if whole else (*rows, *columns)
        # As float32, in which Pillow and the kernel take it.
        top, bottom, left, right = (float(np.float32(side)) for side in box)
        picture = Image.fromarray(image if C == 3 else image[:, :, 0])
        flat = picture.resize((W, height), Image.Resampling.BILINEAR, (0, top, W, bottom))
        small = flat.resize((width, height), Image.Resampling.BILINEAR, (left, 0, right, height))
        expected = np.asarray(small).reshape(height, width, C)
        np.testing.assert_array_equal(resized(image, box, height, width), expected)
