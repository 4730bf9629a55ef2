"""The place where a photo was taken leaves the file, and nothing else does."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from tests.data.collect.server import picture
from tinyvision.data.answers import RefusedError
from tinyvision.data.collect.location import tells_place, without_location
from tinyvision.data.images import ImageError, decode

SECRET = 1234567891  # a numerator that no other bytes of these files are
GPS = 0x8825
XMP = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    b'exif:GPSLatitude="48,8.1234567891N" dc:creator="Ann"><exif:GPSAltitude>1234567891/1'
    b"</exif:GPSAltitude><exif:GPSTimeStamp/><dc:rights>hers</dc:rights></rdf:Description>"
    b'</x:xmpmeta><?xpacket end="w"?>'
)


def exif(*, place: bool = True) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6  # orientation
    made[0x010F] = "Camera & Sons"
    made.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"  # when
    if place:
        tags = made.get_ifd(GPS)
        tags[1] = "N"
        tags[2] = (TiffImagePlugin.IFDRational(SECRET, 7),) * 3
        tags[29] = "2024:05:06"
    return made


def pixels(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image)


def holds_secret(content: bytes) -> bool:
    numbers = (struct.pack(order + "I", SECRET) for order in "<>")
    return any(secret in content for secret in (*numbers, str(SECRET).encode()))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
@pytest.mark.parametrize("xmp", [None, XMP], ids=["exif", "exif-and-xmp"])
def test_the_place_goes_and_all_else_stays(format, xmp):
    if format not in Image.SAVE and (Image.init(), format not in Image.SAVE)[1]:
        pytest.skip(f"this Pillow writes no {format}")
    options = {"exif": exif().tobytes()}
    if xmp and format in ("PNG", "TIFF"):
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = xmp
        options |= {"pnginfo": info} if format == "PNG" else {}
    elif xmp:
        options["xmp"] = xmp
    if format == "MPO":
        second = Image.open(BytesIO(picture(2)))
        options |= {"save_all": True, "append_images": [second]}
    content = picture(1, format, **options)
    if format == "TIFF":  # Pillow writes no GPS directory of its own accord into a TIFF
        content = tiff_with_place()
    assert holds_secret(content) and tells_place(content)

    bare = without_location(content)
    assert len(bare) == len(content)
    assert not holds_secret(bare) and not tells_place(bare)
    assert (pixels(bare) == pixels(content)).all()
    with Image.open(BytesIO(bare)) as image:
        found = image.getexif()
        assert GPS not in found
        if format != "TIFF":
            assert found[0x0112] == 6
            assert found[0x010F] == "Camera & Sons"
            assert found.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
        if xmp and format != "TIFF":
            kept = image.info["xmp"] if "xmp" in image.info else image.text["XML:com.adobe.xmp"]
            kept = kept.encode() if isinstance(kept, str) else kept
            assert b"GPS" not in kept
            assert b'dc:creator="Ann"' in kept and b"<dc:rights>hers</dc:rights>" in kept
    assert without_location(bare) is bare


def tiff_with_place() -> bytes:
    """Hang a GPS directory on a TIFF by hand: one page, little-endian, entries sorted by tag."""
    content = bytearray(picture(1, "TIFF"))
    assert content[:4] == b"II*\0"
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    entries = bytes(content[at + 2 : at + 2 + 12 * count])
    rationals = len(content)
    content += struct.pack("<6I", *[SECRET, 7] * 3)
    gps = len(content)
    content += struct.pack("<H", 2) + struct.pack("<HHI4s", 1, 2, 2, b"N\0\0\0")
    content += struct.pack("<HHII", 2, 5, 3, rationals) + bytes(4)
    root = len(content)
    content += struct.pack("<H", count + 1) + entries
    content += struct.pack("<HHII", GPS, 4, 1, gps) + bytes(4)
    struct.pack_into("<I", content, 4, root)
    return bytes(content)


def test_a_file_without_a_place_is_left_as_it_is():
    for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"):
        content = picture(1, format)
        assert without_location(content) is content
    content = picture(1, exif=exif(place=False).tobytes())
    assert without_location(content) is content


def test_what_a_png_hides_in_compressed_text_costs_it_its_metadata_but_no_pixel():
    """ImageMagick keeps EXIF so; the orientation must survive."""
    raw = b"Exif\0\0" + exif().tobytes().removeprefix(b"Exif\0\0")
    text = f"\nexif\n{len(raw):8}\n{raw.hex()}\n"
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text, zip=True)
    content = picture(1, "PNG", pnginfo=info)
    assert tells_place(content)
    bare = without_location(content)
    assert not tells_place(bare)
    assert (pixels(bare) == pixels(content)).all()
    assert (decode(bare, 3) == decode(content, 3)).all()  # turned by the orientation
    assert decode(bare, 3).shape == (48, 40, 3)


@pytest.mark.parametrize("mode", ["P", "L", "LA", "RGBA", "1", "I;16"])
def test_a_png_written_anew_keeps_its_kind(mode):
    rng = np.random.default_rng(3)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (9, 7)).astype(np.uint16))
    else:
        image = Image.open(BytesIO(picture(1))).convert(mode)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    content = BytesIO()
    options = {"transparency": 3} if mode == "P" else {}
    image.save(content, "PNG", pnginfo=info, **options)
    bare = without_location(content.getvalue())
    assert not tells_place(bare)
    with Image.open(BytesIO(bare)) as found:
        assert found.mode == image.mode
        assert found.info.get("transparency") == options.get("transparency")
    assert (decode(bare, 3) == decode(content.getvalue(), 3)).all()


def test_a_place_that_cannot_be_taken_out_refuses_the_file():
    """A WebP whose EXIF begins beyond where it should: Pillow finds it, our bounds do not."""
    content = bytearray(picture(1, "WEBP", xmp=XMP))
    at = content.index(b"<x:xmpmeta")
    content[at : at + 10] = b"<y:xmpmeta"  # not the packet's proper beginning
    with pytest.raises(RefusedError, match="cannot be taken out"):
        without_location(bytes(content))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, when this test looks
def test_damaged_metadata_never_harms():
    """500 files with random bytes in their EXIF: cleaned or refused, never longer, no crash."""
    rng = np.random.default_rng(0)
    content = picture(1, exif=exif().tobytes())
    start = content.index(b"Exif\0\0")
    end = start - 2 + int.from_bytes(content[start - 2 : start], "big")  # the segment's length
    before = pixels(content)
    for _ in range(500):
        damaged = bytearray(content)
        for at in rng.integers(start + 6, end, rng.integers(1, 6)):
            damaged[at] = rng.integers(256)
        try:
            bare = without_location(bytes(damaged))
        except (RefusedError, ImageError):
            continue
        assert len(bare) == len(content)
        assert (pixels(bare) == before).all()  # what lies outside the metadata is never touched
        assert not tells_place(bare)


def test_directories_in_a_circle_come_to_an_end():
    tiff = bytearray(tiff_with_place())
    (root,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, root)
    struct.pack_into("<I", tiff, root + 2 + 12 * count, root)  # the next directory is this one
    assert not holds_secret(without_location(bytes(tiff)))


def test_the_checksum_of_a_changed_chunk_is_right():
    bare = without_location(picture(1, "PNG", exif=exif().tobytes()))
    at = 8
    while at < len(bare):
        size = int.from_bytes(bare[at : at + 4], "big")
        body, stored = bare[at + 4 : at + 8 + size], bare[at + 8 + size : at + 12 + size]
        assert zlib.crc32(body).to_bytes(4, "big") == stored, body[:4]
        at += 12 + size
