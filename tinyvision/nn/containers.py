"""Layers made of layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from textwrap import indent
from typing import Any, overload

from tinyvision_kernels.contract import ShapeError

from .. import functional
from ..tensor import Tensor
from .layer import Layer


def _give_names(owner: str, layers: Sequence[Layer]) -> None:
    """Name layers by kind and number (conv1, relu1, conv2 ...); refuse a name given twice."""
    taken: dict[str, Layer] = {}
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{owner} takes layers, got {layer!r}; wrap a function of yours in a Layer, "
                "or add the missing parentheses"
            )
        if layer.name and taken.setdefault(layer.name, layer) is not layer:
            raise ValueError(f"{owner}: two layers are called {layer.name!r}; give them two names")
    for layer in layers:
        if not layer.name:  # a layer that comes again has its name by then
            numbers = (f"{layer.kind}{i}" for i in count(1))
            layer.name = next(name for name in numbers if name not in taken)
            taken[layer.name] = layer


class Sequential(Layer, kind="block"):
    """Run layers one after the other; without any it returns its input.

    Layers without a name get one by kind and number: conv1, relu1, conv2 ... The same layer may
    stand in several places and then has one set of parameters.

    Parameters
    ----------
    *layers : Layer
        In order.

    Examples
    --------
    ::

        model = Sequential(Conv2d(32, 3), ReLU(), Flatten(), Dense(10))
        model.build((28, 28, 1))
        model[0], model["conv1"], model[:2], len(model)

    A slice is a Sequential of the same layers: what ``model[:-1]`` returns shares the parameters.
    """

    def __init__(self, *layers: Layer, name: str = "") -> None:
        _give_names("Sequential", layers)
        self.items, self.name = layers, name

    def forward(self, *inputs: Tensor) -> Tensor:
        """Input of the first layer -> output of the last."""
        if not self.items:
            (x,) = inputs
            return x
        x = self.items[0](*inputs)
        for layer in self.items[1:]:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int | str) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | str | slice) -> Layer:
        if isinstance(index, slice):
            return Sequential(*self.items[index])
        if isinstance(index, str):
            for layer in self.items:
                if layer.name == index:
                    return layer
            names = ", ".join(layer.name for layer in self.items)
            raise KeyError(f"there is no layer {index!r}, there are: {names}")
        return self.items[index]

    def config(self) -> dict[str, Any]:
        """Return the layers, and the name where there is one."""
        return {"layers": self.items, **({"name": self.name} if self.name else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sequential":
        """Make the container from :meth:`config`."""
        return cls(*config["layers"], name=config.get("name", ""))

    def __repr__(self) -> str:
        return _tree("Sequential", [repr(layer) for layer in self.items])


@dataclass(eq=False)
class Residual(Layer, kind="residual"):
    """``body(x) + shortcut(x)``: the body learns what to change (He et al. 2016).

    The sum hands its gradient to both sides undiminished, which is what lets networks of a hundred
    layers learn.

    Parameters
    ----------
    body : Layer
        What is learned.
    shortcut : Layer, optional
        Brings x to the shape of the body's output; by default x itself.
    """

    body: Layer
    shortcut: Layer | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x -> body(x) + shortcut(x)."""
        y = self.body(x)
        s = x if self.shortcut is None else self.shortcut(x)
        if y.shape != s.shape:
            way_out = (
                "give a shortcut that makes them equal, such as Conv2d(filters, 1, stride)"
                if self.shortcut is None
                else "make the two equal"
            )
            raise ShapeError(f"the body returns {y.shape}, the shortcut {s.shape}: {way_out}")
        return y + s


class Concat(Layer, kind="concat"):
    """Run branches on the same input and lay their outputs side by side.

    Parameters
    ----------
    *branches : Layer
        Run in order; an empty ``Sequential()`` passes the input on.
    axis : int
        Along which the outputs are joined; by default the channels.
    """

    def __init__(self, *branches: Layer, axis: int = -1, name: str = "") -> None:
        if not branches:
            raise ValueError("Concat needs at least one branch")
        _give_names("Concat", branches)
        self.branches, self.axis, self.name = branches, axis, name

    def forward(self, x: Tensor) -> Tensor:
        """x -> the branches' outputs, joined along ``axis``."""
        outputs = [branch(x) for branch in self.branches]
        first = outputs[0].shape
        axis = self.axis % len(first)
        for branch, y in zip(self.branches, outputs, strict=True):
            if y.ndim != len(first) or _without(y.shape, axis) != _without(first, axis):
                raise ShapeError(
                    f"branch {self.branches[0].name!r} returns {first}, branch {branch.name!r} "
                    f"{y.shape}: they may differ along axis {self.axis} alone"
                )
        return functional.concat(outputs, axis=self.axis)

    def __repr__(self) -> str:
        axis = [f"axis={self.axis}"] if self.axis != -1 else []
        return _tree("Concat", [repr(branch) for branch in self.branches] + axis)


def _tree(name: str, arguments: list[str]) -> str:
    """Write a call with an indented line for each argument."""
    lines = "".join(indent(argument, "  ") + ",\n" for argument in arguments)
    return f"{name}(\n{lines})" if lines else f"{name}()"


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
