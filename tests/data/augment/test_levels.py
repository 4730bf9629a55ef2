"""Steps that exchange levels or sharpen, against Pillow, and against a table made by hand."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.data.augment.drawn import MANY, SIGMA, Fixed, augmented, drawn, photos
from tinyvision.data import Augment
from tinyvision.data import augment as steps
from tinyvision.data.augment.levels import posterized, raised, solarized
from tinyvision_kernels.contract.retouch import KEEP


def looked_up(images: np.ndarray, tables: np.ndarray) -> np.ndarray:
    do = Fixed(lambda changes: changes.look_up(np.ones(len(images), bool), tables))
    return augmented(Augment((do,)), images)


def by_pillow(images: np.ndarray, function) -> np.ndarray:
    done = []
    for image in images:
        picture = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image)
        done.append(np.asarray(function(picture)).reshape(image.shape))
    return np.stack(done)


def same(images: np.ndarray, value: int) -> np.ndarray:
    return np.full(len(images), value)


@pytest.mark.parametrize("C", [1, 3])
def test_what_needs_no_histogram_is_pillows(C):
    images = photos(5, 30, 20, C)
    for threshold in (0, 1, 100, 128, 255, 256):
        expected = by_pillow(images, lambda p, t=threshold: ImageOps.solarize(p, t))
        np.testing.assert_array_equal(
            looked_up(images, solarized(same(images, threshold))), expected
        )
    for bits in (1, 2, 4, 7, 8):
        expected = by_pillow(images, lambda p, b=bits: ImageOps.posterize(p, b))
        np.testing.assert_array_equal(looked_up(images, posterized(same(images, bits))), expected)
    negatives = by_pillow(images, ImageOps.invert)
    np.testing.assert_array_equal(augmented("invert=1", images), negatives)


def uneven(N: int, H: int, W: int, C: int) -> np.ndarray:
    """Images whose levels crowd about one, another in each channel."""
    rng = np.random.default_rng(7)
    middle = rng.integers(60, 200, (N, 1, 1, C))
    return np.clip(middle + 15 * rng.standard_normal((N, H, W, C)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("step", [1, 2, 3, 8])
def test_equalised_as_by_pillow_where_255_divides_the_pixels_that_are_not_the_brightest(C, step):
    rest, brightest = 255 * step, 45
    rng = np.random.default_rng(step)
    planes = np.full((4, C, rest + brightest), 200)
    planes[:, :, :rest] = np.clip(rng.normal(120, 25, (4, C, rest)), 10, 199)
    images = planes.transpose(0, 2, 1)[:, :, None].astype(np.uint8)  # (4, H, 1, C)
    equal = augmented("equalize=1", images)
    np.testing.assert_array_equal(equal, by_pillow(images, ImageOps.equalize))
    assert (equal.min((1, 2)) == 0).all() and (equal.max((1, 2)) == 255).all()


def test_large_images_are_equalised_nearly_as_by_pillow():
    images = uneven(2, 300, 280, 3)
    apart = np.abs(
        augmented("equalize=1", images) - by_pillow(images, ImageOps.equalize).astype(int)
    )
    assert apart.max() <= 1  # it divides by 329 and not by 329.4


def test_small_images_are_equalised_where_pillow_makes_them_white_or_nothing():
    images = uneven(6, 32, 32, 3)
    images[:, 0, :5] = 255
    theirs, ours = by_pillow(images, ImageOps.equalize), augmented("equalize=1", images)
    assert (theirs == 255).mean() > 0.2 and (ours == 255).mean() < 0.02
    tiny = uneven(3, 10, 10, 3)
    np.testing.assert_array_equal(by_pillow(tiny, ImageOps.equalize), tiny)
    shares = np.sort(augmented("equalize=1", tiny).reshape(3, 100, 3), axis=1) / 255
    even = np.linspace(0, 1, 100)[:, None]
    assert np.abs(shares - even).max() < 0.1, "as many dark as bright"


@pytest.mark.parametrize("width", [1, 3, 5, 15, 17, 51, 85, 255])
def test_stretched_as_by_pillow_where_the_levels_fall_on_whole_ones(width):
    rng = np.random.default_rng(width)
    images = rng.integers(0, width + 1, (3, 20, 30, 3))
    images[:, 0, 0], images[:, 0, 1] = 0, width
    images = (images + rng.integers(0, 256 - width, (3, 1, 1, 3))).astype(np.uint8)
    expected = by_pillow(images, ImageOps.autocontrast)
    np.testing.assert_array_equal(augmented("autocontrast=1", images), expected)


def test_stretched_levels_are_rounded_where_pillow_cuts_off():
    images = uneven(5, 20, 30, 3)
    theirs, ours = by_pillow(images, ImageOps.autocontrast), augmented("autocontrast=1", images)
    assert set(np.unique(ours - theirs)) == {0, 1}
    low, high = (images.min((1, 2), keepdims=True), images.max((1, 2), keepdims=True))
    exact = (images - low.astype(float)) / (high - low.astype(float)) * 255
    assert np.abs(ours - exact).max() <= 0.5


def test_images_of_one_level_stay_as_they_are():
    images = np.full((2, 6, 5, 3), 77, np.uint8)
    np.testing.assert_array_equal(augmented("equalize=1,autocontrast=1", images), images)


def test_gamma_by_hand():
    (table,) = raised(np.array([2.0]))
    assert table[[0, 16, 51, 128, 255]].tolist() == [0, 1, 10, 64, 255]  # l^2 / 255
    images = photos(40)
    np.testing.assert_array_equal(augmented("gamma=0", images), images)
    x = augmented("gamma=1", images).astype(int)
    ((_, tables),) = drawn(steps.Gamma(1), MANY).tones
    gammas = np.log(tables[:, 128] / 255) / np.log(128 / 255)
    assert 0.49 < gammas.min() < 0.51 and 1.95 < gammas.max() < 2.02
    assert abs(np.log2(gammas).mean()) < SIGMA
    for image, y in zip(images, x, strict=True):
        order = np.argsort(image.ravel(), kind="stable")
        assert (np.diff(y.ravel()[order]) >= 0).all()


def test_tones_follow_each_other_as_the_steps_do():
    images = uneven(4, 16, 17, 3)
    few = Fixed(lambda changes: changes.look_up(np.ones(4, bool), posterized(same(images, 2))))
    first, last = (
        augmented(Augment(order), images)
        for order in ((few, steps.Autocontrast(1)), (steps.Autocontrast(1), few))
    )
    two_bits = by_pillow(images, lambda p: ImageOps.posterize(p, 2))
    assert np.abs(first - by_pillow(two_bits, ImageOps.autocontrast)).max() <= 1  # cut off
    wide = augmented("autocontrast=1", images).astype(np.uint8)
    np.testing.assert_array_equal(last, by_pillow(wide, lambda p: ImageOps.posterize(p, 2)))
    assert np.abs(first - last).max() > 50


@pytest.mark.parametrize(
    "words", ["solarize=0:0.3", "posterize=1:0.3", "equalize=0.3", "autocontrast=0.3", "invert=0.3"]
)
def test_some_images_are_changed_and_the_others_are_not(words):
    images = uneven(300, 9, 8, 3)
    changed = (augmented(words, images) != images).any((1, 2, 3))
    assert abs(changed.mean() - 0.3) < 4 * np.sqrt(0.21 / 300)
    ((kinds, _),) = drawn(Augment.parse(words).steps[0], MANY).tones
    assert abs((kinds != KEEP).mean() - 0.3) < SIGMA


def test_thresholds_and_bits_are_drawn_evenly_from_their_ranges():
    ((_, tables),) = drawn(steps.Solarize(100, 1), MANY).tones
    thresholds = (tables != np.arange(256)).argmax(1)
    assert (thresholds.min(), thresholds.max()) == (100, 255)
    assert abs(thresholds.mean() - 177.5) < 3
    ((_, tables),) = drawn(steps.Posterize(3, 1), MANY).tones
    bits = np.log2([len(np.unique(table)) for table in tables]).astype(int)
    shares = np.bincount(bits, minlength=8)[3:] / MANY
    assert len(shares) == 5 and np.abs(shares - 0.2).max() < SIGMA


def test_sharpness_is_pillows_but_for_rounding_and_the_edge():
    images = photos(3, 12, 9)
    for factor in (0.0, 0.4, 1.5, 2.0):
        do = Fixed(lambda changes, f=factor: changes.sharpen(np.full(3, f - 1)))
        ours = augmented(Augment((do,)), images)
        theirs = by_pillow(images, lambda p, f=factor: ImageEnhance.Sharpness(p).enhance(f))
        assert np.abs(ours - theirs)[:, 1:-1, 1:-1].max() <= 1 + abs(factor - 1) / 2
    amounts = drawn(steps.Sharpness(0.6), MANY).sharpness
    assert np.abs(amounts).max() <= 0.6 and np.abs(amounts).max() > 0.59
    assert abs(amounts.mean()) < 0.6 * SIGMA


def test_to_smooth_twice_is_to_smooth_entirely_at_most():
    images = photos(2, 12, 9)
    smooth, once = (
        [Fixed(lambda changes: changes.sharpen(np.full(2, -1.0)))] * count for count in (2, 1)
    )
    np.testing.assert_array_equal(
        augmented(Augment(tuple(smooth)), images), augmented(Augment(tuple(once)), images)
    )
