"""The built-in shapes: outlines against geometry, pictures against what the docstring promises."""

import numpy as np
import pytest

from tinyvision.data.named.outlines import OUTLINES
from tinyvision.data.named.shapes import CLASSES, make_shapes
from tinyvision.errors import DataError

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(600, size=32, seed=3)


STEP = 0.01  # between the points of the plane


def plane():
    """Points of the square from -1.2 to 1.2."""
    line = np.arange(-1.2, 1.2, STEP, np.float32)
    return np.meshgrid(line, line)


# Areas by elementary geometry; the outlines' code has no areas in it.
AREAS = {
    "circle": np.pi * 0.85**2,
    "square": 1.38**2,
    "ring": np.pi * (0.92**2 - 0.52**2),
    "triangle": 3 * np.sqrt(3) / 4,  # equilateral in the unit circle
    "cross": 2 * 1.9 * 0.54 - 0.54**2,
    "heart": 1 + np.pi * 0.25,  # unit square and two half discs of diameter 1
    "star": 10 * 0.5 * 1 * 0.42 * np.sin(np.pi / 5),  # ten triangles around the centre
    "hourglass": 4 * (0.06 * 0.74 + 0.8 * 0.74**2 / 2),  # four trapezia
    # Head: right angle at the tip, height 0.8. Shaft: from -0.95 to the head at 0.17, width 0.4.
    "arrow": 0.8**2 + 1.12 * 0.4,
}


@pytest.mark.parametrize("name", AREAS)
def test_an_outline_encloses_its_area(name):
    x, y = plane()
    cover = np.clip(0.5 - OUTLINES[name](x, y) / STEP, 0, 1)  # share of the cell inside
    assert cover.sum() * STEP**2 == pytest.approx(AREAS[name], rel=2e-3)


def test_the_moon_is_a_disc_without_a_disc():
    x, y = plane()
    inside = OUTLINES["moon"](x, y) < 0
    expected = (x**2 + y**2 < 0.92**2) & ((x - 0.46) ** 2 + y**2 > 0.76**2)
    assert np.array_equal(inside, expected)


@pytest.mark.parametrize("name", CLASSES)
def test_an_outline_stays_in_its_circle_and_rises_by_one_per_unit(name):
    x, y = plane()
    distance = OUTLINES[name](x, y)
    assert distance.dtype == np.float32
    assert distance[np.hypot(x, y) > 1.0].min() > 0
    near = np.abs(distance[1:-1, 1:-1]) < 0.05
    slope = np.hypot(*(g[1:-1, 1:-1] for g in np.gradient(distance, STEP)))[near]
    assert np.median(slope) == pytest.approx(1, abs=1e-3)  # edges are equally soft everywhere
    assert slope.max() < 1.02


def test_the_set_is_what_it_says(shapes):
    assert shapes.name == "shapes"
    assert shapes.images.shape == (600, 32, 32, 3)
    assert shapes.classes == (
        "arrow", "circle", "cross", "heart", "hourglass",
        "moon", "ring", "square", "star", "triangle",
    )  # fmt: skip
    for start in range(0, 600, 10):
        assert sorted(shapes.labels[start : start + 10]) == list(range(10))
    assert len({tuple(shapes.labels[i : i + 10]) for i in range(0, 600, 10)}) > 50
    assert len(np.unique(shapes.images.reshape(600, -1), axis=0)) == 600


def test_a_longer_set_begins_with_the_shorter_one(shapes):
    # 600 images of 32 x 32 are drawn in several blocks; 135 end within the second.
    for n in (0, 1, 135):
        part = make_shapes(n, size=32, seed=3)
        assert np.array_equal(part.images, shapes.images[:n])
        assert np.array_equal(part.labels, shapes.labels[:n])


def test_another_seed_draws_other_images(shapes):
    other = make_shapes(100, size=32, seed=4)
    assert not np.array_equal(other.labels, shapes.labels[:100])
    assert (other.images != shapes.images[:100]).mean() > 0.9


@pytest.mark.parametrize("size", [8, 33, (20, 48), (48, 20)])
def test_any_size(size):
    H, W = (size, size) if isinstance(size, int) else size
    assert make_shapes(20, size).images.shape == (20, H, W, 3)


