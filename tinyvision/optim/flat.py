"""The flat memory that an optimiser works on.

All parameters of a model are moved into one long vector, their gradients into another; what the
layers keep are views of them. So a step is one kernel call over contiguous memory instead of a
handful of small ones per parameter, and the norm of the whole gradient is one sum.

The vector has two parts: parameters that weight decay applies to, then those it spares (biases and
the scales and shifts of norms: they are few, and pulling them to zero does not simplify a network).
"""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from ..backend import Array, Backend
from ..nn.parameter import Parameter


@dataclass(frozen=True)
class Segment:
    """A stretch of the flat vectors with one weight decay: values, gradients, running state.

    ``average`` is the running average of the values, where one is kept.
    """

    values: Array
    gradients: Array
    running: tuple[Array, ...]
    average: Array | None
    weight_decay: float


@dataclass(frozen=True)
class Home:
    """Where a parameter lives: its part of the flat vectors, and the views of them it was given."""

    parameter: Parameter
    part: slice
    data: Array
    grad: Array


class FlatMemory:
    """The values, gradients and running vectors of parameters, each in one vector.

    Parameters
    ----------
    parameters : list of Parameter
        Of one dtype, on ``backend``; those with ``requires_grad`` False are left where they are.
    backend : Backend
    running : int
        How many running vectors the optimiser keeps, such as a velocity; they start at zero.
    average : bool
        Whether it keeps a running average of the values; that starts as a copy of them.
    weight_decay : float
    decay_all : bool
        Whether weight decay applies to parameters with ``decay`` False too.

    Attributes
    ----------
    homes : list of Home
        In the order of ``parameters``.
    values, gradients : array (size,)
    running : list of array (size,)
    average : array (size,) or None
    segments : list of Segment
        Together all of the vectors.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        backend: Backend,
        *,
        running: int,
        average: bool,
        weight_decay: float,
        decay_all: bool,
    ) -> None:
        trained = [p for p in parameters if p.requires_grad]
        self.frozen = [p for p in parameters if not p.requires_grad]
        decayed = [p for p in trained if p.decay or decay_all]
        spared = [p for p in trained if not (p.decay or decay_all)]
        xp, dtype = backend.xp, trained[0].dtype
        size, border = sum(p.size for p in trained), sum(p.size for p in decayed)
        self.values = xp.empty(size, dtype)
        self.gradients = xp.zeros(size, dtype)
        self.running = [xp.zeros(size, dtype) for _ in range(running)]
        homes = self._move_in(decayed + spared)
        self.homes = [homes[id(p)] for p in trained]
        self.average = self.values.copy() if average else None
        self.segments = [
            Segment(
                self.values[part],
                self.gradients[part],
                tuple(vector[part] for vector in self.running),
                None if self.average is None else self.average[part],
                decay,
            )
            for part, decay in ((slice(0, border), weight_decay), (slice(border, size), 0.0))
            if part.start < part.stop
        ]

    def _move_in(self, ordered: list[Parameter]) -> dict[int, Home]:
        """Copy the parameters into the vector, in this order, and leave views behind."""
        homes, start = {}, 0
        for p in ordered:
            part = slice(start, start + p.size)
            self.values[part] = p.data.reshape(-1)
            # (size,) -> the parameter's own shape, still the same memory
            p.data = self.values[part].reshape(p.shape)
            p.grad = self.gradients[part].reshape(p.shape)
            # weak, so that a copy of the model does not bring along a copy of this memory
            p.owner = weakref.ref(self)
            homes[id(p)] = Home(p, part, p.data, p.grad)
            start += p.size
        return homes

    def swap(self) -> None:
        """Let the parameters and their running average change places."""
        kept = self.values.copy()
        self.values[...] = self.average
        self.average[...] = kept  # type: ignore[index]

    def check(self) -> None:
        """Refuse to go on when the parameters live elsewhere: training would not change them.

        Raises
        ------
        RuntimeError
            The sentence says what happened to which parameter, and the way out.
        """
        for home in self.homes:
            p = home.parameter
            owner = p.owner() if isinstance(p.owner, weakref.ref) else None
            if owner is not self or p.data is not home.data:
                raise RuntimeError(
                    f"parameter {p.name!r} no longer lives in this optimiser's memory (a newer "
                    "optimiser, astype, to_backend or p.data = ... moved it): make a new "
                    "optimiser, and set values in place, p.data[...] = values"
                )
            if p.grad is not home.grad:
                raise RuntimeError(
                    f"the gradient of parameter {p.name!r} no longer lives in this optimiser's "
                    "memory (p.grad = ... replaced it): make a new optimiser, change gradients in "
                    "place, p.grad[...] = values, and clear them with zero_grad()"
                )
        for p, trained in [(home.parameter, True) for home in self.homes] + [
            (p, False) for p in self.frozen
        ]:
            if p.requires_grad is not trained:
                raise RuntimeError(
                    f"parameter {p.name!r} was {'frozen' if trained else 'unfrozen'} after this "
                    "optimiser was made: make a new one"
                )
