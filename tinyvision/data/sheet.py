"""A contact sheet: some images of every class on one page, to see at a glance what a set is."""

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..errors import DataError
from ..files import write_atomically
from .dataset import Dataset
from .resize import resize

MARGIN = 32  # around the page, in pixels
GAP = 6  # between images
ROW_GAP = 14  # between classes
CAPTION_WIDTH = 220  # of the longest class name; longer ones are shortened
PAGE, INK, PALE = "#ffffff", "#1f2328", "#6e7781"

# Fonts with the letters of many languages, on Linux, macOS and Windows
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf")
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    dataset: Dataset,
    path: Path | str,
    per_class: int = 8,
    *,
    counts: NDArray[np.int64] | None = None,
) -> None:
    """Draw some images of every class, a row each, and save them as a PNG.

    The images are taken at even distances from the whole class, since neighbours in a folder often
    show the same scene. Small images are enlarged by whole factors, so that their pixels stay
    visible.

    Parameters
    ----------
    dataset : Dataset
        With 1 or 3 channels.
    path : path
        The PNG to write; its folder must exist.
    per_class : int
        Most images in a row.
    counts : ndarray of int64, shape (K,), optional
        How many images each class has, where ``dataset`` holds only some of them to be drawn.

    Raises
    ------
    DataError
        No images, no such folder, or no right to write there.
    """
    if len(dataset) == 0 or per_class < 1:
        raise DataError(
            f"{dataset.name}: a contact sheet takes at least 1 image of a class, "
            f"got {len(dataset)} images and {per_class} for each class."
        )
    page = _draw(dataset, per_class, dataset.counts() if counts is None else counts)
    try:
        page.save(path, "PNG", optimize=True)
    except OSError as error:
        raise DataError(
            f"The contact sheet cannot be written to {path}: {error.strerror}."
        ) from error


def save_image(image: NDArray[np.uint8], path: Path | str) -> None:
    """Save one image (H, W, C) of 1 or 3 channels as a PNG, pixel by pixel as it is.

    Raises
    ------
    OSError
        The file cannot be written; what was there is intact.
    """
    content = BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(content, "PNG")
    write_atomically(Path(path), content.getvalue())


def spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Take at most ``most`` rows at even distances."""
    picks = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
    return rows.take(picks)


def _draw(dataset: Dataset, per_class: int, counts: NDArray[np.int64]) -> Image.Image:
    thumb_H, thumb_W = _thumbnail_size(dataset)
    columns = min(per_class, int(dataset.counts().max()))
    title_font, name_font, small_font = (
        _font(size, "".join([dataset.name, *dataset.classes])) for size in (22, 16, 13)
    )
    captions = [_shortened(name, name_font) for name in dataset.classes]
    notes = [f"{count:,} image{'' if count == 1 else 's'}" for count in counts.tolist()]
    left = (
        MARGIN
        + 20
        + int(
            max(
                *(name_font.getlength(caption) for caption in captions),
                *(small_font.getlength(note) for note in notes),
            )
        )
    )
    subtitle = (
        f"{counts.sum():,} images of {dataset.image_shape[0]} x {dataset.image_shape[1]} pixels, "
        f"{len(dataset.classes)} classes"
    )
    top = MARGIN + 68
    row_H = max(thumb_H, 40)
    text_W = int(max(title_font.getlength(dataset.name), small_font.getlength(subtitle)))
    width = max(left + columns * (thumb_W + GAP) - GAP, MARGIN + text_W) + MARGIN
    height = top + len(captions) * (row_H + ROW_GAP) - ROW_GAP + MARGIN

    page = Image.new("RGB", (width, height), PAGE)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), dataset.name, INK, title_font, anchor="lt")
    pen.text((MARGIN, MARGIN + 32), subtitle, PALE, small_font, anchor="lt")
    for k, (caption, note) in enumerate(zip(captions, notes, strict=True)):
        y = top + k * (row_H + ROW_GAP)
        middle = y + row_H // 2
        # Both by their base lines ("ls"), whatever letters reach below them.
        pen.text((MARGIN, middle - 3), caption, INK, name_font, anchor="ls")
        pen.text((MARGIN, middle + 15), note, PALE, small_font, anchor="ls")
        for column, i in enumerate(spread(np.flatnonzero(dataset.labels == k), columns)):
            image = _thumbnail(dataset.images[i], (thumb_H, thumb_W))
            page.paste(image, (left + column * (thumb_W + GAP), y + (row_H - thumb_H) // 2))
    return page


def _font(size: int, text: str) -> Font:
    """Pick Pillow's own font, or where it lacks letters of the text a common one of the system.

    Pillow's font, the same everywhere, has ASCII only. Letters that no font has appear as boxes.
    """
    if not text.isascii():
        for file in _WIDE_FONTS:
            with suppress(OSError):  # not installed
                return ImageFont.truetype(file, size)
    return ImageFont.load_default(size)


def _thumbnail_size(dataset: Dataset) -> tuple[int, int]:
    """Choose one size for all images: about 96 pixels, less where there are many classes."""
    K = len(dataset.classes)
    wanted = 96 if K <= 20 else 64 if K <= 100 else 40
    H, W, _ = dataset.image_shape
    longest = max(H, W)
    if longest <= wanted:
        factor = wanted // longest
        return H * factor, W * factor
    return max(H * wanted // longest, 1), max(W * wanted // longest, 1)


def _thumbnail(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    factor = max(size[0] // image.shape[0], 1)
    # each pixel becomes factor x factor pixels: (H, W, C) to (H * factor, W * factor, C)
    enlarged = image.repeat(factor, axis=0).repeat(factor, axis=1)
    scaled = resize(enlarged, size, "stretch")
    return Image.fromarray(scaled[:, :, 0] if scaled.shape[2] == 1 else scaled).convert("RGB")


def _shortened(name: str, font: Font) -> str:
    if font.getlength(name) <= CAPTION_WIDTH:
        return name
    while font.getlength(name + "...") > CAPTION_WIDTH:
        name = name[:-1]
    return name + "..."
