"""What each step draws and does, against exact identities and the distributions it promises."""

import numpy as np
import pytest

from tests.data.augment.drawn import MANY, SIGMA, Fixed, augmented, drawn, photos
from tinyvision.data import Augment, Preprocess
from tinyvision.data import augment as steps
from tinyvision.data.augment.affine import rotated, scaled, sheared, shifted
from tinyvision.data.augment.apply import blur_weights
from tinyvision.data.augment.colour import brighten, saturate, stretch
from tinyvision.data.augment.edges import pixel_at
from tinyvision.data.augment.mix import beta_quantile


def test_a_flip_mirrors_half_of_the_images():
    images = photos(200)
    x = augmented("flip", images)
    mirrored = (x == images[:, :, ::-1]).all((1, 2, 3))
    kept = (x == images).all((1, 2, 3))
    assert (mirrored ^ kept).all()
    assert abs(drawn(steps.Flip(), MANY).flipped.mean() - 0.5) < SIGMA
    assert abs(drawn(steps.Flip(0.1), MANY).flipped.mean() - 0.1) < SIGMA
    np.testing.assert_array_equal(augmented("flip=1", images), images[:, :, ::-1])
    np.testing.assert_array_equal(augmented("flip=1,flip=1", images), images)
    np.testing.assert_array_equal(augmented("flip=0", images), images)


def test_a_vertical_flip_exchanges_top_and_bottom_of_half_of_the_images():
    images = photos(40)
    np.testing.assert_array_equal(augmented("flip-vertical=1", images), images[:, ::-1])
    np.testing.assert_array_equal(augmented("flip-vertical=1,flip-vertical=1", images), images)
    turned = np.rot90(images, 2, axes=(1, 2))
    np.testing.assert_array_equal(augmented("flip-vertical=1,flip=1", images), turned)
    assert abs(drawn(steps.FlipVertical(), MANY).upended.mean() - 0.5) < SIGMA
    assert not drawn(steps.FlipVertical(), MANY).flipped.any()
    both = drawn(steps.FlipVertical(), MANY).upended & drawn(steps.Flip(), MANY).flipped
    assert abs(both.mean() - 0.25) < SIGMA, "the two are drawn apart"


def test_an_alternating_flip_shows_the_other_side_in_every_epoch():
    epochs = [drawn(steps.AlternatingFlip(), MANY, epoch=e).flipped for e in range(4)]
    assert abs(epochs[0].mean() - 0.5) < SIGMA
    np.testing.assert_array_equal(epochs[1], ~epochs[0])
    np.testing.assert_array_equal(epochs[2], epochs[0])
    np.testing.assert_array_equal(epochs[3], ~epochs[0])


def test_an_alternating_flip_goes_by_the_image_wherever_it_stands():
    images = photos(2)
    ids = {"ids": np.array([41, 42])}
    first, moved = (
        augmented("alternating-flip", images, places=p, **ids) for p in ([0, 1], [9, 5])
    )
    np.testing.assert_array_equal(first, moved)


def test_a_crop_is_a_window_of_the_padded_image():
    images = photos(50, 6, 5)
    x = augmented("crop=2", images)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    seen = set()
    for image, wide in zip(x, padded, strict=True):
        found = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if (wide[i : i + 6, j : j + 5] == image).all()
        ]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) > 15
    down = drawn(steps.Crop(3), MANY).down
    share = np.bincount(down + 3, minlength=7) / MANY
    assert len(share) == 7 and np.abs(share - 1 / 7).max() < SIGMA


@pytest.mark.parametrize(
    ("edge", "mode"), [("mirror", "reflect"), ("repeat", "edge"), ("mean", "constant")]
)
def test_edges_are_numpys_padding(edge, mode):
    line = np.arange(10, 15)
    seen = pixel_at(np.arange(-9, 14), 5, edge)
    expected = np.pad(line, 9, mode=mode)
    np.testing.assert_array_equal(np.where(seen < 0, 0, line[seen]), expected)
    assert (pixel_at(np.arange(-4, 4), 1, "mirror") == 0).all()


