"""The switch between ways of computing: ``reference`` (NumPy), ``cpu`` (Numba), ``cuda`` (CuPy).

A backend is an object that is chosen, never guessed from an array: reference and cpu both compute
on NumPy arrays. It holds an array module ``xp`` and a table of kernels: the reference kernels,
overlaid by the backend's own. What a backend borrows from the reference is listed by
:func:`backends`; a strict backend refuses to borrow.

The choice, strongest first: ``with tv.using("reference"):``, ``tv.use("cpu")``, the environment
variable ``TINYVISION_BACKEND``, and else ``auto``: the best backend that works here and has kernels
of its own.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import FLOAT32, KERNELS, Contract

from . import memory
from .errors import BackendError

Array = Any  # an array of the backend's module: numpy.ndarray or cupy.ndarray

NAMES = ("reference", "cpu", "cuda")
ALIASES = {"numpy": "reference", "numba": "cpu", "cupy": "cuda", "gpu": "cuda"}


BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
_FLOATS = (np.dtype("float32"), np.dtype("float64"))
_Plan = list[tuple[tuple[int, ...], np.dtype[Any]]]
MOST_PLANS = 256  # of one kernel


class Kernel:
    """A kernel bound to a backend: checks its arrays, allocates its outputs, runs.

    ``k.conv2d(x, w, b, ...)`` returns the output, or a tuple of several. ``k.conv2d.into(y, x, w,
    b, ...)`` is the bare implementation for callers that own the outputs.
    """

    __slots__ = ("contract", "empty", "into", "plans", "xp")

    def __init__(self, contract: Contract, implementation: Callable[..., None], xp: Any) -> None:
        self.contract, self.into, self.xp = contract, implementation, xp
        self.empty = memory.empty if xp is np else xp.empty  # CuPy recycles memory by itself
        # Shapes and types that have been checked, and what outputs they lead to: a training step
        # asks for the same ones again and again, and to check them takes longer than small kernels.
        self.plans: dict[tuple[Any, ...], _Plan] = {}

    def __call__(self, *arguments: Any, dtype: Any = None) -> Any:
        """Run on updates, inputs and settings in the contract's order; return the outputs.

        ``dtype`` is the one float type where no array given has it: images begin as bytes.
        """
        contract = self.contract
        changed, count = len(contract.updates), len(contract.updates) + len(contract.inputs)
        arrays = list(arguments[:count])
        settings = arguments[count:]
        key = *[a if a is None else (a.shape, a.dtype) for a in arrays], settings, dtype
        try:
            plan = self.plans.get(key)
        except TypeError:  # a list among the settings has no hash
            plan = self.outputs_of(arrays, settings, dtype)
        if plan is None:
            plan = self.outputs_of(arrays, settings, dtype)
            if len(self.plans) >= MOST_PLANS:  # some settings are never the same, such as steps
                self.plans.clear()
            self.plans[key] = plan
        for i, array in enumerate(arrays):
            if array is not None and not array.flags.c_contiguous:
                if i < changed:
                    raise ValueError(f"{contract.name}: {contract.updates[i]} must be contiguous")
                arrays[i] = self.xp.ascontiguousarray(array)
        outputs = [self.empty(shape, dtype) for shape, dtype in plan]
        self.into(*outputs, *arrays, *settings)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def outputs_of(
        self, arrays: list[Array], settings: tuple[Any, ...], dtype: Any = None
    ) -> "_Plan":
        """Check the shapes and types of updates and inputs; return those of the outputs."""
        contract = self.contract
        shapes = contract.shapes(*[a if a is None else a.shape for a in arrays], *settings)
        one = self._dtype(arrays, None if dtype is None else np.dtype(dtype))
        named = zip(contract.outputs, shapes, strict=True)
        return [(shape, np.dtype(contract.dtype(name, one))) for name, shape in named]

    def _dtype(self, arrays: list[Array], found: Any) -> Any:
        """Return the one floating dtype of the arrays: kernels never promote in silence."""
        contract = self.contract
        kept = []  # what stays float32 beside bfloat16
        for name, array in zip(contract.updates + contract.inputs, arrays, strict=True):
            if array is None:
                continue
            if name in contract.dtypes:  # labels and other whole numbers
                if array.dtype != contract.dtypes[name]:
                    raise TypeError(
                        f"{contract.name}: {name} must be {contract.dtypes[name]}, not "
                        f"{array.dtype}; convert with .astype"
                    )
                continue
            if contract.bfloat16 and name in FLOAT32:
                kept.append((name, array.dtype))
                continue
            narrow = contract.bfloat16 and array.dtype == BFLOAT16
            if array.dtype not in _FLOATS and not narrow:
                raise TypeError(
                    f"{contract.name}: {name} must be float32 or float64, not {array.dtype}; "
                    "convert with .astype('float32')"
                )
            if found is not None and array.dtype != found:
                raise TypeError(
                    f"{contract.name}: {name} is {array.dtype} but an earlier input is "
                    f"{found}; convert one with .astype"
                )
            found = array.dtype
        if found is None and kept:
            found = next((dtype for _, dtype in kept if dtype in _FLOATS), _FLOATS[0])
        for name, dtype in kept:
            if dtype != contract.dtype(name, found):
                raise TypeError(
                    f"{contract.name}: {name} is {dtype}, but beside inputs of {found} it must be "
                    f"{contract.dtype(name, found)}; convert with .astype"
                )
        return found


class Kernels:
    """The kernels of a backend as attributes (``k.conv2d``) beside its array module (``k.xp``)."""

    def __init__(
        self, xp: Any, table: Mapping[str, Callable[..., None]], *, refused: frozenset[str]
    ) -> None:
        self.xp = xp
        for name, implementation in table.items():
            if name not in refused:
                setattr(self, name, Kernel(KERNELS[name], implementation, xp))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Kernel: ...

    else:

        def __getattr__(self, name):
            if name in KERNELS:
                raise BackendError(
                    f"the strict backend has no kernel {name!r} of its own and may not borrow it "
                    "from the reference; choose it without strict=True"
                )
            raise AttributeError(name)


def to_host(array: Array) -> NDArray[Any]:
    """Return any backend's array as a NumPy array on the host; device arrays offer ``get()``."""
    if isinstance(array, np.ndarray):
        return array
    return np.asarray(array.get())


