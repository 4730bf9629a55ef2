"""Where in a model the program is: which layer runs, and who wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tinyvision_kernels.contract import ShapeError

from ..tensor import Tensor

if TYPE_CHECKING:
    from .layer import Layer

    Watcher = Callable[[Layer, Tensor], None]

_path: ContextVar[tuple[str, ...]] = ContextVar("tinyvision_layer_path", default=())
_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("tinyvision_layer_watchers", default=())


def current_path() -> str:
    """Return the dotted name of the layer that is running, such as ``block1.conv2``."""
    return ".".join(part for part in _path.get() if part)


@contextmanager
def inside(layer: Layer) -> Iterator[None]:
    """Run a layer inside the ``with`` block; an error about shapes is told where it happened."""
    token = _path.set((*_path.get(), layer.name))
    try:
        yield
    except ShapeError as error:
        if not error.place:  # else a layer further inside has said so
            path = current_path()
            error.place = f"{type(layer).__name__} {path!r}" if path else type(layer).__name__
        raise
    finally:
        _path.reset(token)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call ``watcher(layer, output)`` after each layer inside the ``with`` block.

    Inner layers report before the containers around them; :func:`current_path` is still the
    layer's own.
    """
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def notify(layer: Layer, output: Tensor) -> None:
    """Tell the watchers that a layer has run."""
    for watcher in _watchers.get():
        watcher(layer, output)
