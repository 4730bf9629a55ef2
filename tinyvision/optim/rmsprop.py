"""RMSprop."""

from collections.abc import Sequence

from ..backend import Kernels
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..schedules import Schedule
from .checks import fraction, positive
from .flat import Segment
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop: divides the gradient by a running mean of its size.

    Source: Tieleman and Hinton, lecture 6.5, 2012.
    """

    running = ("square", "velocity")
    update_averages = True

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
        average: float | None = None,
    ) -> None:
        self.alpha, self.eps = fraction(self, "alpha", alpha), positive(self, "eps", eps)
        self.momentum = fraction(self, "momentum", momentum)
        super().__init__(
            parameters,
            lr,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            decay_all=decay_all,
            average=average,
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``rmsprop_step``."""
        square, velocity = segment.running
        k.rmsprop_step(
            segment.values,
            square,
            velocity,
            segment.average,
            segment.gradients,
            lr,
            self.alpha,
            self.eps,
            self.momentum,
            segment.weight_decay,
            scale,
            self.average_decay(),
        )
