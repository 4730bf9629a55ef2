"""Take out of an image file where it was taken, and leave every pixel as it is.

A photo's metadata tells where the photographer lives. Decoding and encoding anew would drop it, but
a JPEG would not be the same picture afterwards. So the coordinates are overwritten where they
stand, byte for byte, and nothing in the file moves:

- EXIF: the GPS directory is emptied and unhooked, in JPEG, PNG, WebP, TIFF, JPEG 2000, AVIF;
  orientation, camera, time and the rest stay;
- XMP: properties whose names start with GPS become blanks.

Then the file is opened again. Should it still tell a place (PNG can hide it in compressed text), a
PNG is written anew without its metadata but for the orientation, pixel by pixel the same; anything
else is refused. Place names that someone typed (IPTC captions), and the private notes of cameras,
are not looked for.
"""

import re
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

from ..answers import RefusedError
from ..images import opened

_GPS, _EXIF_FOLDER = 0x8825, 0x8769  # tags that point to directories
_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_DIRECTORIES = 64  # of one file; more is a circle or a trap

# Where a TIFF structure (the form of EXIF) starts within other files. In a JPEG the two bytes
# before "Exif" are the segment's length, in a PNG the four before "eXIf" and in a WebP the four
# after "EXIF" are the chunk's.
_EXIF = re.compile(
    rb"\xff\xe1(?P<jpeg>..)Exif\0\0(?=II\*\0|MM\0\*)"
    rb"|(?P<png>....)eXIf(?=II\*\0|MM\0\*)"
    rb"|EXIF(?P<webp>....)(?:Exif\0\0)?(?=II\*\0|MM\0\*)"
    rb"|(?:JpgTiffExif->JP2|Exif\0\0|\0\0\0\0)(?=II\*\0|MM\0\*)",
    re.DOTALL,
)
_XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
_XMP_GPS = re.compile(
    rb"""[\w.-]+:GPS\w*\s*=\s*(?:"[^"]*"|'[^']*')|<([\w.-]+:GPS\w*)\b[^>]*?(?:/>|>.*?</\1\s*>)""",
    re.DOTALL,
)


def without_location(content: bytes) -> bytes:
    """Return an image file without the coordinates of the place; the same object if it has none.

    Parameters
    ----------
    content : bytes
        A whole image file of any format that :func:`tinyvision.data.decode` takes.

    Raises
    ------
    RefusedError
        They cannot be taken out.
    ImageError
        It is no image.
    """
    cleaned = bytearray(content)
    if content[:4] in (b"II*\0", b"MM\0*"):
        _blank_gps(cleaned, 0, len(cleaned))
    for match in _EXIF.finditer(content):
        start, end = match.end(), len(content)
        if (length := match["jpeg"]) is not None:
            end = match.start() + 2 + int.from_bytes(length, "big")
        elif (length := match["png"]) is not None:
            end = start + int.from_bytes(length, "big")
        elif (length := match["webp"]) is not None:
            end = match.start() + 8 + int.from_bytes(length, "little")
        _blank_gps(cleaned, start, min(end, len(content)))
    for packet in _XMP.finditer(content):
        blanked = _XMP_GPS.sub(lambda found: b" " * len(found[0]), packet[0])
        cleaned[packet.start() : packet.end()] = blanked
    result = content if cleaned == content else _with_png_checksums(content, cleaned)
    if tells_place(result):
        result = _png_anew(result)
    return result


def tells_place(content: bytes) -> bool:
    """Tell whether an image file says where it was taken, as far as Pillow can read it."""
    with opened(content) as image:
        try:
            if image.getexif().get_ifd(_GPS):
                return True
        except Exception:  # damaged EXIF raises as freely as damaged pixels; nobody reads it
            pass
        texts = [image.info.get("xmp", b""), *getattr(image, "text", {}).values()]
    return any(
        _XMP_GPS.search(text.encode("utf-8", "replace") if isinstance(text, str) else text)
        for text in texts
        if isinstance(text, (str, bytes))
    )


def _blank_gps(data: bytearray, start: int, end: int) -> None:
    """Empty the GPS directories of the TIFF structure in ``data[start:end]`` (TIFF 6.0, part 1).

    What does not lie within its bounds is damaged, and left.
    """
    order = "<" if data[start : start + 1] == b"I" else ">"

    def number(at: int, kind: str) -> int:
        value: int = struct.unpack_from(order + kind, data, start + at)[0]
        return value

    size = end - start
    waiting, seen = [number(4, "I")] if size >= 8 else [], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        at = waiting.pop()
        if at in seen or not 8 <= at <= size - 6:
            continue
        seen.add(at)
        count = number(at, "H")
        last = at + 2 + 12 * count  # of the entries; then 4 bytes that point to the next directory
        if last + 4 > size:
            continue
        waiting.append(number(last, "I"))
        for i in reversed(range(count)):  # each of 12 bytes: tag, type, count, value
            entry = at + 2 + 12 * i
            tag, value = number(entry, "H"), number(entry + 8, "I")
            if tag == _EXIF_FOLDER:
                waiting.append(value)
            elif tag == _GPS:
                _empty_directory(data, start, size, value, order)
                # unhooked: what follows moves up by one entry, within the directory's bytes
                a, b = start + entry, start + last + 4
                data[a:b] = data[a + 12 : b] + bytes(12)
                count -= 1
                struct.pack_into(order + "H", data, start + at, count)
                last -= 12


def _empty_directory(data: bytearray, start: int, size: int, at: int, order: str) -> None:
    """Overwrite a directory and the values it points to with zeros."""
    if not 8 <= at <= size - 2:
        return
    (count,) = struct.unpack_from(order + "H", data, start + at)
    count = min(count, (size - at - 2) // 12)
    for i in range(count):
        entry = start + at + 2 + 12 * i
        _, kind, number, value = struct.unpack_from(order + "HHII", data, entry)
        length = _TYPE_BYTES.get(kind, 1) * number
        if length > 4 and 8 <= value <= value + length <= size:
            data[start + value : start + value + length] = bytes(length)
    data[start + at : start + at + 2 + 12 * count] = bytes(2 + 12 * count)


def _with_png_checksums(before: bytes, after: bytearray) -> bytes:
    """Put right the checksums of the chunks that have changed, where the file is a PNG."""
    if before.startswith(_PNG):
        at = 8
        while at + 12 <= len(after):  # length, kind, data, checksum
            end = at + 8 + int.from_bytes(after[at : at + 4], "big")
            if before[at:end] != after[at:end] and end + 4 <= len(after):
                after[end : end + 4] = zlib.crc32(after[at + 4 : end]).to_bytes(4, "big")
            at = end + 4
    return bytes(after)


def _png_anew(content: bytes) -> bytes:
    """Write a PNG again, with nothing but its pixels, their colours and their orientation."""
    if not content.startswith(_PNG):
        raise RefusedError("tells where it was taken, and that cannot be taken out")
    with opened(content) as image:
        kept = Image.Exif()
        if (orientation := image.getexif().get(_ORIENTATION)) is not None:
            kept[_ORIENTATION] = orientation
        colours: dict[str | tuple[int, int], Any] = {
            key: image.info[key] for key in ("transparency", "gamma") if key in image.info
        }
        image.load()
        bare = image.copy()
        bare.info = colours
        written = BytesIO()
        bare.save(written, "PNG", exif=kept, icc_profile=image.info.get("icc_profile"))
    return written.getvalue()
