"""The shortcut without parameters: pixels move, nothing is computed."""

from ..contract import Pair
from .bfloat16 import bits
from .chunks import Arrays, Settings, chunk_rows, chunked
from .jit import Array, body_jit
from .rows import copy, zero


@body_jit
def _take_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, x = arrays
    H, W, C, OH, OW, O, down, across, before = settings
    for row in range(start, stop):  # of y: N * OH of them
        n, i = row // OH, row % OH
        for j in range(OW):
            to = (row * OW + j) * O
            zero(y, to, before)
            copy(y, to + before, x, ((n * H + i * down) * W + j * across) * C, C)
            zero(y, to + before + C, O - before - C)


@body_jit
def _give_rows(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    dx, dy = arrays
    H, W, C, OH, OW, O, down, across, before = settings
    for row in range(start, stop):  # of dx: N * H of them
        n, h = row // H, row % H
        if h % down:
            zero(dx, row * W * C, W * C)
            continue
        for w in range(W):
            to = (row * W + w) * C
            if w % across:
                zero(dx, to, C)
            else:
                copy(dx, to, dy, ((n * OH + h // down) * OW + w // across) * O + before, C)


_take = chunked(_take_rows)
_give = chunked(_give_rows)


def _settings(x: Array, y: Array, stride: Pair, channels: Pair) -> Settings:
    return *x.shape[1:], *y.shape[1:], int(stride[0]), int(stride[1]), int(channels[0])


def pad_shortcut(y: Array, x: Array, stride: Pair, channels: Pair) -> None:
    """Take every pixel at the stride's steps, between channels of zeros."""
    N, OH, OW, O = y.shape
    flat = bits(y).reshape(-1), bits(x).reshape(-1)
    _take(flat, _settings(x, y, stride, channels), N * OH, chunk_rows(N * OH, OW * O))


def pad_shortcut_dx(dx: Array, dy: Array, size: Pair, stride: Pair, channels: Pair) -> None:
    """Give each pixel that was taken its gradient, and zero to the others."""
    N, H, W, C = dx.shape
    flat = bits(dx).reshape(-1), bits(dy).reshape(-1)
    _give(flat, _settings(dx, dy, stride, channels), N * H, chunk_rows(N * H, W * C))
