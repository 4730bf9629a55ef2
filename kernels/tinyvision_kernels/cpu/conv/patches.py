"""Patches of an image: what Winograd's transforms read where they cannot read the image itself."""

from ..jit import Array, inline_jit
from ..tile import HOST, copy, zero


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
    for i in range(size):
        for j in range(size):
            to = patch_at + (i * size + j) * step
            if 0 <= row + i < H and 0 <= column + j < W:
                at = ((n * H + row + i) * W + column + j) * C + channel
                copy(patch, to, x, at, channels)
                zero(patch, to + channels, step - channels)
            else:
                zero(patch, to, step)
