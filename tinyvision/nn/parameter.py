"""What training changes."""

from typing import Any

from ..backend import Array
from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that training changes; ``decay`` says whether weight decay applies to it."""

    __slots__ = ("decay", "owner")

    def __init__(self, data: Any, *, decay: bool = True, name: str = "") -> None:
        super().__init__(data, requires_grad=True, name=name)
        self.decay = decay
        self.owner: object = None  # the optimiser whose memory this is a view of

    def zero_grad(self) -> None:
        """Set the gradient to zero in place: an optimiser may own its memory."""
        if self.grad is not None:
            self.grad[...] = 0

    def move(self, data: Array) -> None:
        """Replace the values by an array elsewhere; an optimiser that owned them loses hold."""
        super().move(data)
        self.owner = None
