"""How many images of each class a training, a validation and a test part have; and some of them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..data import Augment, Dataset, Splits, contact_sheet
from ..data.augment import augmented_examples
from ..report.words import printable
from .common import shown


def show_splits(
    screen: Console, splits: Splits, image_shape: tuple[int, int, int]
) -> dict[str, Any]:
    """Show how many images of each class each part has; return the same as JSON knows it.

    Parameters
    ----------
    screen : Console
    splits : Splits
    image_shape : tuple of int
        (H, W, C) of an image as the network sees it.
    """
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    columns = {part: d.counts().tolist() for part, d in parts.items()}
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class")
    for title in ("train", "validation", "test", "together"):
        table.add_column(title, justify="right")
    classes = splits.train.classes
    for label, *counts in zip(classes, *columns.values(), strict=True):
        table.add_row(Text(printable(label)), *(f"{n:,}" for n in (*counts, sum(counts))))
    totals = [len(d) for d in parts.values()]
    table.add_section()
    table.add_row("all", *(f"{n:,}" for n in (*totals, sum(totals))), style="bold")
    H, W, C = image_shape
    screen.print(table)
    screen.print(f"as the network sees them: {H} x {W} x {C}", highlight=False)
    return {
        "image_shape": list(image_shape),
        "classes": list(classes),
        "parts": {
            part: dict(zip(d.classes, columns[part], strict=True)) for part, d in parts.items()
        },
    }


def draw_sheet(
    screen: Console,
    images: Dataset,
    target: Path,
    counts: NDArray[np.int64] | None = None,
    augment: Augment | None = None,
) -> dict[str, Any]:
    """Draw the contact sheet and say where it is; ``counts`` where only some images are given.

    With ``augment`` it shows one image of each class, and behind it what the network would see.
    """
    if augment is not None:
        counts = images.counts() if counts is None else counts
        images = augmented_examples(images, augment)
    contact_sheet(images, target, counts=counts)
    screen.print(f"contact sheet: {shown(target)}", highlight=False, markup=False, soft_wrap=True)
    return {"sheet": str(target)}
