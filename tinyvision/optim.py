"""Optimisers over one flat buffer.

All parameters of a model are moved into one long vector, their gradients into another; what the
layers keep are views of them. So a step is one kernel call over contiguous memory instead of a
handful of small ones per parameter, and the norm of the whole gradient is one sum.

The vector has two parts: parameters that weight decay applies to, then those it spares (biases and
the scales and shifts of norms: they are few, and pulling them to zero does not simplify a network).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import backend as _backend
from .backend import Array, Kernels
from .nn.layer import Layer, Parameter
from .schedules import Constant, Schedule


@dataclass(frozen=True)
class Segment:
    """A stretch of the flat vectors with one weight decay: values, gradients, running state."""

    values: Array
    gradients: Array
    memory: tuple[Array, ...]
    weight_decay: float


class Optimizer:
    """Base of the optimisers.

    Parameters
    ----------
    parameters : Layer or list of Parameter
        What to train; a layer must be built.
    lr : float or Schedule
        Learning rate, or a function from the step (counted from 0) to it.
    weight_decay : float
        Strength of the pull of weights towards zero.
    clip_norm : float, optional
        Scale the gradient down when its Euclidean norm over all parameters exceeds this
        (Pascanu, Mikolov, Bengio 2013).
    decay_all : bool
        Apply weight decay to biases and norms too.

    Attributes
    ----------
    step_count : int
        Steps done.
    last_lr, last_norm : float
        Learning rate of the last step; norm of its gradient before clipping (NaN without clipping).
    """

    memories: ClassVar[tuple[str, ...]] = ()  # names of the running vectors a subclass keeps

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
    ) -> None:
        self.schedule = lr if callable(lr) else Constant(_positive("lr", lr))
        self.clip_norm = None if clip_norm is None else _positive("clip_norm", clip_norm)
        self.weight_decay = weight_decay
        self.step_count = 0
        self.last_lr = self.schedule(0)
        self.last_norm = float("nan")
        self.backend = _backend.current()
        chosen = _trainable(parameters)
        decayed = [p for p in chosen if p.decay or decay_all]
        spared = [p for p in chosen if not (p.decay or decay_all)]
        self.parameters = decayed + spared
        self._flatten()
        border = sum(p.size for p in decayed)
        self.segments = [
            Segment(
                self.values[part],
                self.gradients[part],
                tuple(memory[part] for memory in self._memory),
                decay,
            )
            for part, decay in (
                (slice(0, border), weight_decay),
                (slice(border, None), 0.0),
            )
            if self.values[part].size
        ]

    def _flatten(self) -> None:
        """Move the parameters into one vector and leave views behind."""
        xp, dtype = self.backend.xp, self.parameters[0].dtype
        size = sum(p.size for p in self.parameters)
        self.values = xp.empty(size, dtype)
        self.gradients = xp.zeros(size, dtype)
        self._memory = [xp.zeros(size, dtype) for _ in self.memories]
        start = 0
        for p in self.parameters:
            part = slice(start, start + p.size)
            self.values[part] = p.data.reshape(-1)
            # (size,) -> the parameter's own shape, still the same memory
            p.data = self.values[part].reshape(p.shape)
            p.grad = self.gradients[part].reshape(p.shape)
            p.owner = self
            start += p.size

    def zero_grad(self) -> None:
        """Set all gradients to zero, ready for the next backward to add to."""
        self.gradients[...] = 0

    def step(self) -> None:
        """Change the parameters by their gradients."""
        for p in self.parameters:
            if p.owner is not self:
                raise RuntimeError(
                    f"parameter {p.name!r} no longer lives in this optimiser's memory (a newer "
                    "optimiser, astype or to_backend moved it): make a new optimiser"
                )
        k = self.backend.kernels
        scale = 1.0
        if self.clip_norm is not None:
            self.last_norm = sqrt(float(self.backend.to_host(k.sum_of_squares(self.gradients))[0]))
            scale = min(1.0, self.clip_norm / max(self.last_norm, 1e-12))
        self.last_lr = self.schedule(self.step_count)
        self.step_count += 1
        for segment in self.segments:
            self.update(k, segment, self.last_lr, scale)

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """Run the kernel of this optimiser on one segment."""
        raise NotImplementedError(f"optimiser {type(self).__name__} defines no update")

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a resumed run needs: the step count and the running vectors, on the host."""
        host = self.backend.to_host
        vectors = zip(self.memories, self._memory, strict=True)
        return {
            "step_count": np.array(self.step_count),
            **{name: np.array(host(vector)) for name, vector in vectors},
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises
        ------
        ValueError
            The state is of another optimiser or another model.
        """
        expected = {"step_count", *self.memories}
        if set(state) != expected:
            raise ValueError(
                f"the state of {type(self).__name__} holds {sorted(expected)}, "
                f"this one holds {sorted(state)}"
            )
        for name in self.memories:
            if state[name].shape != self.values.shape:
                raise ValueError(
                    f"{name} has {state[name].size} numbers, the model has {self.values.size}"
                )
        for name, vector in zip(self.memories, self._memory, strict=True):
            vector[...] = self.backend.asarray(state[name], vector.dtype)
        self.step_count = int(state["step_count"])


class SGD(Optimizer):
    """Gradient descent with momentum: velocity = momentum*velocity + g; w -= lr*velocity.

    Source: Sutskever et al. 2013 (also the look-ahead of ``nesterov``).
    """

    memories = ("velocity",)

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
    ) -> None:
        self.momentum, self.nesterov = _fraction("momentum", momentum), nesterov
        super().__init__(
            parameters, lr, weight_decay=weight_decay, clip_norm=clip_norm, decay_all=decay_all
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``sgd_step``."""
        (velocity,) = segment.memory
        k.sgd_step(
            segment.values,
            velocity,
            segment.gradients,
            lr,
            self.momentum,
            self.nesterov,
            segment.weight_decay,
            scale,
        )


class Adam(Optimizer):
    """Adam: steps of equal size in every direction, from running means of g and g^2.

    Weight decay is added to the gradient here; :class:`AdamW` takes it off the weights instead.
    Source: Kingma and Ba 2015.
    """

    memories = ("m", "v")
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
    ) -> None:
        self.betas = (_fraction("betas[0]", betas[0]), _fraction("betas[1]", betas[1]))
        self.eps = _positive("eps", eps)
        super().__init__(
            parameters, lr, weight_decay=weight_decay, clip_norm=clip_norm, decay_all=decay_all
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``adam_step``."""
        m, v = segment.memory
        k.adam_step(
            segment.values,
            m,
            v,
            segment.gradients,
            lr,
            *self.betas,
            self.eps,
            segment.weight_decay,
            self.decoupled,
            self.step_count,
            scale,
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


class RMSprop(Optimizer):
    """RMSprop: divides the gradient by a running mean of its size.

    Source: Tieleman and Hinton, lecture 6.5, 2012.
    """

    memories = ("square", "velocity")

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
    ) -> None:
        self.alpha, self.eps = _fraction("alpha", alpha), _positive("eps", eps)
        self.momentum = _fraction("momentum", momentum)
        super().__init__(
            parameters, lr, weight_decay=weight_decay, clip_norm=clip_norm, decay_all=decay_all
        )

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """See the contract ``rmsprop_step``."""
        square, velocity = segment.memory
        k.rmsprop_step(
            segment.values,
            square,
            velocity,
            segment.gradients,
            lr,
            self.alpha,
            self.eps,
            self.momentum,
            segment.weight_decay,
            scale,
        )


def _trainable(parameters: Layer | Sequence[Parameter]) -> list[Parameter]:
    if isinstance(parameters, Layer):
        unbuilt = [
            path or type(layer).__name__
            for path, layer in parameters.named_layers()
            if not layer.built
        ]
        if unbuilt:
            raise ValueError(
                f"layer {unbuilt[0]!r} has no weights yet: call model.build(input_shape) before "
                "making the optimiser"
            )
        parameters = parameters.parameters()
    chosen = list({id(p): p for p in parameters}.values())
    if not chosen:
        raise ValueError("there is nothing to train: the model has no parameters")
    dtypes = {str(p.dtype) for p in chosen}
    if len(dtypes) > 1:
        raise TypeError(f"all parameters must share one dtype, they have {sorted(dtypes)}")
    return chosen


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be positive, it is {value}")
    return value


def _fraction(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), it is {value}")
    return value
