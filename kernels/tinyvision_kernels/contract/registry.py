"""How a kernel enters the list, and the words its shape rule is written in."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

Shape = tuple[int, ...]
OptionalShape = Shape | None
Pair = tuple[int, int]  # (along H, along W)
Pads = tuple[int, int, int, int]  # cells of zeros (top, bottom, left, right)
Rule = TypeVar("Rule", bound=Callable[..., tuple[Shape, ...]])


class ShapeError(ValueError):
    """Arrays whose shapes do not fit each other; ``place`` names the layer once one is known."""

    place: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {super().__str__()}" if self.place else super().__str__()


class AlgorithmError(ValueError):
    """An algorithm asked for by name that there is not, or that cannot compute what is asked."""


@dataclass(frozen=True)
class Contract:
    """One line of the list: the names of a kernel's arrays and settings, and its shape rule."""

    name: str
    outputs: tuple[str, ...]
    updates: tuple[str, ...]
    inputs: tuple[str, ...]
    settings: tuple[str, ...]
    shapes: Callable[..., tuple[Shape, ...]]
    formula: str
    dtypes: Mapping[str, str] = field(default_factory=dict)  # of arrays not of the one float type
    bfloat16: bool = False  # whether the one float type may be bfloat16

    def dtype(self, array: str, one: Any) -> Any:
        """Return the dtype of an array where the one float type is the NumPy dtype ``one``."""
        if array in FLOAT32 and one.name == "bfloat16":
            return "float32"
        return self.dtypes.get(array, one)


# Arrays that three digits would spoil, float32 where the one float type is bfloat16: what has one
# number a channel or an image, sums over a batch, such as the gradients of weights, and images that
# are rounded when they have been mixed.
FLOAT32 = frozenset([
    "b", "db", "dw", "gamma", "beta", "dgamma", "dbeta",
    "mean", "inv_std", "var", "running_mean", "running_var",
    "colours", "scale", "bias", "pure", "shares",
])  # fmt: skip


KERNELS: dict[str, Contract] = {}


def kernel(
    *outputs: str,
    updates: tuple[str, ...] = (),
    dtypes: Mapping[str, str] | None = None,
    bfloat16: bool = False,
) -> Callable[[Rule], Rule]:
    """Enter the decorated shape rule into ``KERNELS``."""

    def enter(rule: Rule) -> Rule:
        parameters = inspect.signature(rule).parameters
        arrays = [p for p, v in parameters.items() if v.annotation in (Shape, OptionalShape)]
        if tuple(arrays) != tuple(parameters)[: len(arrays)]:
            raise TypeError(f"kernel {rule.__name__}: arrays come before settings")
        KERNELS[rule.__name__] = Contract(
            name=rule.__name__,
            outputs=outputs,
            updates=updates,
            inputs=tuple(a for a in arrays if a not in updates),
            settings=tuple(parameters)[len(arrays) :],
            shapes=rule,
            formula=inspect.getdoc(rule) or "",
            dtypes=dtypes or {},
            bfloat16=bfloat16,
        )
        return rule

    return enter


def need(condition: bool, message: str) -> None:
    """Refuse shapes that break ``condition``."""
    if not condition:
        raise ShapeError(message)


def rank(name: str, shape: Shape, letters: Sequence[str]) -> None:
    """Refuse an array that has not one axis a letter: ``rank("x", x, "NHWC")``."""
    wanted = ", ".join(letters)
    need(len(shape) == len(letters), f"{name} must be ({wanted}), it is {shape}")


def each(shape: Shape, **arrays: Shape) -> None:
    """Refuse any of the named arrays that is not of ``shape``: ``each(x[-1:], gamma=gamma)``."""
    for name, array in arrays.items():
        need(array == shape, f"{name} must be {shape}, it is {array}")


def same(first: Shape, second: Shape) -> tuple[Shape, ...]:
    """Shape rule of a kernel whose two inputs and one output agree."""
    need(first == second, f"{first} and {second} differ in shape")
    return (first,)