@dataclass(frozen=True, eq=False)
class Backend:
    """A way of computing: array module, kernels, and the door between host and device."""

    name: str
    xp: Any
    kernels: Kernels
    native: tuple[str, ...]
    borrowed: tuple[str, ...]
    synchronize: Callable[[], None]
    strict: bool = False

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """Return ``array`` as a contiguous array of this backend, copied only where needed."""
        if self.xp is np:
            return (
                np.ascontiguousarray(array, dtype) if np.ndim(array) else np.asarray(array, dtype)
            )
        return self.xp.asarray(array, dtype)

    def to_host(self, array: Array) -> NDArray[Any]:
        """Return the array as a NumPy array on the host, shared where it lies there already."""
        return to_host(array)

    def __repr__(self) -> str:
        return f"Backend({self.name!r}, {len(self.native)} native, {len(self.borrowed)} borrowed)"


@dataclass(frozen=True)
class BackendInfo:
    """What :func:`backends` says of one backend; ``reason`` tells why it is not available."""

    name: str
    available: bool
    reason: str
    native: tuple[str, ...]
    borrowed: tuple[str, ...]


def make_backend(
    name: str,
    xp: Any,
    own: Mapping[str, Callable[..., None]],
    *,
    strict: bool = False,
    synchronize: Callable[[], None] = lambda: None,
) -> Backend:
    """Overlay the reference kernels, bound to ``xp``, with a backend's own."""
    from tinyvision_kernels import reference

    table = {kernel: partial(function, xp) for kernel, function in reference.TABLE.items()}
    borrowed = tuple(kernel for kernel in KERNELS if kernel not in own)
    refused = frozenset(borrowed) if strict and name != "reference" else frozenset()
    return Backend(
        name=name,
        xp=xp,
        kernels=Kernels(xp, {**table, **own}, refused=refused),
        native=tuple(KERNELS) if name == "reference" else tuple(own),
        borrowed=() if name == "reference" else borrowed,
        synchronize=synchronize,
        strict=strict,
    )


