"""Large images one at a time: several threads that decode one each would fill the memory."""

import threading
from contextlib import AbstractContextManager, nullcontext

LARGE = 16_000_000  # pixels: 48 MB as RGB, several times that while it is decoded

_one_at_a_time = threading.Lock()


def room_for(size: tuple[int, int]) -> AbstractContextManager[object]:
    """Return what to hold while an image of (H, W) pixels is decoded; small ones never wait."""
    return _one_at_a_time if size[0] * size[1] > LARGE else nullcontext()