def test_what_lies_beyond_the_edge_is_the_mean_colour():
    images = np.full((40, 4, 4, 3), 255, np.uint8)
    prepare = Preprocess((4, 4), 3, mean=(0.2, 0.4, 0.6), std=(1 / 255,))
    x = augmented("crop=2,edge=mean", images, prepare=prepare)
    beyond = np.abs(x).max(-1) < 1e-3  # 51, 102 and 153 are whole levels
    white = np.abs(x - (255 - np.array([51, 102, 153]))).max(-1) < 1e-3
    assert (beyond ^ white).all() and 0.3 < beyond.mean() < 0.6


def done(images: np.ndarray, *do, edge: str = "mirror") -> np.ndarray:
    return augmented(Augment(tuple(Fixed(one) for one in do), edge), images)


def by(value: float, images: np.ndarray) -> np.ndarray:
    return np.full(len(images), float(value))


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_quarter_turns_are_numpys(turns):
    images = photos(3, 9, 9)
    angle = by(np.pi / 2 * turns, images)
    x = done(images, lambda changes: changes.move(rotated(angle)))
    np.testing.assert_array_equal(x, np.rot90(images, turns, axes=(1, 2)))


def test_maps_follow_each_other_as_the_steps_do():
    images = photos(3, 9, 9)
    quarter, down = rotated(by(np.pi / 2, images)), shifted(by(2, images), by(0, images))
    turned_first = done(images, lambda c: c.move(quarter), lambda c: c.move(down))
    expected = np.rot90(images, axes=(1, 2))[:, [2, 1, 0, 1, 2, 3, 4, 5, 6]]  # mirrored at the top
    np.testing.assert_array_equal(turned_first, expected)
    moved_first = done(images, lambda c: c.move(down), lambda c: c.move(quarter))
    expected = np.rot90(images[:, [2, 1, 0, 1, 2, 3, 4, 5, 6]], axes=(1, 2))
    np.testing.assert_array_equal(moved_first[:, :7], expected[:, :7])


def test_flips_and_crops_come_out_the_same_with_a_map_as_without():
    images = photos(30, 7, 10)
    words = "flip,flip-vertical,crop=3,cutout=3"
    for edge in ("mirror", "repeat", "mean"):
        alone = augmented(f"{words},edge={edge}", images)
        np.testing.assert_array_equal(augmented(f"{words},rotate=0,edge={edge}", images), alone)


def test_an_image_twice_as_large_shows_its_middle():
    image = np.zeros((1, 5, 5, 1), np.uint8)
    image[0, 2, 2], image[0, 2, 3] = 200, 100
    x = done(image, lambda changes: changes.move(scaled(by(2, image))))[0, :, :, 0]
    assert x[2].tolist() == [0, 100, 200, 150, 100]
    assert x[1].tolist() == [0, 50, 100, 75, 50]


def test_a_shear_moves_rows_by_their_height():
    images = photos(2, 5, 9)
    x = done(images, lambda c: c.move(sheared(by(1, images), by(0, images))), edge="repeat")
    for i in range(5):  # row i shows column j + i - 2
        columns = np.clip(np.arange(9) + i - 2, 0, 8)
        np.testing.assert_array_equal(x[:, i], images[:, i, columns])


@pytest.mark.parametrize(
    ("step", "number", "most"),
    [
        (steps.Rotate(30), lambda m: np.degrees(np.arctan2(m[:, 0, 1], m[:, 0, 0])), 30),
        (steps.Scale(0.5), lambda m: np.log(m[:, 0, 0]), np.log(1.5)),
        (steps.Shear(20), lambda m: np.degrees(np.arctan(m[:, 1, 0])), 20),
        (steps.Shear(20), lambda m: np.degrees(np.arctan(m[:, 0, 1])), 20),
        (steps.Shift(0.25), lambda m: m[:, 0, 2], 8),  # of 32 rows
        (steps.Shift(0.25), lambda m: m[:, 1, 2], 6),  # of 24 columns
        (steps.Brightness(0.4), lambda m: m[:, 2, 2] - 1, 0.4),
        (steps.Contrast(0.4), lambda m: m[:, 1, 1] - 1, 0.4),
        (steps.Contrast(0.4), lambda m: m[:, 0, 3] / 127.5, 0.4),
    ],
)
def test_amounts_are_uniform_up_to_the_most_either_way(step, number, most):
    changes = drawn(step, MANY)
    values = number(changes.place if changes.place is not None else changes.colour)
    if isinstance(step, steps.Shear):
        values = values[np.abs(values) < 30]
    assert np.abs(values).max() <= most * 1.13  # one slant on top of the other makes it steeper
    assert np.abs(values).max() > 0.98 * most
    assert abs(values.mean()) < most * SIGMA
    assert abs(values.std() - most / np.sqrt(3)) < most * SIGMA


