"""The dense (fully connected) layer."""

from dataclasses import dataclass

from tinyvision_kernels.contract import Shape

from .. import functional
from ..tensor import Tensor
from . import checks, init
from .init import InitLike
from .layer import Layer


@dataclass(eq=False)
class Dense(Layer, kind="dense"):
    """Every output is a weighted sum of all inputs: ``y[n,o] = b[o] + sum_i x[n,i] * w[i,o]``.

    Parameters
    ----------
    units : int
        Output features O.
    bias : bool
        Whether to add b.
    init : str, float or initializer
        Initial weights, see :mod:`tinyvision.nn.init`.

    Attributes
    ----------
    w : Parameter (I, O)
    b : Parameter (O,), or None
    """

    units: int
    bias: bool = True
    init: InitLike = "he"

    def __post_init__(self) -> None:
        self.units = checks.count(self, "units", self.units)
        init.get(self.init)  # an unknown name is refused here

    def setup(self, x: Shape) -> None:
        """Make w and b for the input's features."""
        checks.flat(x)
        self.w = self.parameter("w", (x[1], self.units), init.get(self.init))
        self.b = self.parameter("b", (self.units,), init.zeros, decay=False) if self.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) -> (N, O)."""
        checks.flat(x.shape)
        return functional.dense(x, self.w, self.b)
