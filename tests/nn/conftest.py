"""Layers are tested on the reference backend; the kernels' own tests hold the others to it."""

import pytest

import tinyvision as tv


@pytest.fixture(autouse=True)
def reference():
    with tv.using("reference"):
        yield