def test_colours_by_hand():
    images = np.array([[100, 50, 200], [0, 255, 30]], np.uint8).reshape(1, 1, 2, 3)
    one = by(1.5, images)
    np.testing.assert_allclose(
        done(images, lambda c: brighten(c, one))[0, 0], [[150, 75, 255], [0, 255, 45]]
    )
    np.testing.assert_allclose(
        done(images, lambda c: stretch(c, one))[0, 0], [[86.25, 11.25, 236.25], [0, 255, 0]]
    )
    gray = images[0, 0] @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(
        done(images, lambda c: saturate(c, 0 * one))[0, 0], gray[:, None].repeat(3, 1), rtol=1e-6
    )
    # One map, clipped once: 100 * 2 * 2 / 4 is 100 again, though 400 on the way.
    twice, quarter = by(4, images), by(0.25, images)
    x = done(images, lambda c: brighten(c, twice), lambda c: brighten(c, quarter))
    np.testing.assert_allclose(x, images)


def test_hue_turns_about_gray_and_keeps_the_luma():
    A = drawn(steps.Hue(180), 300).colour[:, :, :3]
    np.testing.assert_allclose(A.sum(2), 1, atol=2e-3)  # gray stays gray; YIQ has four digits
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma @ A, np.tile(luma, (300, 1)), atol=1e-9)
    # I and Q of red lie at an angle, which grows by the hue's
    i, q = (A[:, :, 0] @ row for row in ([0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]))
    np.testing.assert_allclose(np.hypot(i, q), np.hypot(0.5959, 0.2115), rtol=1e-9)
    angles = np.degrees(np.arctan2(q, i) - np.arctan2(0.2115, 0.5959)) % 360
    assert np.abs(np.histogram(angles, 4, (0, 360))[0] - 75).max() < 35


def test_gray_images_have_neither_hue_nor_saturation():
    images = photos(4, C=1)
    np.testing.assert_array_equal(augmented("hue=90,saturation=1", images), images)
    assert (augmented("brightness=0.5", images) != images).any()


def test_cutout_is_a_square_about_any_pixel():
    images = np.full((300, 12, 10, 1), 255, np.uint8)
    holes = augmented("cutout=4", images)[..., 0] == 0
    areas = holes.sum((1, 2))
    assert areas.max() == 16 and areas.min() == 4  # in a corner a quarter of it
    for hole in holes:
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert holes.any(0).all()


def test_erase_keeps_its_promises():
    step = steps.Erase(0.4, 0.05, 0.2)
    (boxes,) = drawn(step, MANY, 64, 64).holes
    top, bottom, left, right = boxes.T
    height, width = bottom - top, right - left
    chosen = height > 0
    assert abs(chosen.mean() - 0.4) < SIGMA
    assert (boxes >= 0).all() and (boxes <= 64).all()
    area = (height * width)[chosen] / 64**2
    assert 0.04 < area.min() < 0.07 and 0.18 < area.max() < 0.22
    assert abs(area.mean() - 0.125) < 0.01
    aspect = np.log(height[chosen] / width[chosen])
    assert np.abs(aspect).max() < np.log(3.3) + 0.15 and abs(aspect.mean()) < 0.06


def test_blur_weights_are_a_gaussian_and_all_of_the_light():
    sigmas = np.array([0.0, 0.5, 1.0, 2.0])
    weights = blur_weights(sigmas, 6)
    np.testing.assert_array_equal(weights[:, 0] + 2 * weights[:, 1:].sum(1), 256)
    assert weights[0].tolist() == [256, 0, 0, 0, 0, 0, 0]
    variance = 2 * (weights * np.arange(7) ** 2).sum(1) / 256
    np.testing.assert_allclose(variance[2:], sigmas[2:] ** 2, rtol=0.02)
    # narrower than a pixel, at distances -1, 0, 1: e^-2 / (1 + 2 e^-2) on each side
    assert weights[1, 1] == round(256 * np.exp(-2) / (1 + 2 * np.exp(-2) + 2 * np.exp(-8)))


