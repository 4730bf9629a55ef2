"""Adam, with weight decay in the gradient (Adam) or apart from it (AdamW)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ..backend import Kernels
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..schedules import Schedule
from .checks import fraction, positive
from .flat import Segment
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam: steps of equal size in every direction, from running means of g and g^2.

    Weight decay is added to the gradient here; :class:`AdamW` takes it off the weights instead.
    Source: Kingma and Ba 2015.
    """

    running = ("m", "v")
    update_averages = True
    decoupled: ClassVar[bool] = False

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
        average: float | None = None,
    ) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{type(self).__name__}: betas must be two numbers, got {betas!r}")
        self.betas = fraction(self, "betas[0]", betas[0]), fraction(self, "betas[1]", betas[1])
        self.eps = positive(self, "eps", eps)
        super().__init__(
            parameters,
            lr,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            decay_all=decay_all,
            average=average,
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``adam_step``."""
        m, v = segment.running
        k.adam_step(
            segment.values,
            m,
            v,
            segment.average,
            segment.gradients,
            lr,
            *self.betas,
            self.eps,
            segment.weight_decay,
            self.decoupled,
            self.step_count,
            scale,
            self.average_decay(),
        )


class AdamW(Adam):
    """Adam with decoupled weight decay, w *= 1 - lr*weight_decay.

    Source: Loshchilov and Hutter 2019.
    """

    decoupled = True

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule = 1e-3,
        *,
        weight_decay: float = 0.01,
        **settings: Any,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay, **settings)
