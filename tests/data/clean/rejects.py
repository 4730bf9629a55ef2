"""A folder with something to reject, and ways to look at what became of it."""

import json
import shutil
from pathlib import Path

from tests.data.folders import paint


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its content, hidden ones too, but for the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def make(root: Path) -> Path:
    """Two good images of each of two classes, and three rejects in three ways."""
    for i in range(2):
        paint(root / "train" / "cat" / f"{i}.png", i)
        paint(root / "train" / "dog" / f"{i}.png", 10 + i)
        paint(root / "test" / "dog" / f"{i}.png", 20 + i)
    shutil.copy(root / "train" / "cat" / "0.png", root / "train" / "cat" / "copy.png")
    (root / "train" / "dog" / "deep").mkdir()
    (root / "train" / "dog" / "deep" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (root / "test" / "dog" / "empty ünï.png").write_bytes(b"")
    return root


MOVED = {
    "duplicate/train/cat/copy.png": "train/cat/copy.png",
    "broken/train/dog/deep/broken.jpg": "train/dog/deep/broken.jpg",
    "broken/test/dog/empty ünï.png": "test/dog/empty ünï.png",
}


def journal(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_bytes().splitlines()]
