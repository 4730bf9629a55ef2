"""What all optimisers share: settings, the step, clipping, and state to resume from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf, sqrt
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import backend as _backend
from ..backend import Array, Kernels
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..schedules import Constant, Schedule
from .checks import all_parameters, fraction, not_negative, positive
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
    average : float, optional
        Keep a running average of the parameters beside them, of this decay, for example 0.999: the
        mean over about the last 1 / (1 - 0.999) = 1000 steps. It often predicts better than the
        parameters, which jitter about it. ``with optimizer.averaged():`` puts it in their place.
        See :meth:`average_decay` for its first steps.

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
    update_averages: ClassVar[bool] = False  # whether update() sees to the average as well

    def __init__(
        self,
        parameters: Layer | Sequence[Parameter],
        lr: float | Schedule,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        decay_all: bool = False,
        average: float | None = None,
    ) -> None:
        self.schedule = lr if callable(lr) else Constant(positive(self, "lr", lr))
        self.clip_norm = None if clip_norm is None else positive(self, "clip_norm", clip_norm)
        self.average = None if average is None else fraction(self, "average", average)
        self.step_count = 0
        self.last_lr = self._rate(0)
        self.last_norm = float("nan")
        self.backend = _backend.current()
        self.memory = FlatMemory(
            all_parameters(parameters, self.backend),
            self.backend,
            running=len(self.running),
            average=self.average is not None,
            weight_decay=not_negative(self, "weight_decay", weight_decay),
            decay_all=decay_all,
        )
        self.parameters = [home.parameter for home in self.memory.homes]
        self._swapped = False  # whether the parameters are now the average

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
            would not change it, or it was frozen or unfrozen meanwhile; or the parameters are
            :meth:`averaged`.
        ValueError
            The schedule returns something that is no learning rate.
        """
        self._refuse_averaged("step()")
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
            if segment.average is not None and not self.update_averages:
                share = 1 - self.average_decay()
                segment.average[...] += share * (segment.values - segment.average)
        self._count_versions()

    def _count_versions(self) -> None:
        for parameter in self.parameters:
            parameter.version += 1  # so that no backward mixes old activations with new weights

    def update(self, k: Kernels, segment: Segment, lr: float, scale: float) -> None:
        """Run the kernel of this optimiser on one segment.

        One that moves ``segment.average`` along, too, says so by ``update_averages = True``. For
        others, :meth:`step` does it afterwards.
        """
        raise NotImplementedError(f"optimiser {type(self).__name__} defines no update")

    def _rate(self, step: int) -> float:
        lr = self.schedule(step)
        if not isinstance(lr, Real) or not 0 <= lr < inf:
            raise ValueError(
                f"{type(self).__name__}: a schedule must return a number of at least 0, this one "
                f"returned {lr!r} for step {step}"
            )
        return float(lr)  # a NumPy number would promote float32 to float64

    # --- the running average of the parameters ---------------------------------------------------

    def average_decay(self) -> float:
        """Return d of the step just counted, average <- d*average + (1-d)*w; 0 without an average.

        In step t, counted from 1, it is min(average, (1 + t) / (10 + t)): first the average is one
        of few steps and soon forgets the weights that training began with. Source:
        ``tf.train.ExponentialMovingAverage`` of TensorFlow, with ``num_updates`` = t.
        """
        if self.average is None:
            return 0.0
        return min(self.average, (1 + self.step_count) / (10 + self.step_count))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the running average in the place of the parameters, inside a ``with`` block. ::

            optimizer = tv.optim.AdamW(model, average=0.999)
            ...
            with optimizer.averaged():
                evaluation = trainer.evaluate(validation)

        The parameters come back at its end, bit for bit, also after an error. What a layer keeps
        that is no parameter stays as it is, such as the running statistics of a batch norm.

        Raises
        ------
        RuntimeError
            No average is kept, or this is such a block already, or :meth:`step`, :meth:`state` or
            :meth:`load_state` are called inside: they are about the parameters.
        """
        if self.average is None:
            raise RuntimeError(
                f"this {type(self).__name__} keeps no average of its parameters: make it with one, "
                f"{type(self).__name__}(model, average=0.999)"
            )
        self._refuse_averaged("averaged()")
        self.memory.check()
        self._swap(True)
        try:
            yield
        finally:
            self._swap(False)

    def _swap(self, to_average: bool) -> None:
        self.memory.swap()
        self._swapped = to_average
        self._count_versions()

    def _refuse_averaged(self, what: str) -> None:
        if self._swapped:
            raise RuntimeError(
                f"{what} cannot be called inside `with optimizer.averaged():`, where the "
                "parameters are their average: leave that block first"
            )

    # --- state --------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what a resumed run needs: the step count and the running vectors, on the host.

        The vectors are cut up by parameter: ``velocity.0`` is that of the first, in its shape. The
        running average of the parameters, where one is kept, goes by the name of ``average``.
        """
        self._refuse_averaged("state()")
        pieces = {
            # (size,) -> the parameter's own shape
            key: np.array(self.backend.to_host(vector[home.part]).reshape(home.parameter.shape))
            for key, vector, home in self._pieces()
        }
        return {"step_count": np.array(self.step_count), **pieces}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what :meth:`state` returned.

        Raises
        ------
        ValueError
            The state is of another optimiser or another model; nothing has been written then.
        """
        self._refuse_averaged("load_state()")
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
        for key, vector, home in self._pieces():
            # the parameter's own shape -> (size,)
            vector[home.part] = self.backend.asarray(arrays[key].reshape(-1))

    def _pieces(self) -> Iterator[tuple[str, Array, Home]]:
        """Yield the key, the whole running vector and the home of each piece of the state."""
        vectors = dict(zip(self.running, self.memory.running, strict=True))
        if self.memory.average is not None:
            vectors["average"] = self.memory.average
        for name, vector in vectors.items():
            for j, home in enumerate(self.memory.homes):
                yield f"{name}.{j}", vector, home
