"""Dropout."""

from dataclasses import dataclass

from .. import functional
from ..tensor import Tensor
from . import checks
from .layer import Layer


@dataclass(eq=False)
class Dropout(Layer, kind="dropout"):
    """In training, set a random share of the values to 0 and scale up the rest.

    The others are multiplied by ``1 / (1 - rate)``, so that inference, which drops nothing, sees
    the same mean. No unit can rely on one other. Source: Srivastava et al. 2014.

    Parameters
    ----------
    rate : float in [0, 1)
        Share of the values that are dropped.
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        self.rate = checks.rate(self, "rate", self.rate, below_one=True)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.dropout(x, self.rate, training=self.training)
