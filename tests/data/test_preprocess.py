import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision.data.dataset import Dataset
from tinyvision.data.images import ImageError, decode
from tinyvision.data.preprocess import Preprocess
from tinyvision.data.resize import Fit, load_image, resize
from tinyvision.errors import DataError


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def make(images: np.ndarray) -> Dataset:
    return Dataset(images, np.zeros(len(images), np.int64), ("a",), "toy")


# ---------------------------------------------------------------- resize


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 7), (16, 24), (100, 100), (8, 12)])
def test_every_fit_reaches_the_size(fit: Fit, channels: int, shape: tuple[int, int]) -> None:
    image = np.full((*shape, channels), 90, np.uint8)
    out = resize(image, (8, 12), fit)
    assert out.shape == (8, 12, channels) and out.dtype == np.uint8 and out.flags.writeable
    if fit == "pad":
        assert set(np.unique(out)) <= {0, 90}
    else:
        assert (out == 90).all()  # a flat picture stays flat up to its borders


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_right_size_is_left_alone(fit: Fit) -> None:
    image = noise(8, 12, 3)
    assert resize(image, (8, 12), fit) is image


def test_crop_keeps_the_middle() -> None:
    wide = np.zeros((10, 30, 1), np.uint8)
    wide[:, 10:20] = 200
    assert (resize(wide, (10, 10), "crop") == 200).all()
    assert (resize(wide.transpose(1, 0, 2), (10, 10), "crop") == 200).all()


def test_crop_is_resize_of_the_shorter_side_then_centre_crop() -> None:
    image = noise(40, 64, 3)
    whole = Image.fromarray(image).resize((32, 20), Image.Resampling.BILINEAR)
    expected = np.asarray(whole)[:, 6:26]
    # Resizing only the middle box sees no pixels beyond it: the border columns may differ.
    np.testing.assert_allclose(resize(image, (20, 20), "crop")[:, 1:-1], expected[:, 1:-1], atol=1)


def test_pad_keeps_everything_between_black_bars() -> None:
    out = resize(np.full((10, 20, 3), 200, np.uint8), (20, 20), "pad")
    assert (out[5:15] == 200).all()
    assert (out[:5] == 0).all() and (out[15:] == 0).all()


def test_reducing_averages_instead_of_picking_pixels() -> None:
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None]
    np.testing.assert_allclose(resize(checks, (8, 8)), 127.5, atol=1)


def test_triangle_filter_by_hand() -> None:
    # Halving 4 pixels: the triangle reaches 2 source pixels to each side of the centre at 1.0;
    # weights at distances .5, .5, 1.5 are .75, .75, .25 -> (3 a + 3 b + c) / 7.
    row = np.array([[[70], [0], [7], [140]]], np.uint8)
    out = resize(row, (1, 2), "stretch")
    expected = [(3 * 70 + 0 + 7) / 7, (0 + 3 * 7 + 3 * 140) / 7]
    np.testing.assert_allclose(out[0, :, 0], expected, atol=0.5)


