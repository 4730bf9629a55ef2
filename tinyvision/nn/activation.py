"""Activations: the bends between layers, without which a deep network would be one matrix."""

from dataclasses import dataclass
from math import isfinite
from numbers import Real

from .. import functional
from ..tensor import Tensor
from .layer import Layer


@dataclass(eq=False)
class ReLU(Layer, kind="relu"):
    """``max(x, 0)``: the default; cheap, and its gradient does not fade (Nair and Hinton 2010)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.relu(x)


@dataclass(eq=False)
class LeakyReLU(Layer, kind="leaky"):
    """``x`` above 0, ``slope * x`` below: no unit can die for ever (Maas et al. 2013).

    Parameters
    ----------
    slope : float
        Slope below 0.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        if not isinstance(self.slope, Real) or not isfinite(self.slope):
            raise ValueError(f"LeakyReLU: slope must be a finite number, got {self.slope!r}")
        self.slope = float(self.slope)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.leaky_relu(x, self.slope)


@dataclass(eq=False)
class GELU(Layer, kind="gelu"):
    """``x * P(Z <= x)`` in its tanh form: a smooth ReLU (Hendrycks and Gimpel 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.gelu(x)


@dataclass(eq=False)
class SiLU(Layer, kind="silu"):
    """``x * sigmoid(x)``: a smooth ReLU, also called swish (Elfwing, Uchibe, Doya 2017)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.silu(x)


@dataclass(eq=False)
class Sigmoid(Layer, kind="sigmoid"):
    """``1 / (1 + exp(-x))``: to (0, 1), for gates and yes-or-no answers."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.sigmoid(x)


@dataclass(eq=False)
class Tanh(Layer, kind="tanh"):
    """``tanh(x)``: to (-1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.tanh(x)


@dataclass(eq=False)
class Softmax(Layer, kind="softmax"):
    """``exp(x_k) / sum_j exp(x_j)`` over the last axis: scores to probabilities.

    A classifier that is trained with CrossEntropy must not end with it: that loss takes the scores.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> the same shape."""
        return functional.softmax(x)
