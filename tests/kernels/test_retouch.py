"""The kernels from bytes to bytes, against small images worked out by hand, and Pillow."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.kernels.augment_inputs import gray, whole
from tinyvision_kernels.contract.retouch import ONE, TAPS


def test_a_blurred_point_is_the_weights(call):
    image = np.zeros((1, 5, 5, 1), np.uint8)
    image[0, 2, 2] = 255
    weights = np.array([16, 56, 112, 56, 16])  # sum 256
    blurred = call("blur_images", image, whole([112, 56, 16]))[0, :, :, 0]
    expected = np.floor(255 * np.outer(weights, weights) / TAPS**2 + 0.5)
    np.testing.assert_array_equal(blurred, expected)


def test_blur_keeps_plain_images_and_repeats_the_edge(call):
    image = np.full((1, 4, 3, 3), 255, np.uint8)
    np.testing.assert_array_equal(call("blur_images", image, whole([100, 60, 18])), image)
    # the last of three pixels, seen from the last: (64 * 90 + 192 * 240) / 256 with one to repeat
    step = gray([0, 90, 240])
    assert call("blur_images", step, whole([128, 64]))[0, 0, :, 0].tolist() == [23, 105, 203]


def test_noise_is_normal_and_belongs_to_the_position(call):
    images = np.full((6, 40, 40, 3), 128, np.uint8)
    one = round(20 / np.sqrt((256**2 - 1) / 3) * ONE)  # a standard deviation of 20
    strengths, positions = whole(one, one, 0, one, one, one), whole(5, 9, 1, 5, 2**31, 7)
    y = call("noise_images", images, strengths, positions, 11, 12, 13)
    np.testing.assert_array_equal(y[0], y[3])
    assert (y[2] == 128).all()
    noise = y[[0, 1, 4, 5]].astype(float) - 128
    assert abs(noise.mean()) < 20 / np.sqrt(noise.size) * 4
    assert abs(noise.std() / 20 - 1) < 0.02
    assert 0.66 < (np.abs(noise) < 20).mean() < 0.70  # 0.683 of a normal lies within one sigma
    for a, b in [(0, 1), (0, 2), (1, 2), (2, 3)]:
        assert abs(np.corrcoef(noise[a].ravel(), noise[b].ravel())[0, 1]) < 0.06
    alone = call("noise_images", images[:1], strengths[:1], positions[1:2], 11, 12, 13)
    np.testing.assert_array_equal(alone[0], y[1])
    for other in ((10, 12, 13), (11, 10, 13), (11, 12, 10)):
        assert (call("noise_images", images, strengths, positions, *other) != y).mean() > 0.5


def test_noise_stays_within_bytes(call):
    images = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(200, axis=1)
    y = call("noise_images", images, whole(ONE), whole(3), 1, 2, 3)
    assert (y[0, :, 0] == 0).mean() > 0.3 and (y[0, :, 1] == 255).mean() > 0.3


@pytest.mark.parametrize("C", [1, 3])
def test_levels_are_counted_as_pillow_counts_them(call, C):
    images = np.random.default_rng(1).integers(90, 130, (3, 9, 14, C), np.uint8)
    counts = call("count_levels", images)
    for image, count in zip(images, counts, strict=True):
        theirs = Image.fromarray(image.squeeze(2) if C == 1 else image).histogram()
        np.testing.assert_array_equal(count.ravel(), theirs)


@pytest.mark.parametrize("C", [1, 3])
def test_tables_are_looked_up_as_pillow_does(call, C):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (3, 9, 14, C), np.uint8)
    tables = rng.integers(0, 256, (3, C, 256), np.uint8)
    looked = call("lookup_images", images, tables)
    for image, table, y in zip(images, tables, looked, strict=True):
        picture = Image.fromarray(image.squeeze(2) if C == 1 else image)
        theirs = np.asarray(picture.point(table.ravel().tolist()))
        np.testing.assert_array_equal(y, theirs.reshape(image.shape))


def test_a_table_by_hand(call):
    tables = np.tile(np.arange(256, dtype=np.uint8)[::-1], (1, 1, 1))
    assert call("lookup_images", gray([0, 1], [200, 255]), tables).ravel().tolist() == [
        *(255, 254, 55, 0)
    ]


def test_sharpening_by_hand(call):
    # one bright pixel in the middle, 130: the mean is 50 there, and 10 beside it
    image = gray([0] * 5, [0] * 5, [0, 0, 130, 0, 0], [0] * 5, [0] * 5)
    smooth = call("sharpen_images", image, whole(-ONE))[0, :, :, 0]
    assert smooth[1:4, 1:4].tolist() == [[10, 10, 10], [10, 50, 10], [10, 10, 10]]
    assert smooth.sum() == 130
    np.testing.assert_array_equal(call("sharpen_images", image, whole(0)), image)
    assert call("sharpen_images", image, whole(ONE))[0, 2, 2, 0] == 210
    assert call("sharpen_images", image, whole(2 * ONE))[0, 2, 2, 0] == 255
    # at the edge the last pixel repeats: (5 * 26 + 2 * 26 + 2 * 0 + ...) / 13
    corner = call("sharpen_images", gray([26, 0], [0, 0]), whole(-ONE))[0, :, :, 0]
    assert corner.tolist() == [[16, 4], [4, 2]]


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 1.7, 3.0])
def test_sharpens_like_pillow(call, factor):
    images = np.random.default_rng(3).integers(0, 256, (2, 12, 17, 3), np.uint8)
    ours = call("sharpen_images", images, whole(*[round((factor - 1) * ONE)] * 2))
    for image, y in zip(images, ours, strict=True):
        theirs = np.asarray(ImageEnhance.Sharpness(Image.fromarray(image)).enhance(factor))
        # Pillow rounds what is smooth, cuts off what is blended, and leaves the outermost pixels
        apart = np.abs(y.astype(int) - theirs)[1:-1, 1:-1]
        assert apart.max() <= 1 + abs(factor - 1) / 2
        assert apart.mean() < 0.8


def test_each_image_is_sharpened_by_its_own_amount(call):
    images = np.random.default_rng(4).integers(0, 256, (3, 6, 5, 3), np.uint8)
    amounts = whole(-ONE, 0, ONE // 2)
    together = call("sharpen_images", images, amounts)
    for n in range(3):
        alone = call("sharpen_images", images[n : n + 1], amounts[n : n + 1])
        np.testing.assert_array_equal(together[n], alone[0])
