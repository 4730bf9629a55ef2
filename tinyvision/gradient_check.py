"""Gradient checking: hold every derivative against differences of the function itself.

For each input element, dloss/dx is measured as (f(x + h) - f(x - h)) / 2h and compared with what
backward computed. The loss is sum(y * dy) with a *random* dy: for dy = 1 many wrong gradients look
right (the gradient of a sum over a softmax or a batch norm is exactly zero).

Where a function has a kink, as ReLU at 0, no derivative exists and the comparison says nothing.
Such elements are recognised by their one-sided slopes, counted, and reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

from . import random
from .errors import TinyvisionError
from .tape import no_grad
from .tensor import Tensor

Function = Callable[..., Tensor]
Index = tuple[int, ...]


class GradientError(TinyvisionError, AssertionError):
    """A gradient disagrees with the differences of the function."""


@dataclass(frozen=True)
class InputReport:
    """What the check found for one input.

    Attributes
    ----------
    elements : int
        Elements compared, kinks not counted.
    kinks : tuple of index tuples
        Elements where the function has no derivative.
    error : float
        Largest |analytic - numeric|, relative to the largest gradient of this input.
    """

    name: str
    shape: Shape
    elements: int
    kinks: tuple[Index, ...]
    error: float


@dataclass(frozen=True)
class GradcheckReport:
    """What :func:`gradcheck` found for all inputs; ``print`` shows a line for each."""

    inputs: tuple[InputReport, ...]

    @property
    def error(self) -> float:
        """The largest relative error of all inputs."""
        return max((entry.error for entry in self.inputs), default=0.0)

    def __str__(self) -> str:
        rows = [("input", "shape", "elements", "relative error", "kinks")]
        for entry in self.inputs:
            kinks = ", ".join(str(list(index)) for index in entry.kinks[:3])
            kinks = f"{len(entry.kinks)} at {kinks}" if entry.kinks else "0"
            kinks += " ..." if len(entry.kinks) > 3 else ""
            error = f"{entry.error:.1e}"
            rows.append((entry.name, str(entry.shape), str(entry.elements), error, kinks))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = []
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            lines.append("  ".join([*cells, row[4]]))
        return "\n".join(lines)


def gradcheck(
    fn: Function,
    inputs: Sequence[Any],
    *,
    eps: float = 1e-6,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
    names: Sequence[str] | None = None,
    max_elements: int | None = None,
) -> GradcheckReport:
    """Compare the gradients of ``fn`` with central differences, element by element.

    Parameters
    ----------
    fn : callable
        Takes the inputs as tensors, returns a tensor of float64. Random draws (dropout) are the
        same in every call. To check a layer's parameters, pass them after its inputs::

            gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()])
    inputs : sequence of Tensor or array
        Those that require a gradient are checked, or, if none does, all of float64. Tensors are
        changed during the check and restored.
    eps : float
        Step of the differences, times max(1, abs(x)).
    rtol, atol : float
        An element agrees if abs(analytic - numeric) <= atol + rtol * max(abs(analytic),
        abs(numeric)), plus what the rounding of the output leaves uncertain.
    seed : int
        Of the random upstream gradient and of the choice of elements.
    names : sequence of str, optional
        Of the inputs, for messages; by default the tensors' own, or "input 0" ...
    max_elements : int, optional
        Check no more than so many random elements of each input.

    Returns
    -------
    GradcheckReport

    Raises
    ------
    GradientError
        Names the input, the element, and both values.
    TypeError
        An input or the output is not float64, in which alone differences are exact enough.
    """
    tensors = [x if isinstance(x, Tensor) else Tensor(np.array(x)) for x in inputs]
    checked = _checked(tensors)
    labels = _labels(tensors, names)
    before = [(tensor.requires_grad, tensor.grad) for tensor in tensors]
    stream = random.state()

    def evaluate() -> Tensor:
        random.restore(stream)
        y = fn(*tensors)
        if y.dtype != np.float64:
            raise TypeError(
                f"gradcheck needs float64, the output is {y.dtype}: convert inputs and layers with "
                ".astype('float64')"
            )
        return y

    try:
        for i in checked:
            tensors[i].requires_grad, tensors[i].grad = True, None
        y = evaluate()
        dy = random.normal(y.shape, seed, "gradcheck dy")
        if y.requires_grad:
            y.backward(dy)
        probe = _Probe(evaluate, dy, eps, rtol, atol)
        return GradcheckReport(
            tuple(probe.compare(tensors[i], labels[i], seed + i, max_elements) for i in checked)
        )
    finally:
        random.restore(stream)
        for tensor, (requires_grad, grad) in zip(tensors, before, strict=True):
            tensor.requires_grad, tensor.grad = requires_grad, grad


def _checked(tensors: list[Tensor]) -> list[int]:
    """Return the positions of the inputs to check."""
    wanted = [i for i, t in enumerate(tensors) if t.requires_grad]
    wanted = wanted or [i for i, t in enumerate(tensors) if t.dtype.kind == "f"]
    if not wanted:
        raise TypeError("gradcheck: there is nothing to check, no input is of float64")
    for i in wanted:
        if tensors[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck needs float64, input {i} is {tensors[i].dtype}: convert it with "
                ".astype('float64')"
            )
        if tensors[i].node is not None:
            raise ValueError(
                f"gradcheck: input {i} was computed from other tensors; pass its .detach()"
            )
    return wanted


def _labels(tensors: list[Tensor], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return [tensor.name or f"input {i}" for i, tensor in enumerate(tensors)]
    if len(names) != len(tensors):
        raise ValueError(f"gradcheck: {len(names)} names for {len(tensors)} inputs")
    return list(names)


@dataclass(frozen=True)
class _Probe:
    """Measures slopes of sum(y * dy) along single elements."""

    evaluate: Callable[[], Tensor]
    dy: NDArray[np.float64]
    eps: float
    rtol: float
    atol: float

    def compare(
        self, tensor: Tensor, label: str, seed: int, max_elements: int | None
    ) -> InputReport:
        """Check one input; raise at its first wrong element."""
        count = tensor.size if max_elements is None else min(tensor.size, max_elements)
        order = np.arange(tensor.size)
        if count < tensor.size:
            order = np.sort(random.permutation(tensor.size, seed, "gradcheck elements")[:count])
        gradient = np.zeros(tensor.shape)
        if tensor.grad is not None:
            gradient = Tensor(tensor.grad).numpy()
        kinks, worst, largest = [], 0.0, 0.0
        for flat in order:
            index = tuple(int(i) for i in np.unravel_index(flat, tensor.shape))
            analytic, (numeric, noise) = float(gradient[index]), self.slope(tensor, index)
            size = max(abs(analytic), abs(numeric))
            error = abs(analytic - numeric)
            if not error <= self.atol + self.rtol * size + noise:  # also true of NaN
                if self.is_kink(tensor, index, error):
                    kinks.append(index)
                    continue
                raise GradientError(
                    f"gradient of {label} at {list(index)}: backward says {analytic:.10g}, "
                    f"differences say {numeric:.10g}; {label} has shape {tensor.shape}, the value "
                    f"there is {float(tensor.numpy()[index]):.6g}"
                )
            worst, largest = max(worst, error), max(largest, size)
        relative = worst / largest if largest else 0.0
        return InputReport(label, tensor.shape, count - len(kinks), tuple(kinks), relative)

    def slope(self, tensor: Tensor, index: Index) -> tuple[float, float]:
        """Return the central difference (f(x + h) - f(x - h)) / 2h, and how uncertain it is.

        Each y that moved was rounded by up to half a unit of its last place, here and there; over
        many of them such errors add up like a random walk, whose spread times four is the bound.
        """
        h = self._step(tensor, index, self.eps)
        high, low = self._at(tensor, index, h), self._at(tensor, index, -h)
        rounding = np.where(high != low, np.spacing(np.abs(high)) * self.dy, 0.0)
        noise = 4 * float(np.sqrt(np.sum(rounding * rounding))) / (2 * h)
        return self._rise(high, low) / (2 * h), noise

    def is_kink(self, tensor: Tensor, index: Index, error: float) -> bool:
        """Whether the slopes to the left and right differ, and go on differing at another step.

        Around a kink they differ by its angle, whatever the step; where the function is smooth they
        differ by step * curvature, four times as much for a step four times as large. The steps are
        larger than that of the comparison, for a kink it has met lies inside them then.
        """
        near = self._angle(tensor, index, 4 * self.eps)
        far = self._angle(tensor, index, 16 * self.eps)
        return near > error / 2 and far < 2 * near

    def _angle(self, tensor: Tensor, index: Index, step: float) -> float:
        h = self._step(tensor, index, step)
        here = self._at(tensor, index, 0.0)
        right = self._rise(self._at(tensor, index, h), here) / h
        left = self._rise(here, self._at(tensor, index, -h)) / h
        return abs(right - left)

    def _step(self, tensor: Tensor, index: Index, step: float) -> float:
        return step * max(1.0, abs(float(tensor.numpy()[index])))

    def _at(self, tensor: Tensor, index: Index, offset: float) -> NDArray[np.float64]:
        """Return y with one element of an input moved; the element is put back."""
        value = float(tensor.numpy()[index])
        try:
            tensor.data[index] = value + offset
            with no_grad():
                return np.array(self.evaluate().numpy())
        finally:
            tensor.data[index] = value

    def _rise(self, high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
        # difference first, sum after: y may be large where it does not change at all
        return float(np.sum((high - low) * self.dy))
