"""Folders of small pictures for tests, each image a flat gray that tells it from the others."""

from pathlib import Path

from PIL import Image


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
