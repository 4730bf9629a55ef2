"""Fixtures that several packages' tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; tests that need it skip loudly where it is missing."""
    root = Path(os.environ.get("TINYVISION_DATA") or Path(__file__).parents[1] / "../shared/data")
    if not root.is_dir():
        pytest.skip(f"no data sets at {root}: let TINYVISION_DATA name the folder with mnist/")
    return root.resolve()


@pytest.fixture(scope="session")
def cifar10_folder(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 in its official binary layout, unpacked once for all tests that read it."""
    script = data_root / "unpack_cifar10.py"
    if not script.is_file():
        pytest.skip(f"no CIFAR-10 under {data_root}")
    folder = tmp_path_factory.mktemp("data") / "cifar10"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder
