"""Contracts of pooling and upsampling."""

from .registry import Pads, Pair, Shape, kernel, need, rank
from .window import windows

MAX_WINDOW = 256  # cells of a max-pool window: their index is kept in one byte


def _pooled(size: Shape, window: Pair, stride: Pair, pad: Pads) -> Pair:
    """Count window positions, each of which must hold a pixel: padding has no value to pool."""
    need(
        max(pad[:2]) < window[0] and max(pad[2:]) < window[1],
        f"padding {pad} must be smaller than the window {window}",
    )
    return windows(size, window, stride, pad)


def _gradient_of_pooled(dy: Shape, size: Pair, window: Pair, stride: Pair, pad: Pads) -> None:
    rank("dy", dy, ("N", "OH", "OW", "C"))
    expected = _pooled(size, window, stride, pad)
    need(
        dy[1:3] == expected,
        f"dy must be (N, {expected[0]}, {expected[1]}, C), it is {dy}; x has {size} pixels",
    )


def _indexable(window: Pair) -> None:
    need(
        window[0] * window[1] <= MAX_WINDOW,
        f"window {window} has more than {MAX_WINDOW} cells: use avg_pool2d, or a smaller window",
    )


@kernel("y", "argmax", dtypes={"argmax": "uint8"}, bfloat16=True)
def max_pool2d(x: Shape, window: Pair, stride: Pair, pad: Pads) -> tuple[Shape, ...]:
    """y = the largest cell of each window, argmax = r*KW + s of the first such cell.

    If a cell is NaN then y is NaN and argmax the first NaN. Cells outside x never win, not even
    against -inf: a window holds at least one real cell.
    """
    rank("x", x, "NHWC")
    _indexable(window)
    pooled = (x[0], *_pooled(x[1:3], window, stride, pad), x[3])
    return (pooled, pooled)


@kernel("dx", dtypes={"argmax": "uint8"}, bfloat16=True)
def max_pool2d_dx(
    dy: Shape, argmax: Shape, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> tuple[Shape, ...]:
    """dx = dy added at the cell of x that won each window; ``size`` = (H, W) of x."""
    need(dy == argmax, f"dy {dy} and argmax {argmax} differ in shape")
    _indexable(window)
    _gradient_of_pooled(dy, size, window, stride, pad)
    return ((dy[0], *size, dy[3]),)


@kernel("y", bfloat16=True)
def avg_pool2d(x: Shape, window: Pair, stride: Pair, pad: Pads) -> tuple[Shape, ...]:
    """y = mean of the real cells of each window (padding is not counted)."""
    rank("x", x, "NHWC")
    return ((x[0], *_pooled(x[1:3], window, stride, pad), x[3]),)


@kernel("dx", bfloat16=True)
def avg_pool2d_dx(
    dy: Shape, size: Pair, window: Pair, stride: Pair, pad: Pads
) -> tuple[Shape, ...]:
    """dx = dy / (real cells of the window), added at each of them."""
    _gradient_of_pooled(dy, size, window, stride, pad)
    return ((dy[0], *size, dy[3]),)


@kernel("y", bfloat16=True)
def global_avg_pool2d(x: Shape) -> tuple[Shape, ...]:
    """y[n,c] = mean over h, w of x[n,h,w,c]."""
    rank("x", x, "NHWC")
    return ((x[0], x[3]),)


@kernel("dx", bfloat16=True)
def global_avg_pool2d_dx(dy: Shape, size: Pair) -> tuple[Shape, ...]:
    """dx[n,h,w,c] = dy[n,c] / (H * W)."""
    rank("dy", dy, "NC")
    return ((dy[0], *size, dy[1]),)


@kernel("y", bfloat16=True)
def upsample2d(x: Shape, factor: Pair) -> tuple[Shape, ...]:
    """y[n,i,j,c] = x[n, i // fh, j // fw, c]: nearest neighbour."""
    rank("x", x, "NHWC")
    need(min(factor) >= 1, f"factor must be at least 1, it is {factor}")
    return ((x[0], x[1] * factor[0], x[2] * factor[1], x[3]),)


@kernel("dx", bfloat16=True)
def upsample2d_dx(dy: Shape, factor: Pair) -> tuple[Shape, ...]:
    """dx[n,h,w,c] = sum of dy over the fh x fw cells that x[n,h,w,c] became."""
    rank("dy", dy, "NHWC")
    need(
        min(factor) >= 1 and dy[1] % factor[0] == 0 and dy[2] % factor[1] == 0,
        f"dy {dy} is no image enlarged by {factor}: its H and W must be multiples",
    )
    return ((dy[0], dy[1] // factor[0], dy[2] // factor[1], dy[3]),)