def _reference(strict: bool) -> Backend:
    return make_backend("reference", np, {}, strict=strict)


def _cpu(strict: bool) -> Backend:
    try:
        from tinyvision_kernels import cpu
    except ImportError as error:
        if (error.name or "").startswith(__package__):
            raise  # our own fault, not Numba's
        raise BackendError(
            f"backend 'cpu' needs Numba, which cannot be imported here ({error}): "
            "pip install numba, or choose backend 'reference'"
        ) from error
    return make_backend("cpu", np, cpu.TABLE, strict=strict)


def _cuda(strict: bool) -> Backend:
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            "backend 'cuda' needs CuPy, which is not installed here: "
            "pip install 'tinyvision[cuda]' on a machine with an NVIDIA GPU"
        ) from error
    if not cupy.is_available():
        raise BackendError("backend 'cuda' needs an NVIDIA GPU with a driver, and CuPy finds none")
    return make_backend(
        "cuda",
        cupy,
        {},
        strict=strict,
        synchronize=lambda: cupy.cuda.get_current_stream().synchronize(),
    )


_MAKERS: dict[str, Callable[[bool], Backend]] = {
    "reference": _reference,
    "cpu": _cpu,
    "cuda": _cuda,
}


def get(name: str, strict: bool = False) -> Backend:
    """Return the backend of that name or alias; made once.

    Raises
    ------
    BackendError
        The name is unknown, or the backend cannot run here.
    """
    full = ALIASES.get(name, name)
    if full == "auto":
        return _best(strict)
    if full not in _MAKERS:
        known = [*NAMES, *ALIASES, "auto"]
        close = get_close_matches(full, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise BackendError(f"there is no backend {name!r}{hint} (known: {', '.join(known)})")
    return _made(full, strict)


@cache
def _made(name: str, strict: bool) -> Backend:
    return _MAKERS[name](strict)


def _best(strict: bool) -> Backend:
    for name in ("cuda", "cpu"):
        try:
            backend = get(name, strict)
        except BackendError:
            continue
        if backend.native:  # a backend that borrows everything is no gain
            return backend
    return get("reference", strict)


_chosen: Backend | None = None  # by use(), for the whole process
_scoped: ContextVar[Backend | None] = ContextVar("tinyvision_backend", default=None)


def use(name: str, *, strict: bool = False) -> Backend:
    """Choose the backend for the whole process; ``strict`` refuses to borrow from reference."""
    global _chosen
    _chosen = get(name, strict)
    return _chosen


@contextmanager
def using(name: str | Backend, *, strict: bool = False) -> Iterator[Backend]:
    """Choose the backend inside a ``with`` block, in this thread or task alone."""
    backend = name if isinstance(name, Backend) else get(name, strict)
    token = _scoped.set(backend)
    try:
        yield backend
    finally:
        _scoped.reset(token)


def current() -> Backend:
    """Return the backend in force."""
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    return _chosen or use(os.environ.get("TINYVISION_BACKEND") or "auto")


def host_kernels() -> Kernels:
    """Return kernels that compute on NumPy arrays: of the backend in force, or the best."""
    in_force = current()
    if in_force.xp is np:
        return in_force.kernels
    try:
        return get("cpu").kernels
    except BackendError:
        return get("reference").kernels


def backends() -> list[BackendInfo]:
    """List every backend: whether it runs here, its own kernels, and those it borrows."""
    infos = []
    for name in NAMES:
        try:
            backend = get(name)
            infos.append(BackendInfo(name, True, "", backend.native, backend.borrowed))
        except BackendError as error:
            infos.append(BackendInfo(name, False, str(error), (), ()))
    return infos
