"""A web on this machine, retries that do not wait, and an empty folder."""

import pytest

from tests.data.collect.server import Server
from tinyvision.data.collect import fetch


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(fetch, "PAUSE", 0.001)


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "collection"
