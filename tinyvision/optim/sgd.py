"""Gradient descent with momentum."""

from collections.abc import Sequence

from ..backend import Kernels
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..schedules import Schedule
from .checks import fraction
from .flat import Segment
from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent with momentum: velocity = momentum*velocity + g; w -= lr*velocity.

    Source: Sutskever et al. 2013 (also the look-ahead of ``nesterov``).
    """

    running = ("velocity",)
    update_averages = True

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule = 0.1,
        *,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
        average: float | None = None,
    ) -> None:
        self.momentum, self.nesterov = fraction(self, "momentum", momentum), nesterov
        super().__init__(
            parameters,
            lr,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            decay_all=decay_all,
            average=average,
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``sgd_step``."""
        (velocity,) = segment.running
        k.sgd_step(
            segment.values,
            velocity,
            segment.average,
            segment.gradients,
            lr,
            self.momentum,
            self.nesterov,
            segment.weight_decay,
            scale,
            self.average_decay(),
        )
