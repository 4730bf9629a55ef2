"""The kernels from bytes to bytes, against small images worked out by hand, and Pillow."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.kernels.augment_inputs import gray, whole
from tinyvision_kernels.contract.augment import ONE
from tinyvision_kernels.contract.retouch import EQUALIZE, KEEP, LOOK_UP, STRETCH, TAPS


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
def test_tables_are_looked_up_as_pillow_does(call, C):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (3, 9, 14, C), np.uint8)
    tables = rng.integers(0, 256, (3, 2, 256), np.uint8)
    looked = call(
        "retone_images", images, whole([LOOK_UP] * 2, [LOOK_UP, KEEP], [KEEP] * 2), tables
    )
    for n, turns in enumerate((2, 1, 0)):
        picture = Image.fromarray(images[n].squeeze(2) if C == 1 else images[n])
        for table in tables[n, :turns]:
            picture = picture.point(C * table.tolist())
        np.testing.assert_array_equal(looked[n], np.asarray(picture).reshape(looked[n].shape))


def test_tones_by_hand(call):
    image, no_table = gray([10, 20, 20], [30, 60, 60]), np.zeros((1, 1, 256), np.uint8)
    # 0, 1, 1, 3 and twice 4 of four are darker
    equal = call("retone_images", image, whole([EQUALIZE]), no_table)
    assert equal.ravel().tolist() == [0, 64, 64, 191, 255, 255]
    stretched = call("retone_images", image, whole([STRETCH]), no_table)
    assert stretched.ravel().tolist() == [0, 51, 51, 102, 255, 255]
    for kind in (EQUALIZE, STRETCH):
        flat = gray([7, 7], [7, 7])
        np.testing.assert_array_equal(call("retone_images", flat, whole([kind]), no_table), flat)


def test_a_turn_counts_what_those_before_have_left(call):
    image = gray([10, 20, 20], [30, 60, 60])
    table = np.where(np.arange(256) < 30, 100, 80).astype(np.uint8)
    tables = np.stack([table, 0 * table])[None]
    stretched = call("retone_images", image, whole([LOOK_UP, STRETCH]), tables)
    assert stretched.ravel().tolist() == [255, 255, 255, 0, 0, 0]
    # not first, stretched to 0, 51, 102, 255, and then to 100 and 80
    turned = call("retone_images", image, whole([STRETCH, LOOK_UP]), tables[:, ::-1].copy())
    assert turned.ravel().tolist() == [100, 80, 80, 80, 80, 80]


def test_each_channel_has_its_own_levels(call):
    image = np.stack([gray([0, 10]), gray([5, 9]), gray([3, 3])], -1)[..., 0, :]
    stretched = call("retone_images", image, whole([STRETCH]), np.zeros((1, 1, 256), np.uint8))
    assert stretched.tolist() == [[[[0, 0, 3], [255, 255, 3]]]]


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
