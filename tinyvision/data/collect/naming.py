"""Names of folders and files: nothing of what strangers write reaches the disk unchecked."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from ..layout import is_ignored_folder

# What each of Pillow's formats is called on disk. The content decides, never the address.
_SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",  # several JPEGs in one file, as stereo cameras and phones write
    "JPEG2000": ".jp2",
    "TIFF": ".tif",
}
_SAME = {".jpg": {".jpeg", ".jpe"}, ".tif": {".tiff"}, ".jp2": {".j2k", ".jpx"}, ".ppm": {".pnm"}}
_IMAGE_SUFFIXES = {".png", ".gif", ".bmp", ".webp", ".avif", ".ico", ".qoi", ".heic"}.union(
    _SAME, *_SAME.values()
)
_LONGEST_STEM = 40  # characters
_LONGEST_LABEL = 200  # bytes; file systems take 255
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*]')  # Windows' list, which has POSIX's slash
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def suffix_of(format: str) -> str:
    """Return the ending of file names for one of Pillow's formats, such as ``.png``."""
    return _SUFFIXES.get(format, f".{format.lower()}")


def file_name(url: str, sha256: str, format: str) -> str:
    """Name a stored image: where it came from, for people; its content, so that none collide.

    ``https://example.org/My%20Cat.png?size=l`` becomes ``My-Cat-9f86d081884c.jpg`` if it is a JPEG
    whose SHA-256 starts so.
    """
    parts = urlsplit(url)
    source = parts.fragment if parts.scheme == "file" and parts.fragment else parts.path
    stem = PurePosixPath(unquote(source, errors="replace")).stem
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-_")[:_LONGEST_STEM].rstrip("-_")
    return f"{stem or 'image'}-{sha256[:12]}{suffix_of(format)}"


def with_suffix_of(path: Path, format: str) -> Path:
    """Give a path the ending of a format, unless it has one that means the same."""
    suffix = suffix_of(format)
    if path.suffix.lower() in {suffix, *_SAME.get(suffix, ())}:
        return path
    if path.suffix.lower() in _IMAGE_SUFFIXES:
        return path.with_suffix(suffix)
    return path.with_name(path.name + suffix)  # "cat.v2" is a name, not an ending


def label_problem(label: str) -> str | None:
    """Say why a class cannot be a folder's name; None if it can, on every system."""
    if not label or label.strip(" ") != label or label.strip(".") != label:
        return "it is empty, or begins or ends with a blank or a dot"
    if not label.isprintable():  # control characters, and bytes that are no Unicode
        return "it holds characters that cannot be printed"
    if _NOT_IN_NAMES.search(label):
        return 'it holds one of < > : " / \\ | ? *'
    if _DEVICES.fullmatch(label):
        return "Windows keeps this name for a device"
    if len(label.encode()) > _LONGEST_LABEL:
        return f"it is longer than {_LONGEST_LABEL} bytes"
    if is_ignored_folder(label):
        return "folders of this name are passed over"
    return None