def test_some_images_are_blurred_by_any_amount():
    sigmas = drawn(steps.Blur(2, 0.3), MANY).sigmas
    blurred = sigmas[sigmas > 0]
    assert abs(len(blurred) / MANY - 0.3) < SIGMA
    assert 1.95 < blurred.max() < 2 and abs(blurred.mean() - 1) < 0.07


def test_blur_and_noise():
    images = photos(200, 10, 10)
    x = augmented("blur=2:0.5", images)
    blurred = (x != images).any((1, 2, 3))
    assert 0.3 < blurred.mean() < 0.6  # some are blurred by next to nothing
    assert x[blurred].std((1, 2, 3)).mean() < 0.8 * images[blurred].std((1, 2, 3)).mean()
    flat = np.full((200, 10, 10, 3), 128, np.uint8)
    spread = augmented("noise=20", flat).std((1, 2, 3))
    assert 17 < spread.max() < 23 and 8 < spread.mean() < 12 and spread.min() < 1


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 3.0])
def test_beta_quantiles_have_the_moments_of_beta(alpha):
    u = (np.arange(200_000) + 0.5) / 200_000
    x = beta_quantile(u, alpha)
    assert (np.diff(x) >= 0).all() and x.min() >= 0 and x.max() <= 1
    assert abs(x.mean() - 0.5) < 1e-6
    assert x.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=1e-3)


def test_beta_quantiles_in_closed_form():
    u = np.linspace(0, 1, 101)
    np.testing.assert_allclose(beta_quantile(u, 1.0), u, atol=1e-6)
    np.testing.assert_allclose(beta_quantile(u, 0.5), np.sin(np.pi * u / 2) ** 2, atol=1e-6)


def mixed(words: str, N: int = 6, H: int = 8, W: int = 8, epoch: int = 0):
    images = np.repeat(np.arange(N, dtype=np.uint8) * 40, H * W).reshape(N, H, W, 1)
    prepare = Preprocess((H, W), 1, std=(1 / 255,))
    labels = np.arange(N) % 3
    return Augment.parse(words).batch(images, labels, prepare, classes=3, epoch=epoch)


def test_mixup_blends_images_and_labels_alike():
    x, targets = mixed("mixup=1")
    assert targets.dtype == np.float32 and targets.shape == (6, 3)
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    for n in range(6):
        before = (n - 1) % 6
        share = targets[n, n % 3]
        np.testing.assert_allclose(targets[n, before % 3], 1 - share, atol=1e-6)
        np.testing.assert_allclose(x[n], 40 * (share * n + (1 - share) * before), atol=1e-3)
    shares = targets[np.arange(6), np.arange(6) % 3]
    assert len(set(shares.tolist())) == 6 and shares.min() >= 0.5


def test_cutmix_labels_go_by_the_area():
    shares = []
    for epoch in range(30):
        x, targets = mixed("cutmix=1:1", epoch=epoch)
        for n in range(6):
            own = (x[n] == 40 * n).mean()
            np.testing.assert_allclose(targets[n, n % 3], own, atol=1e-6)
            assert set(np.unique(x[n])) <= {40.0 * n, 40.0 * ((n - 1) % 6)}
            shares.append(own)
    assert np.min(shares) < 0.3 and np.max(shares) > 0.95 and 0.5 < np.mean(shares) < 0.8


def test_mixup_and_cutmix_together():
    x, targets = mixed("mixup=1,cutmix=1:1")
    np.testing.assert_allclose(targets.sum(1), 1, rtol=1e-6)
    expected = np.stack(
        [targets[n, n % 3] * n + targets[n, (n - 1) % 3] * ((n - 1) % 6) for n in range(6)]
    )
    np.testing.assert_allclose(x.mean((1, 2, 3)), 40 * expected, rtol=1e-4, atol=1e-2)


def test_mixed_tags_are_mixed_answers():
    tags = np.array([[1, 1, 0], [0, 0, 1]], np.float32)
    images = np.zeros((2, 4, 4, 3), np.uint8)
    augment = Augment.parse("mixup=1")
    _, targets = augment.batch(images, tags, Preprocess((4, 4), 3), classes=3)
    np.testing.assert_allclose(targets[0, 0], targets[0, 1])
    np.testing.assert_allclose(targets[:, 0] + targets[:, 2], 1, rtol=1e-6)
    assert 0 < targets[0, 0] < 1
