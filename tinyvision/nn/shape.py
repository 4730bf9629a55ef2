"""Layers that rearrange values and compute nothing."""

from dataclasses import dataclass
from math import prod

from tinyvision_kernels.contract import Shape, ShapeError

from .. import functional
from ..tensor import Tensor
from . import checks
from .layer import Layer


@dataclass(eq=False)
class Flatten(Layer, kind="flatten"):
    """Lay out each image as one vector: from pictures to features."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, product of the rest)."""
        return x.reshape(x.shape[0], prod(x.shape[1:]))  # (N, H, W, C) -> (N, H*W*C)


class Reshape(Layer, kind="reshape"):
    """Give each image another shape of the same number of values.

    Parameters
    ----------
    *shape : int
        Without the batch axis, such as ``Reshape(7, 7, 64)``; one length may be -1, for whatever
        remains.
    """

    def __init__(self, *shape: int, name: str = "") -> None:
        self.shape = tuple(-1 if n == -1 else checks.count(self, "shape", n) for n in shape)
        self.name = name
        if self.shape.count(-1) > 1:
            raise ValueError(f"Reshape: only one length may be -1, got {self.shape}")

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, *shape)."""
        return x.reshape(x.shape[0], *self._sizes(x.shape[1:]))

    def _sizes(self, image: Shape) -> Shape:
        """Return the shape with its -1 filled in."""
        have, known = prod(image), prod(n for n in self.shape if n != -1)
        if have != known if -1 not in self.shape else have % known:
            raise ShapeError(f"{have} values of an image {image} do not fit into {self.shape}")
        return tuple(have // known if n == -1 else n for n in self.shape)

    def __repr__(self) -> str:
        return f"Reshape({', '.join(map(str, self.shape))})"


@dataclass(eq=False)
class PadShortcut(Layer, kind="shortcut"):
    """Make an image fit the output of a residual block without any parameters.

    Takes every ``stride``-th pixel and adds channels of zeros, half of them before and half after
    the image's own: option A of He et al. 2016, section 4.2.

    Parameters
    ----------
    filters : int
        Channels of the output; at least those of the input.
    stride : int
        Step along H and W.
    """

    filters: int
    stride: int = 2

    def __post_init__(self) -> None:
        self.filters = checks.count(self, "filters", self.filters)
        self.stride = checks.count(self, "stride", self.stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), filters)."""
        checks.images(x.shape)
        missing = self.filters - x.shape[3]
        if missing < 0:
            raise ShapeError(
                f"input has C={x.shape[3]} channels, more than filters={self.filters}; "
                f"x is {x.shape}"
            )
        before = missing // 2
        return functional.pad_shortcut(x, self.stride, (before, missing - before))
