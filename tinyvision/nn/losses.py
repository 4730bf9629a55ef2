"""Losses: one number that says how wrong the outputs are.

A loss of your own takes a few lines of tensor arithmetic; its derivative follows by itself::

    @dataclass(frozen=True)
    class LogCosh(nn.Loss):
        scale: float = 1.0

        def forward(self, outputs, targets):
            d = (outputs - targets) * self.scale
            return ((d.exp() + (-d).exp()) / 2).log().mean()

    loss = LogCosh(scale=2.0)(model(x), targets)

Its fields are its settings, which the training record keeps (:meth:`Loss.to_data`).
"""

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np

from tinyvision_kernels.contract import ShapeError

from .. import functional
from ..errors import ModelFileError
from ..tensor import Tensor
from . import checks

LOSSES: dict[str, type["Loss"]] = {}  # every class of loss by name, for loading training records


@dataclass(frozen=True)
class Loss:
    """Base of all losses: ``loss(outputs, targets)`` is a scalar tensor, the mean over the batch.

    A subclass defines :meth:`forward`. Targets that are arrays of fractions become tensors of the
    outputs' dtype; whole numbers (labels) are passed on as they are.
    """

    name: ClassVar[str] = "Loss"

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__
        LOSSES[cls.__name__] = cls

    def __call__(self, outputs: Tensor, targets: Any) -> Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        outputs : Tensor (N, ...)
            What the model returned.
        targets : array or Tensor
            What it should have returned: class labels, or values like the outputs.
        """
        try:
            return self.forward(outputs, _targets(targets, outputs))
        except ShapeError as error:
            error.place = error.place or self.name
            raise

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss."""
        raise NotImplementedError(f"loss {self.name} defines no forward")

    def config(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        return {f.name: settings[f.name] for f in fields(self) if settings[f.name] != f.default}

    def to_data(self) -> dict[str, Any]:
        """Return the loss as JSON-able data: ``{"loss": "Focal", "gamma": 1.5}``."""
        settings = {k: list(v) if isinstance(v, tuple) else v for k, v in self.config().items()}
        return {"loss": self.name, **settings}

    @staticmethod
    def from_data(data: dict[str, Any]) -> "Loss":
        """Make the loss that :meth:`to_data` described.

        Raises
        ------
        ModelFileError
            Its class is not known here, or refuses its settings.
        """
        kind = data.get("loss")
        if kind not in LOSSES:
            close = get_close_matches(str(kind), LOSSES, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ModelFileError(
                f"there is no loss {kind!r}{hint}: import the module that defines it before loading"
            )
        settings = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k != "loss"
        }
        try:
            return LOSSES[kind](**settings)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"loss {kind!r} refuses its settings: {error}") from error


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Surprise at the right class: ``-log softmax(logits)[label]``, for one class an image.

    Parameters
    ----------
    smoothing : float in [0, 1]
        Share of the target that is spread over all classes, so that the model need not become
        infinitely sure (Szegedy et al. 2016).
    weights : sequence of float, optional
        One factor a class, for classes of unequal frequency. The mean is then the weighted one:
        the sum of the losses over the sum of ``weights[label]``.
    """

    smoothing: float = 0.0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        checks.rate(self, "smoothing", self.smoothing, below_one=False)
        if self.weights is not None:
            object.__setattr__(self, "weights", checks.factors(self, "weights", self.weights))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, K), labels (N,) in 0 .. K-1 or shares of classes (N, K) -> scalar."""
        weights = None
        if self.weights is not None:
            weights = Tensor(np.array(self.weights, outputs.dtype))
        return functional.cross_entropy(outputs, targets, weights, smoothing=self.smoothing)


@dataclass(frozen=True)
class BCEWithLogits(Loss):
    """Cross-entropy of independent yes-or-no answers, for images that show several things.

    ``-t log p - (1 - t) log(1 - p)`` with ``p = sigmoid(output)``, computed from the logits so that
    nothing overflows; the mean over all answers.
    """

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logits and targets in [0, 1] of the same shape -> scalar."""
        _same_shape(outputs, targets)
        return functional.bce_with_logits(outputs, _as_values(targets, outputs))


@dataclass(frozen=True)
class MSE(Loss):
    """Mean squared error: ``mean((output - target)^2)``."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Two tensors of the same shape -> scalar."""
        _same_shape(outputs, targets)
        d = outputs - _as_values(targets, outputs)
        return (d * d).mean()


@dataclass(frozen=True)
class Huber(Loss):
    """Squared error near the target, absolute error far from it: outliers pull less (Huber 1964).

    ``d^2 / 2`` where ``|d| <= delta``, else ``delta * (|d| - delta / 2)``; the mean over all.

    Parameters
    ----------
    delta : float
        Distance at which the parabola becomes a line.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        checks.positive(self, "delta", self.delta)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Two tensors of the same shape -> scalar."""
        _same_shape(outputs, targets)
        distance = (outputs - _as_values(targets, outputs)).abs()
        near = distance.clip(high=self.delta)  # both branches in one formula, without a condition
        return (near * (distance - near * 0.5)).mean()


@dataclass(frozen=True)
class Focal(Loss):
    """Cross-entropy that cares less for what is right already (Lin et al. 2017).

    ``-alpha * (1 - p)^gamma * log p`` with ``p = softmax(logits)[label]``; the mean over the batch.

    Parameters
    ----------
    gamma : float
        How fast easy examples lose weight; 0 gives cross-entropy.
    alpha : sequence of float, optional
        One factor a class.
    """

    gamma: float = 2.0
    alpha: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise ValueError(f"Focal: gamma must be 0 or more, got {self.gamma!r}")
        if self.alpha is not None:
            object.__setattr__(self, "alpha", checks.factors(self, "alpha", self.alpha))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, K), labels (N,) in 0 .. K-1 -> scalar."""
        if self.alpha is not None and len(self.alpha) != outputs.shape[1]:
            raise ShapeError(f"alpha must be {outputs.shape[1:]}, not {(len(self.alpha),)}")
        surprise = functional.cross_entropy_of_rows(outputs, targets)  # -log p: (N, K) -> (N,)
        losses = surprise
        if self.alpha is not None:
            alpha = np.array(self.alpha, outputs.dtype)
            losses = functional.cross_entropy_of_rows(outputs, targets, alpha)
        if self.gamma:
            # p may round up to 1, and a slope of 0^(gamma - 1) would then be infinite
            missing = (1.0 - (-surprise).exp()).clip(low=float(np.finfo(outputs.dtype).tiny))
            losses = missing**self.gamma * losses
        return losses.mean()


def _targets(targets: Any, outputs: Tensor) -> Tensor:
    """Return the targets as a tensor; fractions in the outputs' dtype."""
    if isinstance(targets, Tensor):
        return targets
    array = targets if hasattr(targets, "dtype") else np.asarray(targets)
    if array.dtype.kind == "f" and array.dtype != outputs.dtype:
        array = array.astype(outputs.dtype)
    return Tensor(array)


def _as_values(targets: Tensor, outputs: Tensor) -> Tensor:
    """Return whole numbers (0 and 1 as answers, say) as numbers of the outputs' dtype."""
    return targets if targets.dtype.kind == "f" else targets.astype(outputs.dtype)


def _same_shape(outputs: Tensor, targets: Tensor) -> None:
    """Refuse to broadcast: (N, 1) against (N,) would compare every output with every target."""
    if outputs.shape != targets.shape:
        raise ShapeError(f"outputs are {outputs.shape}, targets {targets.shape}: they must agree")
