"""Decoding by simplejpeg: bit for bit what Pillow gives, and everything unusual left to Pillow."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision.data.images import ImageError, decode, jpeg

FAST = jpeg.fast_decoder()
pytestmark = pytest.mark.skipif(FAST is None, reason="simplejpeg is not installed")


@pytest.fixture
def taken(monkeypatch) -> list[bool]:
    """Whether each JPEG from now on was decoded by simplejpeg."""
    seen = []

    def watched(content: bytes, side: int | None) -> np.ndarray | None:
        pixels = FAST(content, side)
        seen.append(pixels is not None)
        return pixels

    monkeypatch.setattr(jpeg, "fast_decoder", lambda: watched)
    return seen


@pytest.fixture
def by_pillow(monkeypatch):
    def run(content: bytes, channels: int, at_least: tuple[int, int] | None) -> np.ndarray:
        with monkeypatch.context() as patch:
            patch.setattr(jpeg, "fast_decoder", lambda: None)
            return decode(content, channels, at_least=at_least)

    return run


def photo(H: int, W: int, mode: str = "RGB", **options) -> bytes:
    rng = np.random.default_rng(H * W)
    small = Image.fromarray(rng.integers(0, 256, (6, 5, 3), np.uint8))
    smooth = np.asarray(small.resize((W, H), Image.Resampling.BICUBIC), np.float64)
    pixels = (smooth + rng.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, "JPEG", **{"quality": 88, **options})
    return out.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("at_least", [None, (64, 64), (32, 20), (7, 9)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_every_bit_is_pillows(taken, by_pillow, channels, at_least, subsampling):
    for H, W in ((64, 64), (97, 131), (240, 65), (301, 402)):
        content = photo(H, W, subsampling=subsampling, progressive=H == 97)
        pixels = decode(content, channels, at_least=at_least)
        expected = by_pillow(content, channels, at_least)
        np.testing.assert_array_equal(pixels, expected)
        assert pixels.flags.c_contiguous and pixels.flags.writeable
    assert taken == [True] * 4


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_photos(taken, by_pillow, channels):
    content = photo(200, 300, "L")
    np.testing.assert_array_equal(decode(content, channels), by_pillow(content, channels, None))
    assert taken == [True]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(taken, by_pillow, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = photo(90, 140, exif=exif)
    pixels = decode(content, 3, at_least=(20, 30))
    assert (pixels.shape[0] > pixels.shape[1]) == (orientation >= 5)
    np.testing.assert_array_equal(pixels, by_pillow(content, 3, (20, 30)))
    assert taken == [True]


def test_real_photos(taken, by_pillow, data_root: Path):
    for path in sorted((data_root / "photos" / "sign-digits" / "7").iterdir())[:20]:
        content = path.read_bytes()
        for at_least in (None, (32, 32)):
            expected = by_pillow(content, 3, at_least)
            np.testing.assert_array_equal(decode(path, 3, at_least=at_least), expected)
    assert taken == [True] * 40


@pytest.mark.parametrize("content", [photo(200, 100, "CMYK"), photo(63, 200)])
def test_what_is_unusual_is_left_to_pillow(taken, by_pillow, content):
    expected = by_pillow(content, 3, (10, 10))
    np.testing.assert_array_equal(decode(content, 3, at_least=(10, 10)), expected)
    assert taken == [False]


def test_a_damaged_photo_gets_pillows_verdict(by_pillow):
    whole = photo(200, 300)
    for content in (whole[: len(whole) // 2], whole[:30], whole[:3]):
        with pytest.raises(ImageError) as expected:
            by_pillow(content, 3, None)
        with pytest.raises(ImageError) as refused:
            decode(content, 3)
        assert str(refused.value) == str(expected.value)


def test_a_photo_that_only_pillow_refuses_is_named(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = photo(90, 140, exif=exif)
    header = content[:2] + b"\xff\xe0\x00\x06JFIF" + content[2:]  # cut off behind its name
    (tmp_path / "a.jpg").write_bytes(header)
    with pytest.raises(
        ImageError, match=r"a\.jpg: it starts like a JPEG, but its header is damaged"
    ):
        decode(tmp_path / "a.jpg", 3)


def test_a_damage_that_pillow_passes_over_is_passed_over(by_pillow, data_root: Path):
    content = (data_root / "odd-images" / "made_zeroed_middle_flower.jpg").read_bytes()
    np.testing.assert_array_equal(decode(content, 3), by_pillow(content, 3, None))


def test_a_bomb_is_left_to_pillow(taken, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    with pytest.raises(ImageError, match="decompression bomb"):
        decode(photo(200, 300), 3)
    assert taken == [False]
