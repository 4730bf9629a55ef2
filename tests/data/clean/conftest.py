import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.clean.rejects import make


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make(tmp_path / "photos")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk, so that renaming cannot reach it."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here to move images to")
    folder = shared / f"tinyvision-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
