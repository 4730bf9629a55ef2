"""Contracts of the shortcut around a residual block that has no parameters."""

from .registry import Pair, Shape, kernel, need, rank


def _checked(name: str, array: Shape, stride: Pair, channels: Pair) -> None:
    rank(name, array, "NHWC")
    need(min(stride) >= 1, f"stride must be at least 1, it is {stride}")
    need(min(channels) >= 0, f"channels {channels} before and after must not be negative")


@kernel("y", bfloat16=True)
def pad_shortcut(x: Shape, stride: Pair, channels: Pair) -> tuple[Shape, ...]:
    """y[n,i,j,before + c] = x[n, i*sh, j*sw, c], and 0 in the other channels.

    ``channels`` = (before, after): how many of zeros stand before and after those of x. It is
    option A of He et al. 2016, section 4.2.
    """
    _checked("x", x, stride, channels)
    rows, columns = -(-x[1] // stride[0]), -(-x[2] // stride[1])
    return ((x[0], rows, columns, x[3] + sum(channels)),)


@kernel("dx", bfloat16=True)
def pad_shortcut_dx(dy: Shape, size: Pair, stride: Pair, channels: Pair) -> tuple[Shape, ...]:
    """dx[n, i*sh, j*sw, c] = dy[n,i,j,before + c], 0 at pixels left out; ``size`` = (H, W) of x."""
    _checked("dy", dy, stride, channels)
    expected = (-(-size[0] // stride[0]), -(-size[1] // stride[1]))
    need(dy[1:3] == expected, f"dy must be (N, {expected[0]}, {expected[1]}, C), it is {dy}")
    C = dy[3] - sum(channels)
    need(C >= 1, f"dy {dy} has no channels but the {channels} of zeros")
    return ((dy[0], *size, C),)
