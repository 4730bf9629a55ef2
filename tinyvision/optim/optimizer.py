"""What all optimisers share: settings, the step, clipping, and state to resume from."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf, sqrt
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import backend as _backend
from ..backend import Kernels
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..schedules import Constant, Schedule
from .checks import all_parameters, not_negative, positive
from .flat import FlatMemory, Home, Segment


class Optimizer:
    """Base of the optimisers.

    It computes on the backend in force when it is made. Parameters whose ``requires_grad`` is False
    (frozen) are not touched.

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
    parameters : list of Parameter
        Those that are trained.
    step_count : int
        Steps done.
    last_lr, last_norm : float
        Learning rate of the last step; norm of its gradient before clipping (NaN without clipping).

    Raises
    ------
    ValueError
        A setting makes no sense, a layer is not built, or there is nothing to train.
    TypeError
        Something else than parameters is to be trained, or they are not all of one dtype.
    """

    running: ClassVar[tuple[str, ...]] = ()  # names of the running vectors a subclass keeps

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
    ) -> None:
        self.schedule = lr if callable(lr) else Constant(positive(self, "lr", lr))
        self.clip_norm = None if clip_norm is None else positive(self, "clip_norm", clip_norm)
        self.step_count = 0
        self.last_lr = self._rate(0)
        self.last_norm = float("nan")
        self.backend = _backend.current()
        self.memory = FlatMemory(
            all_parameters(parameters, self.backend),
            self.backend,
            running=len(self.running),
            weight_decay=not_negative(self, "weight_decay", weight_decay),
            decay_all=decay_all,
        )
        self.parameters = [home.parameter for home in self.memory.homes]

    def zero_grad(self) -> None:
        """Set all gradients to zero, ready for the next backward to add to."""
        self.memory.check()
        self.memory.gradients[...] = 0

    def step(self) -> None:
        """Change the parameters by their gradients.

        Raises
        ------
        RuntimeError
            A parameter or its gradient no longer lies in this optimiser's memory, so that the step
            would not change it, or it was frozen or unfrozen meanwhile.
        ValueError
            The schedule returns something that is no learning rate.
        """
        self.memory.check()
        k, lr, scale = self.backend.kernels, self._rate(self.step_count), 1.0
        if self.clip_norm is not None:
            square = k.sum_of_squares(self.memory.gradients)
            self.last_norm = sqrt(float(self.backend.to_host(square)[0]))
            if self.last_norm > self.clip_norm:
                scale = self.clip_norm / self.last_norm
        self.last_lr = lr
        self.step_count += 1
        for segment in self.memory.segments:
            self.update(k, segment, lr, scale)
        for parameter in self.parameters:
            parameter.version += 1  # so that no backward mixes old activations with new weights

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """Run the kernel of this optimiser on one segment."""
        raise NotImplementedError(f"optimiser {type(self).__name__} defines no update")

    def _rate(self, step: int) -> float:
        lr = self.schedule(step)
        if not isinstance(lr, Real) or not 0 <= lr < inf:
            raise ValueError(
                f"{type(self).__name__}: a schedule must return a number of at least 0, this one "
                f"returned {lr!r} for step {step}"
            )
        return float(lr)  # a NumPy number would promote float32 to float64

    # --- state --------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a resumed run needs: the step count and the running vectors, on the host.

        The vectors are cut up by parameter: ``velocity.0`` is that of the first, in its shape.
        """
        vectors = [self.backend.to_host(vector) for vector in self.memory.running]
        pieces = {
            # (size,) -> the parameter's own shape
            key: np.array(vectors[i][home.part].reshape(home.parameter.shape))
            for key, i, home in self._pieces()
        }
        return {"step_count": np.array(self.step_count), **pieces}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises
        ------
        ValueError
            The state is of another optimiser or another model; nothing has been written then.
        """
        arrays = {key: np.asarray(array) for key, array in state.items()}
        expected = {"step_count", *(key for key, _, _ in self._pieces())}
        missing, extra = sorted(expected - arrays.keys()), sorted(arrays.keys() - expected)
        if missing or extra:
            raise ValueError(
                f"the state does not fit {type(self).__name__} of {len(self.parameters)} "
                f"parameters: missing {missing or 'none'}, left over {extra or 'none'}"
            )
        steps = arrays["step_count"]
        if steps.shape or steps.dtype.kind not in "iu" or steps < 0:
            raise ValueError(f"step_count must be a whole number of at least 0, got {steps!r}")
        for key, _, home in self._pieces():
            p, array = home.parameter, arrays[key]
            if array.shape != p.shape or array.dtype != p.dtype:
                raise ValueError(
                    f"{key}: parameter {p.name!r} is {p.dtype} of shape {p.shape}, the state "
                    f"{array.dtype} of shape {array.shape}"
                )
        self.last_lr = self._rate(max(int(steps) - 1, 0))
        self.step_count = int(steps)
        for key, i, home in self._pieces():
            # the parameter's own shape -> (size,)
            self.memory.running[i][home.part] = self.backend.asarray(arrays[key].reshape(-1))

    def _pieces(self) -> Iterator[tuple[str, int, Home]]:
        """Yield the key, the running vector's number and the home of each piece of the state."""
        for i, name in enumerate(self.running):
            for j, home in enumerate(self.memory.homes):
                yield f"{name}.{j}", i, home
