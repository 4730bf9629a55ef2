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
each must be stored under its own name. Tensors and layers kept in attributes, also in lists, tuples
and dictionaries there, are found by looking.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

from .. import backend as _backend
from .. import random
from ..tape import no_grad
from ..tensor import Tensor, as_tensor
from . import checks, place
from .init import Initializer
from .parameter import Parameter

LAYERS: dict[str, type["Layer"]] = {}  # every class of layer by name, for loading architectures

T = TypeVar("T")


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
    frozen: bool = field(default=False, init=False, repr=False)
    built: bool = field(default=False, init=False, repr=False)

    kind: ClassVar[str] = "layer"  # prefix of automatic names: conv1, conv2 ...

    def __init_subclass__(cls, kind: str = "") -> None:
        cls.kind = kind or cls.__name__.lower()
        namesake = LAYERS.get(cls.__name__)
        package = __name__.partition(".")[0]
        home = namesake.__module__ if namesake else ""
        if home.startswith(f"{package}.") and home != cls.__module__:
            raise TypeError(
                f"a layer class {cls.__name__} exists in {home}, and model files "
                "know layers by their class's name: choose another"
            )
        LAYERS[cls.__name__] = cls

    # --- what a layer defines -----------------------------------------------------------------

    # Any lets subclasses name their inputs: ``setup(self, x)``, ``forward(self, image, context)``

    def setup(self, *shapes: Any, **_: Any) -> None:
        """Create the parameters for inputs of these shapes; called once, at the first run."""

    def forward(self, *inputs: Any, **_: Any) -> Tensor:
        """Compute the output from tensors."""
        raise NotImplementedError(f"layer {type(self).__name__} defines no forward")

    # --- running ------------------------------------------------------------------------------

    def __call__(self, *inputs: Any) -> Tensor:
        """Run the layer; errors about shapes say which layer they come from.

        Parameters
        ----------
        *inputs : Tensor or array
            Of the dtype of the parameters, float32 unless :meth:`astype` changed it.
        """
        with place.inside(self):
            tensors = [as_tensor(x) for x in inputs]
            if not self.built:
                self._first_run([x.shape for x in tensors])
            output = self.forward(*tensors)
            place.notify(self, output)
            return output

    def _first_run(self, shapes: list[Shape]) -> None:
        """Let :meth:`setup` make the parameters, and name the layers inside."""
        known = {id(child) for _, child in self.children()}
        self.setup(*shapes)
        names: dict[str, Layer | Tensor] = {}
        found: list[tuple[str, Layer | Tensor]] = [*self.children(), *held(self, Tensor)]
        for name, value in found:
            if names.setdefault(name, value) is not value:
                kind = "layers" if isinstance(value, Layer) else "tensors"
                raise ValueError(
                    f"{type(self).__name__} holds two {kind} called {name!r}: give them two names"
                )
            if "." in name:  # the path a.b would be that of b inside a
                raise ValueError(f"a name in a model may hold no dot, {name!r} does: rename it")
        for name, child in self.children():
            child.name = name
            if id(child) not in known:  # made by setup, after train() or eval() was called
                child.train(self.training)
        self.built = True

    def build(self, input_shape: Shape, *, seed: int | None = None) -> Shape:
        """Create all parameters by running one image of zeros; return the output shape.

        Parameters
        ----------
        input_shape : tuple of int
            Without the batch axis, such as (28, 28, 1).
        seed : int, optional
            Seed of the initial weights; by default the one of :func:`tinyvision.random.seed`.

        Raises
        ------
        ShapeError
            A layer cannot take what reaches it; the model can be built again with another shape.
        """
        state = random.state()
        fresh = [layer for layer in self.layers() if not layer.built]
        try:
            if seed is not None:
                random.seed(seed)
            output = self.probe(input_shape)
        except Exception:
            for layer in fresh:  # what came before the fault has the wrong sizes
                layer.built = False
            raise
        finally:
            random.restore(state)
        self.to_backend()
        return output.shape[1:]

    def probe(self, input_shape: Shape) -> Tensor:
        """Run one image of zeros in inference mode, without a tape; return the output (1, ...)."""
        shape = checks.input_shape(input_shape)
        floats = [t.data for _, t in self.tensors() if t.dtype.kind == "f"]
        on_host = all(isinstance(array, np.ndarray) for array in floats)
        modes = [(layer, layer.training) for layer in self.layers()]
        self.eval()
        try:
            # on the reference backend: one image is not worth compiling kernels for
            with _backend.using("reference" if on_host else _backend.current()), no_grad():
                return self(np.zeros((1, *shape), floats[0].dtype if floats else np.float32))
        finally:
            self.train(modes[0][1])  # layers that setup made follow the outermost
            for layer, mode in modes:
                layer.training = mode

    def train(self, mode: bool = True) -> Self:
        """Switch dropout and batch statistics on (or off) here and in all layers inside.

        A layer inside that was switched off by ``eval()`` is switched on again, as a trainer does
        at each epoch; what is to rest throughout a training takes :meth:`freeze`.
        """
        for layer in self.layers():
            layer.training = mode and not layer.frozen
        return self

    def eval(self) -> Self:
        """Switch to inference: no dropout, running statistics."""
        return self.train(False)

    def freeze(self, frozen: bool = True) -> Self:
        """Keep this layer and all inside as they are, whatever is trained around them (or no more).

        Their parameters get no gradient, and ``train()`` leaves them in inference mode: the running
        statistics of norms stand still too. An optimiser sees what is frozen when it is made. A
        model file does not keep it.

        Raises
        ------
        ValueError
            A layer has no parameters yet, since it has neither been built nor run.
        """
        for layer in self.layers():
            # a container may be new, as a slice of a built one is
            if not layer.built and not any(layer.children()):
                raise ValueError(
                    f"{type(layer).__name__} {layer.name!r} has no parameters to freeze yet: build "
                    "the model first, model.build(shape)"
                )
        for layer in self.layers():
            layer.frozen, layer.training = frozen, not frozen
        for parameter in self.parameters():
            parameter.requires_grad = not frozen
        return self

    # --- what is inside -----------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, "Layer"]]:
        """Yield ``(name, layer)`` for the layers that this one keeps."""
        for name, child in held(self, Layer):
            yield child.name or name, child

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
            for name, tensor in held(layer, Tensor):
                yield f"{path}.{name}" if path else name, tensor

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
        path = f"{place.current_path()}.{attribute}".lstrip(".")
        seed, _ = random.state()
        values = initializer(shape, seed, f"init {path}")
        return Parameter(values.astype(np.float32), decay=decay, name=path)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # --- moving -------------------------------------------------------------------------------

    def to_backend(self) -> Self:
        """Move all tensors to the backend in force (a copy only where the device differs)."""
        backend = _backend.current()
        for _, tensor in self.tensors():
            if not isinstance(tensor.data, backend.xp.ndarray):
                tensor.move(backend.asarray(tensor.numpy()))
        return self

    def astype(self, dtype: Any) -> Self:
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
            A tensor is missing, left over, or of another shape, or this layer is not built;
            nothing has been written then.
        """
        if not self.built:
            raise ValueError("the model has no tensors yet: build it first, model.build(shape)")
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
            tensor.version += 1

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments that differ from their defaults."""
        arguments = {}
        for parameter in _arguments(type(self)):
            if not hasattr(self, parameter.name):
                raise TypeError(
                    f"{type(self).__name__} does not keep its argument {parameter.name!r} in an "
                    "attribute of that name: do so, or define config()"
                )
            value = getattr(self, parameter.name)
            # an array has no single truth value; to_data says what to use instead of one
            if isinstance(value, np.ndarray) or value != parameter.default:
                arguments[parameter.name] = value
        return arguments

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """Make a layer from what :meth:`config` returned."""
        listed = [p.name for p in _arguments(cls) if p.kind is p.VAR_POSITIONAL]
        named = {name: value for name, value in config.items() if name not in listed}
        return cls(*(value for name in listed for value in config[name]), **named)

    # --- reading ------------------------------------------------------------------------------

    def summary(self, input_shape: Shape) -> str:
        """Return a table: each layer's output shape, parameters, FLOPs and bytes for one image."""
        from .summary import summarize

        return str(summarize(self, input_shape))


def held(layer: Layer, kind: type[T]) -> Iterator[tuple[str, T]]:
    """Yield ``(name, value)`` of the values of a kind in a layer's attributes and lists there."""
    for attribute, value in vars(layer).items():
        items: Iterable[tuple[str, Any]] = ((attribute, value),)
        if isinstance(value, (list, tuple)):
            items = ((f"{attribute}{i}", item) for i, item in enumerate(value, 1))
        elif isinstance(value, dict):
            items = ((f"{attribute}_{key}", item) for key, item in value.items())
        yield from ((name, item) for name, item in items if isinstance(item, kind))


def _arguments(cls: type[Layer]) -> list[inspect.Parameter]:
    """List a constructor's arguments; refuse those that a model file could not hand back."""
    arguments = list(inspect.signature(cls).parameters.values())
    for i, argument in enumerate(arguments):
        late = i > 0 and argument.kind is argument.VAR_POSITIONAL
        if late or argument.kind is argument.VAR_KEYWORD:
            raise TypeError(
                f"{cls.__name__}({argument}) cannot be rebuilt by name: define config() and "
                "from_config(), or take named arguments"
            )
    return arguments
