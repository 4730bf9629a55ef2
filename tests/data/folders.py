"""Folders of small pictures for tests, each image a flat gray that tells it from the others."""

from pathlib import Path

import numpy as np
from PIL import Image

# The odd images that no decoder takes, as README.txt beside them has it.
BROKEN = {
    "broken.png",
    "broken_data_stream.png",
    "decompression_bomb.gif",
    "made_empty.jpg",
    "made_half_hopper.jpg",
    "made_text_named.png",
    "truncated_image.png",
    "truncated_jpeg.jpg",
    "zero_width.gif",
}


def put(path: Path, value: int = 0, size: tuple[int, int] = (6, 6)) -> Path:
    """Write a flat gray PNG of (H, W) pixels, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (size[1], size[0]), value).save(path)
    return path


def fill(root: Path, **classes: int) -> Path:
    """Write so many images to each class folder."""
    for name, count in classes.items():
        for i in range(count):
            put(root / name / f"{i}.png", i)
    return root


def paint(path: Path, seed: int, size: tuple[int, int] = (64, 64)) -> Path:
    """Write a picture of (H, W) pixels in colour patches, unlike those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(patches).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    picture.save(path)
    return path
