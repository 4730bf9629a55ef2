"""Pixels are checked against files written here byte by byte, not against another decoder."""

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvision.data.images import ImageError, ImageInfo, decode, probe
from tinyvision.errors import DataError

# ---------------------------------------------------------------- hand-made files


def png(rows: list[bytes], width: int, depth: int, color: int, **chunks: bytes) -> bytes:
    """A PNG from its specification: signature, IHDR, the given chunks, IDAT, IEND (filter 0)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, len(rows), depth, color, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    for kind, body in chunks.items():
        out += chunk(kind.encode(), body)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return out + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp24(pixels: np.ndarray) -> bytes:
    """A 24-bit BMP: rows bottom up, blue first, each padded to four bytes."""
    H, W, _ = pixels.shape
    rows = [pixels[i, :, ::-1].tobytes().ljust((3 * W + 3) // 4 * 4, b"\0") for i in range(H)]
    body = b"".join(reversed(rows))
    header = struct.pack("<IiiHHIIiiII", 40, W, H, 1, 24, 0, len(body), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + header + body


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def gray(data: bytes) -> list[list[int]]:
    array = decode(data, 1)
    assert array.shape[2] == 1
    return array[:, :, 0].tolist()


def rgb(data: bytes) -> list[list[list[int]]]:
    return decode(data, 3).tolist()


# ---------------------------------------------------------------- the modes, one by one


def test_rgb_pixels_rows_and_columns() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
    out = decode(bmp24(pixels), 3)
    assert out.dtype == np.uint8 and out.flags.c_contiguous and out.flags.writeable
    np.testing.assert_array_equal(out, pixels)


def test_colour_to_gray_is_bt601_luma() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8)
    assert gray(bmp24(pixels)) == [[76, 150, 29, 18]]  # 0.299 R + 0.587 G + 0.114 B


def test_gray_to_colour_repeats_the_channel() -> None:
    assert rgb(png([bytes([0, 7, 255])], 3, 8, 0)) == [[[0] * 3, [7] * 3, [255] * 3]]


def test_one_bit() -> None:
    assert gray(b"P4\n3 2\n" + bytes([0b01000000, 0b10100000])) == [[255, 0, 255], [0, 255, 0]]


def test_gray_with_alpha_lies_on_white() -> None:
    row = bytes([0, 255, 0, 0, 0, 128, 100, 51])  # (value, alpha) pairs
    assert gray(png([row], 4, 8, 4)) == [[0, 255, 127, 224]]  # 100 * 0.2 + 255 * 0.8 = 224


def test_rgba_lies_on_white() -> None:
    row = bytes([200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51])
    expected = [[200, 100, 0], [255, 255, 255], [244, 224, 204]]  # c * 0.2 + 255 * 0.8
    assert rgb(png([row], 3, 8, 6)) == [expected]


def test_palette_and_palette_with_transparency() -> None:
    palette = bytes([10, 20, 30, 40, 50, 60, 70, 80, 90])
    row = bytes([2, 0, 1])
    assert rgb(png([row], 3, 8, 3, PLTE=palette)) == [[[70, 80, 90], [10, 20, 30], [40, 50, 60]]]
    see_through = png([row], 3, 8, 3, PLTE=palette, tRNS=bytes([0, 255, 0]))
    assert rgb(see_through) == [[[255] * 3, [255] * 3, [40, 50, 60]]]
    assert gray(see_through) == [[255, 255, 48]]


def test_one_transparent_colour() -> None:
    row = bytes([1, 2, 3, 4, 5, 6])
    data = png([row], 2, 8, 2, tRNS=struct.pack(">HHH", 1, 2, 3))
    assert rgb(data) == [[[255, 255, 255], [4, 5, 6]]]
    data = png([bytes([9, 8])], 2, 8, 0, tRNS=struct.pack(">H", 9))
    assert gray(data) == [[255, 8]]


def test_sixteen_bit_is_divided_by_257() -> None:
    values = [0, 128, 129, 257, 32896, 65406, 65407, 65535]
    expected = [0, 0, 1, 1, 128, 254, 255, 255]  # round(v / 257)
    assert gray(png([struct.pack(">8H", *values)], 8, 16, 0)) == [expected]
    data = png([struct.pack(">8H", *values)], 8, 16, 0, tRNS=struct.pack(">H", 129))
    assert gray(data) == [[0, 0, 255, *expected[3:]]]  # the see-through value lies on white


def test_sixteen_bit_big_endian_tiff() -> None:
    tags = [
        (256, 4, 2), (257, 4, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 134),
        (277, 3, 1), (278, 4, 1), (279, 4, 4),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    head = b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + struct.pack(">I", 0)
    assert gray(head.ljust(134, b"\0") + struct.pack(">HH", 257, 25700)) == [[1, 100]]


def test_integers_are_read_as_sixteen_bit() -> None:
    assert gray(b"P5\n3 1\n65535\n" + struct.pack(">3H", 0, 2570, 65535)) == [[0, 10, 255]]
    wide = Image.fromarray(np.array([[0, 65536]], np.int32))
    with pytest.raises(ImageError, match=r"32-bit integers run from 0 to 65536, and only 0..65535"):
        decode(saved(wide, "TIFF"), 1)


def test_floats() -> None:
    def tiff(*values: float) -> bytes:
        return saved(Image.fromarray(np.array([values], np.float32)), "TIFF")

    assert gray(tiff(0, 0.5, 1)) == [[0, 128, 255]]  # 127.5 rounds to even
    assert gray(tiff(0, 1.5, 254.6)) == [[0, 2, 255]]
    for bad in [(0, 256), (-0.1, 1), (0, float("nan")), (0, float("inf"))]:
        with pytest.raises(ImageError, match="floating-point values run from"):
            decode(tiff(*bad), 1)


@pytest.mark.parametrize(
    ("lab", "expected"),  # L* a* b* under D50, the white of ICC profiles
    [((54.3, 80.8, 69.9), [255, 0, 0]), ((50.0, 0.0, 0.0), [119, 119, 119])],
)
def test_lab(lab: tuple[float, float, float], expected: list[int]) -> None:
    stored = (round(lab[0] * 2.55), 128 + round(lab[1]), 128 + round(lab[2]))
    image = Image.merge("LAB", [Image.new("L", (1, 1), value) for value in stored])
    np.testing.assert_allclose(rgb(saved(image, "TIFF")), [[expected]], atol=6)


def test_remaining_modes_by_pillows_own_conversion() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (4, 4, 3), np.uint8))
    for mode in ("YCbCr", "CMYK"):
        np.testing.assert_allclose(decode(saved(image.convert(mode), "TIFF"), 3), image, atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_every_exif_orientation(orientation: int, format: str) -> None:
    # Upright picture (rows): 1 2 3 / 4 5 6.  Stored rows as CIPA DC-008 defines each value.
    stored = {
        1: [[1, 2, 3], [4, 5, 6]],
        2: [[3, 2, 1], [6, 5, 4]],
        3: [[6, 5, 4], [3, 2, 1]],
        4: [[4, 5, 6], [1, 2, 3]],
        5: [[1, 4], [2, 5], [3, 6]],
        6: [[3, 6], [2, 5], [1, 4]],
        7: [[6, 3], [5, 2], [4, 1]],
        8: [[4, 1], [5, 2], [6, 3]],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(np.array(stored[orientation], np.uint8)), format, exif=exif)
    assert gray(data) == [[1, 2, 3], [4, 5, 6]]
    assert probe(data) == ImageInfo((2, 3), "L", format)


def test_an_orientation_that_does_not_exist_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert gray(saved(Image.new("L", (2, 1), 7), "PNG", exif=exif)) == [[7, 7]]


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert gray(data) == [[10, 10], [10, 10]]


# ---------------------------------------------------------------- sources


def test_sources(tmp_path: Path) -> None:
    data = bmp24(np.full((2, 2, 3), 7, np.uint8))
    path = tmp_path / "named.jpg"  # content decides
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data)):
        assert decode(source, 3).shape == (2, 2, 3)
        assert probe(source) == ImageInfo((2, 2), "RGB", "BMP")
    with path.open("rb") as file:
        decode(file, 1)
        assert not file.closed


@pytest.mark.parametrize("channels", [0, 2, 4, "3"])
def test_wrong_channels(channels: int) -> None:
    with pytest.raises(DataError, match=r"1 channel \(gray\) or 3 \(RGB\), not"):
        decode(b"", channels)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone.png: there is no such file\.$"):
        decode(tmp_path / "gone.png", 3)
    with pytest.raises(ImageError, match="it is a folder, not an image"):
        decode(tmp_path, 3)


def test_error_names_the_open_file_and_carries_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    with path.open("rb") as file, pytest.raises(ImageError) as caught:
        decode(file, 3)
    assert caught.value.path == str(path)
    assert caught.value.reason == "the file is empty"
    with pytest.raises(ImageError, match=r"^image: the file is empty\.$"):
        decode(b"", 3)


def test_heic_and_unknown_binary() -> None:
    with pytest.raises(ImageError, match=r"HEIC photo.*save it as JPEG"):
        decode(b"\0\0\0\x18ftypheic" + bytes(100), 3)
    with pytest.raises(ImageError, match="none of the known image formats"):
        decode(bytes(range(256)), 3)


def test_postscript_is_never_run() -> None:
    data = saved(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(ImageError, match="holds text, not an image"):
        decode(data, 3)


def test_a_png_cut_anywhere_is_refused_or_whole() -> None:
    data = png([np.random.default_rng(i).bytes(24) for i in range(8)], 8, 8, 2)
    whole = decode(data, 3)
    for length in range(len(data)):
        if length < len(data) - 20:  # IEND and the two checksums after the pixels may be missing
            with pytest.raises(ImageError):
                decode(data[:length], 3)
        else:
            np.testing.assert_array_equal(decode(data[:length], 3), whole)


# ---------------------------------------------------------------- warnings and threads


def test_threads_leave_the_warning_filters_as_they_were(data_root: Path) -> None:
    noisy = (data_root / "odd-images" / "hopper_bad_exif.jpg").read_bytes()
    before = list(warnings.filters)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                decode(noisy, 1, at_least=(8, 8))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(warnings.filters) == before


def test_large_photo_is_decoded_smaller_but_alike() -> None:
    ramp = np.linspace(0, 255, 800).astype(np.uint8)
    image = Image.fromarray(np.repeat(ramp[None, :], 400, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(image, "JPEG", quality=95, exif=exif)
    full, small = decode(data, 1), decode(data, 1, at_least=(40, 50))
    assert full.shape == (800, 400, 1)
    assert small.shape == (200, 100, 1)  # 1/4: 1/8 would leave 50 of the 100 asked for
    blocks = full.reshape(200, 4, 100, 4, 1).mean(axis=(1, 3))  # (h, 4, w, 4, 1) to (h, w, 1)
    np.testing.assert_allclose(small, blocks, atol=3)
