"""The dense layer: one matrix product, and the two that its gradient is made of."""

from typing import Any


def dense(xp: Any, y: Any, x: Any, w: Any, b: Any) -> None:
    """y = x w + b: (N, I) @ (I, O) -> (N, O)."""
    y[...] = xp.matmul(x, w)
    if b is not None:
        y += b


def dense_dx(xp: Any, dx: Any, dy: Any, w: Any) -> None:
    """dx = dy w^T: (N, O) @ (O, I) -> (N, I)."""
    dx[...] = xp.matmul(dy, w.T)


def dense_dw(xp: Any, dw: Any, x: Any, dy: Any) -> None:
    """dw = x^T dy: (I, N) @ (N, O) -> (I, O)."""
    dw[...] = xp.matmul(x.T, dy)
