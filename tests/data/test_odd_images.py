"""Real files that are strange or broken: decoded right, or refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision.data.images import ImageError, ImageInfo, decode, probe

READABLE = {
    "16bit.cropped.tif": (64, 64, "I;16", "TIFF"),
    "apng_mode_grayscale_alpha.png": (64, 128, "LA", "PNG"),
    "flower.jpg": (360, 480, "RGB", "JPEG"),
    "hopper.jpg": (128, 128, "RGB", "JPEG"),
    "hopper_bad_exif.jpg": (500, 500, "L", "JPEG"),
    "hopper_gray.jpg": (128, 128, "L", "JPEG"),
    "hopper_orientation_3.jpg": (128, 128, "RGB", "JPEG"),
    "hopper_orientation_6.jpg": (128, 128, "RGB", "JPEG"),
    "hopper_orientation_8.jpg": (128, 128, "RGB", "JPEG"),
    "i_trns.png": (64, 64, "I;16", "PNG"),
    "made_bmp_named.jpg": (128, 128, "RGB", "BMP"),
    "made_zeroed_middle_flower.jpg": (360, 480, "RGB", "JPEG"),
    "pil123p.png": (150, 162, "P", "PNG"),
    "pil123rgba.png": (150, 162, "RGBA", "PNG"),
    "pil_sample_cmyk.jpg": (100, 100, "CMYK", "JPEG"),
    "pil_sample_rgb.jpg": (100, 100, "RGB", "JPEG"),
    "progressive_ok.jpg": (160, 256, "RGB", "JPEG"),
}
REFUSED = {
    "LICENSE-Pillow": "it holds text, not an image",
    "README.txt": "it holds text, not an image",
    "broken.png": "it starts like a PNG, but its header is damaged",
    "broken_data_stream.png": "its data is damaged or cut short",
    "decompression_bomb.gif": "it claims to have more than 178,956,970 pixels",
    "made_empty.jpg": "the file is empty",
    "made_half_hopper.jpg": "its data is damaged or cut short",
    "made_text_named.png": "it holds text, not an image",
    "truncated_image.png": "its data is damaged or cut short",
    "truncated_jpeg.jpg": "its data is damaged or cut short",
    "zero_width.gif": "it starts like a GIF, but its header is damaged",
}


@pytest.fixture
def odd(data_root: Path) -> Path:
    return data_root / "odd-images"


def test_every_odd_file_has_an_expectation(odd: Path) -> None:
    assert {path.name for path in odd.iterdir()} == READABLE.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", READABLE)
def test_odd_but_readable(odd: Path, name: str) -> None:
    H, W, mode, format = READABLE[name]
    assert probe(odd / name) == ImageInfo((H, W), mode, format)
    color, gray = decode(odd / name, 3), decode(odd / name, 1)
    assert color.shape == (H, W, 3) and gray.shape == (H, W, 1)
    assert color.std() > 0  # not a blank picture
    luma = color @ [0.299, 0.587, 0.114]
    tolerance = 2.5 if format == "JPEG" else 1  # Pillow rounds after each of two steps
    np.testing.assert_allclose(gray[:, :, 0], luma, atol=tolerance)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("channels", [1, 3])
def test_odd_and_refused_by_name(odd: Path, name: str, channels: int) -> None:
    with pytest.raises(ImageError) as caught:
        decode(odd / name, channels)
    message = str(caught.value)
    assert message.startswith(f"{odd / name}: {REFUSED[name]}")
    assert message.endswith(".") and "\n" not in message


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_cmyk_looks_like_its_rgb_twin(odd: Path) -> None:
    cmyk, twin = (decode(odd / f"pil_sample_{kind}.jpg", 3) for kind in ("cmyk", "rgb"))
    assert distance(cmyk, twin) < 6  # two separations of one picture, without colour profiles
    assert distance(255 - cmyk, twin) > 200  # what the Adobe inversion gone wrong would give


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_turned_hoppers_look_alike(odd: Path, orientation: int) -> None:
    upright = decode(odd / "hopper.jpg", 3)
    turned = decode(odd / f"hopper_orientation_{orientation}.jpg", 3)
    assert distance(turned, upright) < 6  # compressed anew, so not equal
    others = [np.rot90(turned, k) for k in (1, 2, 3)]
    others += [np.rot90(turned[:, ::-1], k) for k in range(4)]
    assert min(distance(other, upright) for other in others) > 30


def test_gray_hopper_and_bmp_twin(odd: Path) -> None:
    upright = decode(odd / "hopper.jpg", 3)
    # The BMP was made by another version of libjpeg, whose arithmetic rounds a little differently.
    np.testing.assert_allclose(decode(odd / "made_bmp_named.jpg", 3), upright, atol=3)
    assert distance(decode(odd / "hopper_gray.jpg", 1), decode(odd / "hopper.jpg", 1)) < 2


def test_palette_and_alpha_twins(odd: Path) -> None:
    assert distance(decode(odd / "pil123p.png", 3), decode(odd / "pil123rgba.png", 3)) < 3
    corner = decode(odd / "pil123rgba.png", 3)[0, 0]
    assert corner.tolist() == [255, 255, 255]  # transparent


def test_sixteen_bit_tiff_by_hand(odd: Path) -> None:
    raw = (odd / "16bit.cropped.tif").read_bytes()
    strip = np.frombuffer(raw, "<u2", 64 * 64, offset=110).reshape(64, 64)
    assert (strip.min(), strip.max()) == (291, 694)  # as listed for this file
    np.testing.assert_array_equal(
        decode(odd / "16bit.cropped.tif", 1)[:, :, 0], np.rint(strip / 257)
    )


def test_sixteen_bit_png_with_a_transparent_value(odd: Path) -> None:
    out = decode(odd / "i_trns.png", 1)[:, :, 0]
    with Image.open(odd / "i_trns.png") as image:
        values, key = np.asarray(image), image.info["transparency"]
    assert 0 < (values == key).sum() < values.size
    np.testing.assert_array_equal(out, np.where(values == key, 255, np.rint(values / 257)))
