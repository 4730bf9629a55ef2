"""What a layer is: parameters, and one op call.

A layer of your own takes a few lines; its sizes come from the first input it sees::

    @dataclass(eq=False)
    class Scale(nn.Layer):
        start: float = 1.0

        def setup(self, x_shape):
            self.s = self.parameter("s", (x_shape[-1],), nn.init.constant(self.start))

        def forward(self, x):
            return x * self.s

Its constructor arguments are its architecture: they are what a model file keeps (``config``), so
each must be stored under its own name. Tensors and layers kept in attributes are found by looking.
"""

import inspect
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape, ShapeError

from .. import backend as _backend
from .. import random
from ..backend import Array
from ..tape import no_grad
from ..tensor import Tensor
from .init import Initializer

LAYERS: dict[str, type["Layer"]] = {}  # every class of layer by name, for loading architectures

_path: ContextVar[tuple[str, ...]] = ContextVar("tinyvision_layer_path", default=())


def current_path() -> str:
    """Return the dotted name of the layer that is running, such as ``block1.conv2``."""
    return ".".join(part for part in _path.get() if part)


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


@dataclass(eq=False)
class Layer:
    """Base of all layers.

    Parameters
    ----------
    name : str, optional
        Shown in messages and summaries; containers number their layers by kind where it is missing.
    """

    name: str = field(default="", kw_only=True)

    training: bool = field(default=True, init=False, repr=False)
    built: bool = field(default=False, init=False, repr=False)

    kind: ClassVar[str] = "layer"  # prefix of automatic names: conv1, conv2 ...

    def __init_subclass__(cls, kind: str = "") -> None:
        cls.kind = kind or cls.__name__.lower()
        LAYERS[cls.__name__] = cls

    # --- what a layer defines -----------------------------------------------------------------

    def setup(self, *shapes: Shape) -> None:
        """Create the parameters for inputs of these shapes; called once, at the first run."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the output."""
        raise NotImplementedError(f"layer {type(self).__name__} defines no forward")

    # --- running ------------------------------------------------------------------------------

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run the layer; errors about shapes say which layer they come from."""
        token = _path.set((*_path.get(), self.name))
        try:
            if not self.built:
                for name, child in self.children():
                    child.name = name
                self.setup(*(x.shape for x in inputs))
                self.built = True
            return self.forward(*inputs)
        except ShapeError as error:
            if not error.place:
                error.place = f"{type(self).__name__} {current_path()!r}"
            raise
        finally:
            _path.reset(token)

    def build(self, input_shape: Shape, *, seed: int | None = None) -> Shape:
        """Create all parameters by running one image of zeros; return the output shape.

        Parameters
        ----------
        input_shape : tuple of int
            Without the batch axis, such as (28, 28, 1).
        seed : int, optional
            Seed of the initial weights; by default the one of :func:`tinyvision.random.seed`.
        """
        state = random.state()
        mode = self.training
        if seed is not None:
            random.seed(seed)
        self.eval()
        try:
            # on the reference backend: one image is not worth compiling kernels for
            with _backend.using("reference"), no_grad():
                output = self(Tensor(np.zeros((1, *input_shape), np.float32)))
        finally:
            random.restore(state)
            self.train(mode)
        self.to_backend()
        return output.shape[1:]

    def train(self, mode: bool = True) -> "Layer":
        """Switch dropout and batch statistics on (or off) here and in all layers inside."""
        for layer in self.layers():
            layer.training = mode
        return self

    def eval(self) -> "Layer":
        """Switch to inference: no dropout, running statistics."""
        return self.train(False)

    # --- what is inside -----------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, "Layer"]]:
        """Yield ``(name, layer)`` for the layers in attributes, also in lists and tuples."""
        for attribute, value in vars(self).items():
            if isinstance(value, Layer):
                yield value.name or attribute, value
            elif isinstance(value, (list, tuple)):
                for i, item in enumerate(value):
                    if isinstance(item, Layer):
                        yield item.name or f"{attribute}{i + 1}", item

    def layers(self) -> Iterator["Layer"]:
        """Yield this layer and all inside it, outermost first, each once."""
        yield from (layer for _, layer in self.named_layers())

    def named_layers(self) -> Iterator[tuple[str, "Layer"]]:
        """Yield ``(dotted path, layer)``; this layer's own path is empty."""
        seen: set[int] = set()

        def walk(prefix: str, layer: Layer) -> Iterator[tuple[str, Layer]]:
            if id(layer) in seen:  # a shared layer has one home, the first
                return
            seen.add(id(layer))
            yield prefix, layer
            for name, child in layer.children():
                yield from walk(f"{prefix}.{name}" if prefix else name, child)

        return walk("", self)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield ``(dotted path, tensor)`` of every parameter and buffer (running statistics)."""
        for path, layer in self.named_layers():
            for attribute, value in vars(layer).items():
                if isinstance(value, Tensor):
                    yield f"{path}.{attribute}" if path else attribute, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield ``(dotted path, parameter)``."""
        for path, tensor in self.tensors():
            if isinstance(tensor, Parameter):
                yield path, tensor

    def parameters(self) -> list[Parameter]:
        """List the parameters, each once."""
        return list({id(p): p for _, p in self.named_parameters()}.values())

    def parameter_count(self) -> int:
        """Count the trained numbers."""
        return sum(p.size for p in self.parameters())

    # --- making parameters --------------------------------------------------------------------

    def parameter(
        self, attribute: str, shape: Shape, initializer: Initializer, *, decay: bool = True
    ) -> Parameter:
        """Make a parameter in :meth:`setup`; its values depend on the seed and its path alone."""
        path = f"{current_path()}.{attribute}".lstrip(".")
        seed, _ = random.state()
        values = initializer(shape, seed, f"init {path}")
        return Parameter(values.astype(np.float32), decay=decay, name=path)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # --- moving -------------------------------------------------------------------------------

    def to_backend(self) -> "Layer":
        """Move all tensors to the backend in force (a copy only where the device differs)."""
        backend = _backend.current()
        for _, tensor in self.tensors():
            if not isinstance(tensor.data, backend.xp.ndarray):
                tensor.move(backend.asarray(tensor.numpy()))
        return self

    def astype(self, dtype: Any) -> "Layer":
        """Convert all floating tensors to ``dtype`` (float64 for gradient checks)."""
        for _, tensor in self.tensors():
            if tensor.dtype.kind == "f":
                tensor.move(tensor.data.astype(dtype))
        return self

    # --- saving -------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy every parameter and buffer to the host, by path."""
        return {path: np.array(tensor.numpy()) for path, tensor in self.tensors()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Write the values of :meth:`state` into this (built) layer.

        Raises
        ------
        ValueError
            A tensor is missing, left over, or of another shape; nothing has been written then.
        """
        own = dict(self.tensors())
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or extra:
            raise ValueError(
                f"the state does not fit the model: missing {missing or 'none'}, "
                f"left over {extra or 'none'}"
            )
        for path, tensor in own.items():
            if tensor.shape != state[path].shape:
                raise ValueError(
                    f"{path}: the model has shape {tensor.shape}, the state {state[path].shape}"
                )
        for path, tensor in own.items():
            # in place: an optimiser may own the memory
            tensor.data[...] = _backend.current().asarray(state[path].astype(tensor.dtype))

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments that differ from their defaults."""
        arguments = {}
        for parameter in inspect.signature(type(self).__init__).parameters.values():
            if parameter.name == "self":
                continue
            if not hasattr(self, parameter.name):
                raise TypeError(
                    f"{type(self).__name__} does not keep its argument {parameter.name!r} in an "
                    "attribute of that name: do so, or define config()"
                )
            value = getattr(self, parameter.name)
            if parameter.default is inspect.Parameter.empty or value != parameter.default:
                arguments[parameter.name] = value
        return arguments

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """Make a layer from what :meth:`config` returned."""
        return cls(**config)

    # --- reading ------------------------------------------------------------------------------

    def summary(self, input_shape: Shape) -> str:
        """Return a table: each layer's output shape, parameters, FLOPs and bytes for one image."""
        from .summary import summarize

        return str(summarize(self, input_shape))