def test_a_picture_looks_the_same_at_any_size(shapes):
    large = make_shapes(100, size=96, seed=3).images.astype(np.float64)
    shrunk = large.reshape(100, 32, 3, 32, 3, 3).mean(axis=(2, 4))  # 3 x 3 pixels to one
    # What differs is noise (10 grey levels from end to end) and rounding.
    assert np.abs(shrunk - shapes.images[:100]).mean() < 4


def test_shapes_stand_out_from_the_background_even_in_grey(shapes):
    grey = shapes.images @ LUMA
    for i in range(100):
        # The frame of the picture is background, its commonest brightness elsewhere the shape.
        spread = np.percentile(grey[i], 98) - np.percentile(grey[i], 2)
        assert spread > 50, f"image {i} ({CLASSES[shapes.labels[i]]}) has hardly any contrast"


def test_pixel_values_use_the_range_without_noise_drowning_the_picture(shapes):
    assert shapes.images.min() == 0
    assert shapes.images.max() == 255
    corners = shapes.images[:, :3, :3].astype(np.float64)  # nearly flat: background and noise
    deviation = np.median(corners.std(axis=(1, 2)))
    assert 2 < deviation < 5  # uniform noise of width 10 has 10 / sqrt(12) = 2.9


def test_shapes_are_brighter_or_darker_tilted_and_moved():
    shapes = make_shapes(1000, size=48, seed=5)
    squares = (shapes.images[shapes.labels == CLASSES.index("square")] @ LUMA).astype(np.float64)
    centre, corner = squares[:, 24, 24], squares[:, 1, 1]  # squares are large: the middle is inside
    assert 0.3 < (centre > corner).mean() < 0.7
    inside = np.abs(squares - centre[:, None, None]) < np.abs(squares - corner[:, None, None])
    rows, columns = inside.any(axis=2), inside.any(axis=1)
    box = rows.sum(axis=1) * columns.sum(axis=1) / inside.sum(axis=(1, 2))
    # A square tilted by t fills 1 / (cos t + sin t)^2 of its bounding box: 1 to 1.64 at 20 degrees.
    assert np.quantile(box, 0.1) < 1.25
    assert np.quantile(box, 0.9) > 1.4
    tops = rows.argmax(axis=1)
    assert tops.std() > 2


def test_colour_does_not_give_the_class_away():
    """A nearest-neighbour vote on colour statistics must do no better than guessing."""
    shapes = make_shapes(2000, size=16, seed=8)
    pixels = shapes.images.reshape(2000, -1, 3) / 255
    # Without place: the frame's colour, and the most different pixel from it, the shape's.
    frame = shapes.images[:, 0, :, :].mean(axis=1) / 255
    furthest = np.abs(pixels - frame[:, None]).sum(axis=2).argmax(axis=1)
    features = np.hstack([frame, pixels[np.arange(2000), furthest]])
    known, asked = features[:1000], features[1000:]
    nearest = ((asked[:, None] - known[None]) ** 2).sum(axis=2).argmin(axis=1)
    accuracy = (shapes.labels[nearest] == shapes.labels[1000:]).mean()
    assert accuracy < 0.1 + 5 * np.sqrt(0.1 * 0.9 / 1000)


def test_place_and_size_vary_alike_in_all_classes():
    """The middle of the picture alone must not tell much: that would be a trivial set."""
    pytest.importorskip("sklearn")
    from sklearn.linear_model import RidgeClassifier

    shapes = make_shapes(3000, size=16, seed=8)
    x = (shapes.images @ LUMA).reshape(3000, -1)
    accuracy = RidgeClassifier().fit(x[:2000], shapes.labels[:2000]).score(
        x[2000:], shapes.labels[2000:]
    )  # fmt: skip
    assert accuracy < 0.4


@pytest.mark.parametrize(("n", "size"), [(-1, 32), (10, 7), (10, (32, 4))])
def test_what_cannot_be_drawn_is_refused(n, size):
    with pytest.raises(DataError, match="cannot be drawn; ask for 0 images or more and sides of"):
        make_shapes(n, size)


def test_the_drawing_is_pinned():
    """Trained models are compared on this set, so a release must not change it unawares."""
    image = make_shapes(1, size=32, seed=0)
    assert CLASSES[image.labels[0]] == "cross"
    # A tolerance, since sine and cosine differ in the last bit from one processor to another.
    assert image.images.mean(axis=(0, 1, 2)) == pytest.approx([168.35, 148.95, 64.12], abs=0.1)
