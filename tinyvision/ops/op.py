"""What an op is: a pair of functions on arrays, and the numbers that describe it."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tinyvision_kernels.contract import Shape

from ..backend import Array, Kernels

Saved = Any  # whatever forward hands to backward: arrays, shapes, or nothing
Grads = tuple[Array | None, ...]


@dataclass(frozen=True)
class Op:
    """A differentiable function of arrays, written as an explicit forward/backward pair.

    Settings (stride, axis ...) are fields of the op; arrays are arguments. Forward *returns* what
    backward will need instead of keeping it on ``self``, so the same op can run many times before
    the first backward, as a layer that is used twice in a network does.
    """

    name: ClassVar[str] = ""
    converts: ClassVar[bool] = False  # whether the output may have another dtype than the inputs
    # Whether forward and backward consist of kernels and views alone: then a plan can note down
    # which kernels they call and from then on do without Python.
    recordable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__
        if "recordable" not in vars(cls) and {"forward", "backward"} & vars(cls).keys():
            cls.recordable = False  # what holds for the base need not hold for this

    def forward(self, k: Kernels, *inputs: Array) -> tuple[Array, Saved]:
        """Return the output and what backward needs.

        Parameters
        ----------
        k : Kernels
            The kernels of the backend in force; ``k.xp`` is its array module.
        *inputs : arrays
            Of one floating dtype (labels and indices apart). They may be strided views; kernels
            make contiguous what they need so.
        """
        raise NotImplementedError(f"op {self.name} defines no forward")

    def backward(self, k: Kernels, dy: Array, saved: Saved, needs: tuple[bool, ...]) -> Grads:
        """Return one gradient per input, or None for those that ``needs`` does not ask for.

        Parameters
        ----------
        dy : array, the shape of the output
            dloss/doutput.
        saved
            What forward returned.
        needs : one bool per input
            Whether anybody wants that gradient; computing others is allowed but wasted.
        """
        raise NotImplementedError(f"op {self.name} defines no backward")

    def flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        """Floating-point operations of one forward run; a multiply-add counts as two.

        By default one per output element, which fits element-wise ops.
        """
        count = 1
        for size in output:
            count *= size
        return count
