"""Contracts of the dense layer."""

from .registry import OptionalShape, Shape, kernel, need, rank


@kernel("y", bfloat16=True)
def dense(x: Shape, w: Shape, b: OptionalShape) -> tuple[Shape, ...]:
    """y[n,o] = b[o] + sum_i x[n,i] * w[i,o]."""
    rank("x", x, "NI")
    rank("w", w, "IO")
    need(x[1] == w[0], f"input has I={x[1]} features, weight expects {w[0]}; x is {x}")
    need(b is None or b == (w[1],), f"bias must be ({w[1]},), it is {b}")
    return ((x[0], w[1]),)


@kernel("dx", bfloat16=True)
def dense_dx(dy: Shape, w: Shape) -> tuple[Shape, ...]:
    """dx[n,i] = sum_o dy[n,o] * w[i,o]."""
    rank("dy", dy, "NO")
    rank("w", w, "IO")
    need(dy[1] == w[1], f"dy must be (N, {w[1]}), it is {dy}; w is {w}")
    return ((dy[0], w[0]),)


@kernel("dw", bfloat16=True)
def dense_dw(x: Shape, dy: Shape) -> tuple[Shape, ...]:
    """dw[i,o] = sum_n x[n,i] * dy[n,o]."""
    rank("x", x, "NI")
    rank("dy", dy, "NO")
    need(x[0] == dy[0], f"x {x} and dy {dy} have different N")
    return ((x[1], dy[1]),)