@pytest.mark.parametrize(
    "image",
    [noise(4, 4, 2), noise(4, 4), noise(4, 4, 3).astype(np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_resize_refuses_other_arrays(image: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 of shape \(H, W, 1\) or \(H, W, 3\), got"):
        resize(image, (2, 2))


@pytest.mark.parametrize("size", [(0, 4), (4,), 4, (4.0, 4), (True, 4), [4, 4]])
def test_wrong_size(size: object) -> None:
    with pytest.raises(DataError, match=r"A size is \(height, width\)"):
        resize(noise(4, 4, 3), size)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"A size is \(height, width\)"):
        Preprocess(size, 3)  # type: ignore[arg-type]


def test_wrong_fit() -> None:
    with pytest.raises(DataError, match="'crop', 'stretch' or 'pad', not 'squeeze'"):
        resize(noise(4, 4, 3), (4, 4), "squeeze")  # type: ignore[arg-type]


# ---------------------------------------------------------------- measure


@pytest.mark.parametrize("channels", [1, 3])
def test_measure_is_exact(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyvision.data.preprocess._CHUNK", 100)  # several chunks
    images = noise(50, 6, 7, channels)
    images[..., 0] //= 3
    found = Preprocess.measure(make(images), "pad")
    scaled = images.astype(np.float64) / 255
    assert (found.size, found.channels, found.fit) == ((6, 7), channels, "pad")
    np.testing.assert_allclose(found.mean, scaled.mean(axis=(0, 1, 2)), rtol=1e-13)
    np.testing.assert_allclose(found.std, scaled.std(axis=(0, 1, 2)), rtol=1e-13)


def test_constant_channel_has_std_one() -> None:
    found = Preprocess.measure(make(np.full((3, 2, 2, 1), 51, np.uint8)))
    assert (found.mean, found.std) == ((0.2,), (1.0,))


def test_tiny_deviation_is_not_lost() -> None:
    images = np.full((1000, 10, 10, 1), 255, np.uint8)
    images[0, 0, 0, 0] = 254
    n = 100_000
    assert Preprocess.measure(make(images)).std == pytest.approx(
        (np.sqrt(n - 1) / n / 255,), rel=1e-12
    )


def test_measured_training_part_becomes_mean_0_std_1() -> None:
    images = noise(40, 5, 5, 3) // 2 + 40
    x = Preprocess.measure(make(images)).batch(images).astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=(0, 1, 2)), 1, atol=1e-6)


def test_nothing_to_measure() -> None:
    with pytest.raises(DataError, match="toy: there are no images to measure"):
        Preprocess.measure(make(np.zeros((0, 2, 2, 1), np.uint8)))
    with pytest.raises(DataError, match=r"1 channel \(gray\) or 3 \(RGB\), not 2"):
        Preprocess.measure(make(noise(2, 2, 2, 2)))


# ---------------------------------------------------------------- image, batch, file


def test_batch_by_the_formula() -> None:
    steps = Preprocess((4, 5), 3, mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    images = noise(6, 4, 5, 3)
    x = steps.batch(images)
    assert x.dtype == np.float32 and x.shape == (6, 4, 5, 3)
    expected = (images / 255 - np.array(steps.mean)) / np.array(steps.std)
    np.testing.assert_allclose(x, expected, atol=2e-6)


def test_batch_in_bfloat16_by_the_bits() -> None:
    steps = Preprocess((4, 5), 3, mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    images = noise(6, 4, 5, 3)
    narrow = steps.batch(images, "bfloat16")
    assert narrow.dtype.name == "bfloat16"
    # the nearest number whose lower 16 bits are 0, of float32's 32
    bits = steps.batch(images).view(np.uint32).astype(np.uint64)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    np.testing.assert_array_equal(narrow.view(np.uint16), nearest)
    with pytest.raises(DataError, match="float32 or bfloat16, not 'uint8'"):
        steps.batch(images, "uint8")


def test_empty_batch() -> None:
    assert Preprocess((4, 5), 1).batch(np.zeros((0, 4, 5, 1), np.uint8)).shape == (0, 4, 5, 1)


def test_batch_brings_other_sizes_to_its_own() -> None:
    steps = Preprocess((4, 4), 3, "stretch")
    images = noise(2, 9, 6, 3)
    expected = np.stack([resize(image, (4, 4), "stretch") for image in images]) / 255
    np.testing.assert_allclose(steps.batch(images), expected, atol=1e-6)
    np.testing.assert_array_equal(steps.image(images[0]), resize(images[0], (4, 4), "stretch"))


def test_one_number_stands_for_all_channels() -> None:
    assert Preprocess((2, 2), 3, mean=(0.5,), std=(0.25,)).std == (0.25, 0.25, 0.25)


def test_wrong_channel_count() -> None:
    gray = Preprocess((4, 4), 1)
    with pytest.raises(DataError, match=r"\(2, 4, 4, 3\) have C=3, but the network takes gray"):
        gray.batch(noise(2, 4, 4, 3))
    with pytest.raises(DataError, match=r"\(9, 4, 3\) have C=3, but the network takes gray"):
        gray.image(noise(9, 4, 3))
    with pytest.raises(DataError, match=r"have C=1, but the network takes RGB \(3 channels\)"):
        Preprocess((4, 4), 3).batch(noise(2, 4, 4, 1))


@pytest.mark.parametrize("images", [noise(4, 4, 3), noise(1, 4, 4, 3) / 255])
def test_batch_refuses_other_arrays(images: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 of shape \(N, H, W, C\), got"):
        Preprocess((4, 4), 3).batch(images)


def test_file(data_root: Path) -> None:
    path = data_root / "odd-images" / "hopper_orientation_6.jpg"
    steps = Preprocess((24, 24), 3, mean=(0.5,), std=(0.5,))
    x = steps.file(path)
    assert x.shape == (24, 24, 3) and x.dtype == np.float32
    upright = resize(decode(data_root / "odd-images" / "hopper.jpg", 3), (24, 24))
    assert np.abs(x - (upright / 127.5 - 1)).mean() < 0.04  # compressed twice: 5 of 255 levels
    np.testing.assert_array_equal(x, steps.file(path.read_bytes()))
    with pytest.raises(ImageError, match=r"broken\.png: it starts like a PNG"):
        steps.file(data_root / "odd-images" / "broken.png")


def test_a_large_jpeg_may_be_decoded_smaller_without_a_visible_change() -> None:
    y, x = np.mgrid[0:900, 0:1200]
    photo = np.stack([x / 5, y / 4, 128 + 100 * np.sin(x / 60) * np.sin(y / 50)], axis=-1)
    out = io.BytesIO()
    Image.fromarray(photo.astype(np.uint8)).save(out, "JPEG", quality=95)
    quick = load_image(out.getvalue(), (48, 64), 3, "crop")
    exact = resize(decode(out.getvalue(), 3), (48, 64), "crop")
    difference = np.abs(quick.astype(int) - exact)
    assert difference.mean() < 1 and difference.max() <= 6  # levels of 255
    assert (quick != exact).any()  # or it was not decoded smaller, and nothing is tested here


# ---------------------------------------------------------------- dictionary

GOOD = {"size": [4, 5], "channels": 3, "fit": "pad", "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}


def test_round_trip_through_json_is_exact() -> None:
    steps = Preprocess.measure(make(noise(9, 4, 5, 3)), "pad")
    assert Preprocess.from_dict(json.loads(json.dumps(steps.to_dict()))) == steps
    assert Preprocess.from_dict(GOOD) == Preprocess((4, 5), 3, "pad", (0.1, 0.2, 0.3), (1, 2, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [4]}, r"A size is \(height, width\)"),
        ({"size": "4x5"}, r"A size is \(height, width\)"),
        ({"channels": 4}, r"3 \(RGB\), not 4"),
        ({"channels": "3"}, r"3 \(RGB\), not '3'"),
        ({"channels": True}, r"3 \(RGB\), not True"),
        ({"fit": None}, "'crop', 'stretch' or 'pad', not None"),
        ({"mean": [0.1, 0.2]}, "mean must have one number for each of 3 channels, got 2"),
        ({"mean": 0.5}, "mean must be finite numbers, got 0.5"),
        ({"mean": [0.1, 0.2, None]}, "mean must be finite numbers"),
        ({"std": [1, 1, float("nan")]}, "std must be finite numbers"),
        ({"std": [1, 1, 0]}, r"std must be above 0, got \(1, 1, 0\)"),
        ({"std": []}, "std must have one number for each"),
        ({"colour": 1}, "missing nothing; unknown colour"),
    ],
)
def test_wrong_dictionaries(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocess.from_dict(GOOD | change)


def test_incomplete_dictionary() -> None:
    with pytest.raises(DataError, match="missing fit, std; unknown nothing"):
        Preprocess.from_dict({k: v for k, v in GOOD.items() if k not in ("fit", "std")})
    with pytest.raises(DataError, match="expected named settings, got list"):
        Preprocess.from_dict([1, 2])  # type: ignore[arg-type]
