"""The product of matrices."""

from dataclasses import dataclass
from math import prod

from tinyvision_kernels.contract import Shape, ShapeError

from ..backend import Array, Kernels
from .elementwise import unbroadcast
from .op import Grads, Op, Saved


@dataclass(frozen=True)
class MatMul(Op):
    """y[..., i, j] = sum_k a[..., i, k] * b[..., k, j].

    Inputs: a (..., I, K) and b (..., K, J), whose leading axes broadcast. As in NumPy a vector a
    (K,) counts as one row and a vector b (K,) as one column, and that axis is missing in y.
    """

    def forward(self, k: Kernels, a: Array, b: Array) -> tuple[Array, Saved]:
        if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
            raise ShapeError(
                f"MatMul: {tuple(a.shape)} @ {tuple(b.shape)} needs (..., I, K) @ (..., K, J) with "
                "equal K; transpose or reshape one"
            )
        return k.xp.matmul(a, b), (a, b)

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        a, b = saved
        rows = a[None, :] if a.ndim == 1 else a  # (K,) -> (1, K)
        columns = b[:, None] if b.ndim == 1 else b  # (K,) -> (K, 1)
        if b.ndim == 1:
            dy = dy[..., None]  # (..., I) -> (..., I, 1)
        if a.ndim == 1:
            dy = dy[..., None, :]  # (..., J) -> (..., 1, J)
        da = db = None
        if needs[0]:  # (..., I, J) @ (..., J, K)
            da = k.xp.matmul(dy, k.xp.swapaxes(columns, -1, -2))
            da = unbroadcast(k.xp, da, rows.shape).reshape(a.shape)
        if needs[1]:  # (..., K, I) @ (..., I, J)
            db = k.xp.matmul(k.xp.swapaxes(rows, -1, -2), dy)
            db = unbroadcast(k.xp, db, columns.shape).reshape(b.shape)
        return da, db

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(output) * shapes[0][-1]
