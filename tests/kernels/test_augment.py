"""The kernels that augment, against small images worked out by hand, NumPy's turns and Pillow."""

import numpy as np
import pytest
from PIL import Image

from tests.kernels.augment_inputs import gray, whole
from tinyvision_kernels import reference
from tinyvision_kernels.contract.augment import ONE, OUTSIDE

NO_HOLE = np.zeros((1, 0, 4), np.int64)
AS_IS = np.arange(256, dtype=np.float32)[None]  # each byte becomes itself


def test_crop_by_hand(call):
    image = gray([1, 2, 3], [4, 5, 6])
    rows, columns = whole([1, OUTSIDE, 0]), whole([2, 1, 0, OUTSIDE])  # flipped, moved
    hole = whole([[2, 9, -1, 1]])  # rows from 2 on, the first column
    x = call("crop_images", image, rows, columns, np.array([9], np.uint8), hole, 10 * AS_IS)
    assert x[0, :, :, 0].tolist() == [[60, 50, 40, 90], [90] * 4, [0, 20, 10, 90]]


def test_each_channel_has_its_own_levels_and_each_image_its_own_rows(call):
    images = np.arange(12, dtype=np.uint8).reshape(2, 2, 1, 3)
    levels = np.stack([AS_IS[0], AS_IS[0] * 100, -AS_IS[0]])
    rows, columns = whole([0, 1], [1, 0]), whole([0], [0])
    x = call(
        "crop_images",
        images,
        rows,
        columns,
        np.zeros(3, np.uint8),
        np.zeros((2, 0, 4), int),
        levels,
    )
    assert x[:, :, 0].tolist() == [
        [[0, 100, -2], [3, 400, -5]],
        [[9, 1000, -11], [6, 700, -8]],
    ]  # fmt: skip


def warp(call, images, matrices, edge="edge", colours=None, scale=1.0, bias=0.0, holes=None):
    N, H, W, C = images.shape
    beyond = [np.arange(-n, 2 * n) for n in (H, W)]
    if edge == "edge":
        rows, columns = (np.clip(b, 0, n - 1) for b, n in zip(beyond, (H, W), strict=True))
    else:
        rows, columns = (
            np.where((b < 0) | (b >= n), OUTSIDE, b) for b, n in zip(beyond, (H, W), strict=True)
        )
    if colours is None:
        colours = np.tile(np.eye(C, C + 1), (N, 1, 1))
    return call(
        "warp_images", images, np.rint(ONE * np.array(matrices)).astype(np.int64).reshape(N, 6),
        rows, columns, np.full(C, 200, np.uint8),
        np.zeros((N, 0, 4), np.int64) if holes is None else holes,
        np.ascontiguousarray(colours, np.float32), np.full(C, scale, np.float32),
        np.full(C, bias, np.float32),
    )  # fmt: skip


def test_what_is_not_warped_is_only_normalised(call):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    x = warp(call, images, [[1, 0, 0, 0, 1, 0]] * 3, scale=1 / 64, bias=-2)
    np.testing.assert_array_equal(x, images.astype("f4") / 64 - 2)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_numpys(call, turns):
    images = np.random.default_rng(turns).integers(0, 256, (2, 5, 5, 3), np.uint8)
    # rot90 shows at (i, j) what stands at (j, 4-i), at (4-i, 4-j), at (4-j, i)
    matrix = [[0, 1, 0, -1, 0, 4], [-1, 0, 4, 0, -1, 4], [0, -1, 4, 1, 0, 0]][turns - 1]
    x = warp(call, images, [matrix] * 2, edge="outside")
    np.testing.assert_array_equal(x, np.rot90(images, turns, axes=(1, 2)))


def test_between_pixels_is_their_mean_and_beyond_them_the_fill(call):
    image = gray([0, 40], [80, 240])
    halfway = warp(call, image, [1, 0, 0.5, 0, 1, 0.5], edge="outside")[0, :, :, 0]
    by_hand = [[90, (40 + 240 + 400) / 4], [(80 + 240 + 400) / 4, (240 + 600) / 4]]
    assert halfway.tolist() == by_hand
    quarter = warp(call, image, [1, 0, 0, 0, 1, -0.25])[0, :, :, 0]
    assert quarter.tolist() == [[0, 30], [80, 200]]
    far = warp(call, image, [1, 0, 50, 0, 1, -50])[0, :, :, 0]
    assert far.tolist() == [[80, 80], [80, 80]], "beyond the table its last rows repeat"


def test_warps_like_pillow(call):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (1, 24, 31, 1), np.uint8)
    a, b, c, d, e, f = 0.9, 0.2, -1.3, -0.15, 1.1, 2.1  # x = a X + b Y + c, y = d X + e Y + f
    coefficients = (a, b, c, d, e, f)
    theirs = np.asarray(
        Image.fromarray(image[0, :, :, 0]).transform(
            (31, 24), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )
    )
    # Pillow counts from the corner of the first pixel, not from its middle
    half = 0.5
    down, right = d * half + e * half + f - half, a * half + b * half + c - half
    ours = warp(call, image, [e, d, down, b, a, right])[0, :, :, 0]
    inside = (slice(6, -6), slice(8, -8))
    assert np.abs(ours - theirs)[inside].max() < 2.5  # our weights are 256ths, theirs are rounded
    assert np.abs(ours - theirs)[inside].mean() < 0.7


def test_colours_are_mixed_clipped_and_cut(call):
    image = np.array([10, 100, 200], np.uint8).reshape(1, 1, 1, 3).repeat(2, axis=2)
    colours = np.array([[[0, 0, 1, 5], [1, 1, 0, -300], [2, 0, 0, 250]]])
    hole = whole([[0, 1, 1, 2]])
    x = warp(call, image, [1, 0, 0, 0, 1, 0], colours=colours, scale=2, bias=1, holes=hole)
    assert x[0, 0].tolist() == [[411, 1, 511], [0, 0, 0]]


def test_mix_by_hand(call):
    x = np.array([[0, 8], [16, 40]], np.float32).reshape(2, 1, 2, 1)
    shares = np.array([0.25, 1], np.float32)
    y = call("mix_images", x, whole(1, 0), shares, whole([0, 0, 0, 0], [0, 1, 1, 5]))
    assert y[:, 0, :, 0].tolist() == [[12, 32], [16, 8]]


def test_words_at_places_are_those_of_the_whole_draw(call):
    whole_draw = np.empty(4 * 50, np.uint32)
    reference.TABLE["random_bits"](np, whole_draw, 200, 77, 78, 79)
    found = call("random_bits_at", whole(49, 0, 7, 7), 77, 78, 79)
    np.testing.assert_array_equal(found, whole_draw.reshape(50, 4)[[49, 0, 7, 7]])
