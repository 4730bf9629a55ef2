"""What all tests of training share."""

from collections.abc import Iterator

import pytest

import tinyvision as tv


@pytest.fixture(autouse=True)
def reference() -> Iterator[None]:
    """Train on the reference backend, which compiles nothing; nothing here is about kernels."""
    with tv.using("reference"):
        tv.seed(0)
        yield
