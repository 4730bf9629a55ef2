"""Fixtures that several packages' tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; tests that need it skip loudly where it is missing."""
    root = Path(os.environ.get("TINYVISION_DATA") or Path(__file__).parents[1] / "../shared/data")
    if not root.is_dir():
        pytest.skip(f"no data sets at {root}: let TINYVISION_DATA name the folder with mnist/")
    return root.resolve()
