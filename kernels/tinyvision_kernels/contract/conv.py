"""Contracts of convolution.

``algorithm`` names a way to compute it that the backend knows, to compare one with the other; with
"auto" it takes the one that it thinks fastest.
"""

from .registry import OptionalShape, Pads, Pair, Shape, kernel, need, rank
from .window import windows

_WEIGHT = ("KH", "KW", "C", "O")
_GRADIENT = ("N", "OH", "OW", "O")


def _some(channels: int, name: str) -> None:
    need(channels >= 1, f"{name}={channels}: a convolution takes and makes at least one channel")


def _divides(groups: int, channels: int, name: str) -> None:
    need(groups >= 1, f"groups must be at least 1, not {groups}")
    _some(channels, name)
    need(channels % groups == 0, f"{name}={channels} channels do not divide into {groups} groups")


@kernel("y", bfloat16=True)
def conv2d(
    x: Shape,
    w: Shape,
    b: OptionalShape,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """y[n,i,j,o] = b[o] + sum_{r,s,c} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,o].

    x (N, H, W, C), zero outside; w (KH, KW, C/groups, O); output channel o reads the C/groups input
    channels of its own group o // (O/groups).
    """
    rank("x", x, "NHWC")
    rank("w", w, _WEIGHT)
    _divides(groups, w[3], "O")
    _some(w[2], "C")
    need(
        x[3] == w[2] * groups,
        f"input has C={x[3]} channels, weight expects {w[2] * groups}; x is {x}",
    )
    need(b is None or b == (w[3],), f"bias must be ({w[3]},), it is {b}")
    oh, ow = windows(x[1:3], w[:2], stride, pad, dilation)
    return ((x[0], oh, ow, w[3]),)


@kernel("dx", bfloat16=True)
def conv2d_dx(
    dy: Shape,
    w: Shape,
    size: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """dx[n,p,q,c] = sum of dy[n,i,j,o] * w[r,s,c,o] over the windows that cover pixel (p, q).

    That is over all (i,j,r,s,o) with i*sh + r*dh - top = p and j*sw + s*dw - left = q. dy is
    (N, OH, OW, O); ``size`` = (H, W) of x, which dy alone does not tell when stride > 1. It is also
    the forward pass of a transposed convolution.
    """
    rank("dy", dy, _GRADIENT)
    rank("w", w, _WEIGHT)
    _divides(groups, w[3], "O")
    _some(w[2], "C")
    expected = windows(size, w[:2], stride, pad, dilation)
    need(
        dy[1:] == (*expected, w[3]),
        f"dy must be (N, {expected[0]}, {expected[1]}, {w[3]}), it is {dy}; w is {w}",
    )
    return ((dy[0], *size, w[2] * groups),)


@kernel("dw", bfloat16=True)
def conv2d_dw(
    x: Shape,
    dy: Shape,
    window: Pair,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """dw[r,s,c,o] = sum_{n,i,j} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * dy[n,i,j,o].

    ``window`` = (KH, KW); c counts within the group of o, as in conv2d.
    """
    rank("x", x, "NHWC")
    rank("dy", dy, _GRADIENT)
    _divides(groups, x[3], "C")
    _divides(groups, dy[3], "O")
    expected = (x[0], *windows(x[1:3], window, stride, pad, dilation))
    need(
        dy[:3] == expected,
        f"dy must be ({expected[0]}, {expected[1]}, {expected[2]}, O), it is {dy}; x is {x}",
    )
    return ((*window, x[3] // groups, dy[3]),)


@kernel("db", bfloat16=True)
def bias_grad(dy: Shape) -> tuple[Shape, ...]:
    """db[o] = sum of dy over all axes but the last."""
    need(len(dy) >= 1, "dy must have a last axis of channels, it is a single number")
    need(dy[-1] >= 1, f"dy has no channels, it is {dy}")
    return (dy[-1:],)
