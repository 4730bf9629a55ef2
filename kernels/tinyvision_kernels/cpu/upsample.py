"""Upsampling to the nearest neighbour."""

from ..contract import Pair
from .chunks import Arrays, Settings, chunk_rows, chunked
from .exponential import constant
from .jit import Array, body_jit


@body_jit
def _upsample_rows(arrays: Arrays, factor: Settings, start: int, stop: int) -> None:
    y, x = arrays  # y (N*H*fh, W*fw, C), x (N*H, W, C)
    fh, fw = factor
    for row in range(start, stop):
        for j in range(y.shape[1]):
            target, source = y[row, j], x[row // fh, j // fw]
            for c in range(target.size):
                target[c] = source[c]


@body_jit
def _upsample_dx_rows(arrays: Arrays, factor: Settings, start: int, stop: int) -> None:
    dx, dy = arrays  # dx (N*H, W, C), dy (N*H*fh, W*fw, C)
    fh, fw = factor
    zero = constant(0, dy[0, 0, 0])
    for row in range(start, stop):
        for q in range(dx.shape[1]):
            pixel = dx[row, q]
            for c in range(pixel.size):
                pixel[c] = zero
            for r in range(fh):
                for s in range(fw):
                    slope = dy[row * fh + r, q * fw + s]
                    for c in range(pixel.size):
                        pixel[c] += slope[c]


_upsample2d = chunked(_upsample_rows)
_upsample2d_dx = chunked(_upsample_dx_rows)


def _rows(x: Array) -> Array:
    N, H, W, C = x.shape
    return x.reshape(N * H, W, C)


def upsample2d(y: Array, x: Array, factor: Pair) -> None:
    """Repeat each pixel fh x fw times."""
    y, x = _rows(y), _rows(x)
    rows = chunk_rows(len(y), y.shape[1] * y.shape[2])
    _upsample2d((y, x), (int(factor[0]), int(factor[1])), len(y), rows)


def upsample2d_dx(dx: Array, dy: Array, factor: Pair) -> None:
    """Sum over the fh x fw cells that each pixel became."""
    dx, dy = _rows(dx), _rows(dy)
    rows = chunk_rows(len(dx), dy.shape[1] * dy.shape[2] * factor[0])
    _upsample2d_dx((dx, dy), (int(factor[0]), int(factor[1])), len(dx), rows)
