"""Patches of an image: what Winograd's transforms read where they cannot read the image itself."""

from ..jit import Array, inline_jit
from ..rows import copy, zero
from ..tile import HOST


def whole_vectors(channels: int, itemsize: int) -> int:
    """Fill channels up to whole vectors."""
    lanes = HOST.vector_bytes // itemsize
    return -(-channels // lanes) * lanes


@inline_jit
def copy_patch(
    patch: Array, patch_at: int, step: int,
    x: Array, shape: tuple[int, int, int, int], n: int, row: int, column: int,
    size: int, channel: int, channels: int,
) -> None:  # fmt: skip
    """Copy size x size pixels, with zeros where they lie outside of the image.

    Of each pixel the patch takes ``channels`` channels from ``channel`` on, and zeros up to
    ``step``.
    """
    _, H, W, C = shape
    left = min(max(-column, 0), size)  # columns that lie outside on the left
    inside = min(max(W - column - left, 0), size - left)
    for i in range(size):
        to = patch_at + i * size * step
        if not 0 <= row + i < H:
            zero(patch, to, size * step)
            continue
        at = ((n * H + row + i) * W + column + left) * C + channel
        zero(patch, to, left * step)
        to += left * step
        if channels == step == C:  # pixels that follow one another
            copy(patch, to, x, at, inside * C)
        else:
            for j in range(inside):
                copy(patch, to + j * step, x, at + j * C, channels)
                zero(patch, to + j * step + channels, step - channels)
        zero(patch, to + inside * step, (size - left - inside) * step)
