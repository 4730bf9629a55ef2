"""Everything about a convolution but its numbers: what an algorithm is chosen by."""

from typing import NamedTuple

from .bands import Axis, forward_axis

Pair = tuple[int, int]  # (along H, along W)


class Geometry(NamedTuple):
    """Sizes and settings of one convolution, the same in all three directions."""

    images: int
    size: Pair  # (H, W) of x
    positions: Pair  # (OH, OW) of y
    channels: Pair  # (C, O), of all groups
    window: Pair  # (KH, KW)
    stride: Pair
    pad: tuple[int, int, int, int]  # (top, bottom, left, right)
    dilation: Pair
    groups: int

    def axes(self) -> tuple[Axis, Axis]:
        """Say along H and along W which pixels each window of the forward pass reads."""
        (OH, OW), (KH, KW) = self.positions, self.window
        return (
            forward_axis(OH, KH, self.stride[0], self.pad[0], self.dilation[0]),
            forward_axis(OW, KW, self.stride[1], self.pad[2], self.dilation[1]),
        )
