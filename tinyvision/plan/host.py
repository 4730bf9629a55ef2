"""Steps that Python does: ops that compute by other means than kernels, run as eager runs them."""

from collections.abc import Callable
from typing import Any

from ..backend import Kernels
from ..ops.op import Op, Saved


class HostOp:
    """An op of one node: its forward and its backward, with what is saved in between."""

    def __init__(self, op: Op, kernels: Kernels) -> None:
        self.op, self.kernels = op, kernels
        self.saved: Saved = None

    def forward(self, reads: list[Any], writes: list[Any]) -> None:
        """Compute the output from the inputs."""
        y, self.saved = self.op.forward(self.kernels, *reads)
        writes[0][...] = y

    def backward(self, needs: tuple[bool, ...]) -> Callable[[list[Any], list[Any]], None]:
        """Return what computes the gradients that ``needs`` asks for from dy."""

        def run(reads: list[Any], writes: list[Any]) -> None:
            shares = self.op.backward(self.kernels, reads[0], self.saved, needs)
            wanted = (share for share, need in zip(shares, needs, strict=True) if need)
            for target, share in zip(writes, wanted, strict=True):
                target[...] = 0 if share is None else share

        return run


def copied(reads: list[Any], writes: list[Any]) -> None:
    """Copy one array into another."""
    writes[0][...] = reads[0]
