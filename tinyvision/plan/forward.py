"""A model's outputs in inference mode, by a plan wherever one can be made."""

from typing import Any

from ..backend import Array
from ..errors import PlanError
from ..nn.layer import Layer
from ..tape import no_grad
from ..tensor import Tensor
from .plan import Plan


class Forward:
    """What a model answers: ``forward(x)`` with arrays in, arrays out.

    It may be used as long as nobody changes the model's layers; their weights may change.

    Parameters
    ----------
    model : Layer
        Built; in whatever mode it is, it answers as after ``eval()``.
    eager : bool
        Whether to run the layers one by one, and make no plan.
    """

    def __init__(self, model: Layer, *, eager: bool = False) -> None:
        self.model = model
        self.plan: Plan | None = None if eager else Plan(model, train=False)

    def __call__(self, x: Any) -> Array:
        """Return the model's output for a batch."""
        if self.plan is not None:
            try:
                return self.plan(x)
            except PlanError:  # it runs another way each time
                self.plan = None
        mode = self.model.training
        self.model.eval()
        try:
            with no_grad():
                return self.model(Tensor(x)).data
        finally:
            self.model.train(mode)
