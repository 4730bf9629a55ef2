"""Functions on tensors are tested on the reference backend: formulas, not speed."""

from collections.abc import Iterator

import pytest

from tinyvision import backend


@pytest.fixture(autouse=True)
def on_reference() -> Iterator[None]:
    with backend.using("reference"):
        yield
