"""Normalisation: bring activations to mean 0 and variance 1, then let training rescale them.

All compute ``y = (x - mean) / sqrt(var + eps) * gamma + beta``; they differ in what mean and
variance are taken over. gamma and beta are exempt from weight decay.
"""

from dataclasses import dataclass

import numpy as np

from tinyvision_kernels.contract import Shape, ShapeError

from .. import functional
from ..tensor import Tensor
from . import checks, init
from .layer import Layer


@dataclass(eq=False)
class BatchNorm2d(Layer, kind="norm"):
    """Normalise each channel over the batch and all pixels (Ioffe and Szegedy 2015).

    In training the statistics are those of the batch, and running averages of them are kept
    (``running += momentum * (batch - running)``, the variance with M - 1 in its denominator); in
    inference the running averages are used, so that an image's answer does not depend on its
    neighbours.

    Parameters
    ----------
    momentum : float
        Share of the newest batch in the running statistics.
    eps : float
        Added to the variance, so that a constant channel divides by no zero.

    Attributes
    ----------
    gamma, beta : Parameter (C,)
    running_mean, running_var : Tensor (C,)
    """

    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        self.momentum = checks.rate(self, "momentum", self.momentum, below_one=False)
        self.eps = checks.positive(self, "eps", self.eps)

    def setup(self, x: Shape) -> None:
        """Make gamma = 1, beta = 0 and the running statistics of a standard normal input."""
        C = x[-1]
        self.gamma = self.parameter("gamma", (C,), init.ones, decay=False)
        self.beta = self.parameter("beta", (C,), init.zeros, decay=False)
        self.running_mean = Tensor(np.zeros(C, np.float32), name="running_mean")
        self.running_var = Tensor(np.ones(C, np.float32), name="running_var")

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) or (N, C) -> the same shape."""
        if self.training and x.size == x.shape[-1]:
            raise ShapeError(
                f"one value a channel has no variance, x is {x.shape}: train with larger batches "
                "or images, or call eval() first"
            )
        return functional.batch_norm(
            x,
            self.gamma,
            self.beta,
            self.running_mean,
            self.running_var,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )


@dataclass(eq=False)
class LayerNorm(Layer, kind="norm"):
    """Normalise over the last axis, each pixel or row on its own (Ba, Kiros, Hinton 2016).

    Parameters
    ----------
    eps : float
        Added to the variance.

    Attributes
    ----------
    gamma, beta : Parameter (D,), D the length of the last axis
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        self.eps = checks.positive(self, "eps", self.eps)

    def setup(self, x: Shape) -> None:
        """Make gamma = 1 and beta = 0."""
        self.gamma = self.parameter("gamma", x[-1:], init.ones, decay=False)
        self.beta = self.parameter("beta", x[-1:], init.zeros, decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> the same shape."""
        return functional.layer_norm(x, self.gamma, self.beta, eps=self.eps)


@dataclass(eq=False)
class GroupNorm(Layer, kind="norm"):
    """Normalise each image over all pixels and a group of channels (Wu and He 2018).

    Independent of the batch: it works where batches are small.

    Parameters
    ----------
    groups : int
        Number of groups; must divide C. One group is layer normalisation over the image, C groups
        are instance normalisation.
    eps : float
        Added to the variance.

    Attributes
    ----------
    gamma, beta : Parameter (C,)
    """

    groups: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        self.groups = checks.count(self, "groups", self.groups)
        self.eps = checks.positive(self, "eps", self.eps)

    def setup(self, x: Shape) -> None:
        """Make gamma = 1 and beta = 0."""
        checks.images(x)
        self.gamma = self.parameter("gamma", x[-1:], init.ones, decay=False)
        self.beta = self.parameter("beta", x[-1:], init.zeros, decay=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> the same shape."""
        return functional.group_norm(x, self.gamma, self.beta, self.groups, eps=self.eps)
