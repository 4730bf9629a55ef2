"""What is done with finished sums before they leave the cache: the epilogues of a product.

Bias, ReLU and 2x2 max-pooling look at numbers that have just been computed. At that moment these
are in a register or in the nearest caches; a kernel of its own would fetch them from memory. Bias
and ReLU, which is no more than a lower bound, are applied where sums are stored (:mod:`.rows`,
:mod:`.tile`, :mod:`.conv.transforms`). Pooling looks at *rectangles* of finished numbers: rows and
columns of pixels, whose channels lie side by side ::

    z[z_at + i * z_row + j * z_pixel + c]        i < rows, j < columns, c < channels

A kernel that is not to pool is handed None for the argmax. Numba then compiles a variant of it from
which all that asks for one is left out, so that a plain convolution costs what it did.

The statistics of batch norm are no epilogue: taken of each band while it was in the cache, they
were 0.8 to 1.05 times as fast as by a pass of their own (2 cores with AVX-512, 13 layers). What has
just been stored is still on its way to memory, and whoever reads it then waits for it.
"""

from math import inf
from typing import NamedTuple

from ..contract.fused_conv import OFF
from .jit import Array, formula_jit
from .mask import store_bytes, store_first_bytes
from .pooled_passes import largest
from .vector import lane_count, load, store, store_first, zeros


class Epilogue(NamedTuple):
    """What to do with the sums besides adding the bias."""

    low: float = -inf  # the least number that is stored: 0 for ReLU
    argmax: Array | None = None  # of 2x2 max-pooling, where y is to be pooled

    @property
    def flat_argmax(self) -> Array | None:
        """The argmax as kernels take it."""
        return None if self.argmax is None else self.argmax.reshape(-1)

    @property
    def rows(self) -> int:
        """Rows of a convolution's output that have to be computed together."""
        return 1 if self.argmax is None else 2


PLAIN = Epilogue()
RELU = Epilogue(low=0.0)


# ----------------------------------------------------------------------------
# 2x2 max-pooling
# ----------------------------------------------------------------------------


@formula_jit
def pool_rectangle(
    y: Array, argmax: Array, y_at: int, y_row: int, y_pixel: int,
    z: Array, z_at: int, z_row: int, z_pixel: int, rows: int, columns: int, channels: int,
) -> None:  # fmt: skip
    """Pool max(z, 0), whose pixels are filled up to whole vectors, into y.

    A last odd row or column is left out.
    """
    L = lane_count(z)
    off = zeros(z) + OFF
    for c in range(0, channels, L):
        left = channels - c
        for i in range(rows // 2):
            for j in range(columns // 2):
                p = z_at + 2 * i * z_row + 2 * j * z_pixel + c  # the window's first cell
                q = p + z_row  # the one below
                to = y_at + i * y_row + j * y_pixel + c
                best, index = largest(
                    load(z, p), load(z, p + z_pixel), load(z, q), load(z, q + z_pixel), off
                )
                if left >= L:
                    store(y, to, best)
                    store_bytes(argmax, to, index)
                else:
                    store_first(y, to, best, left)
                    store_first_bytes(argmax, to, index, left)
