"""Compile the cpu backend's kernels before they are needed, by several processes at a time.

A kernel is compiled when it is first called, which makes the first run of a program slow, once in
the life of an installation. Which kernels a program will call is found out by rehearsing it: the
model runs forward and backward, with all its layers and shapes, on images augmented as they will
be, while the kernels do nothing but note what they are asked for. That takes some hundredths of a
second.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyvision_kernels.contract import Shape

from . import backend as _backend
from . import models, optim, random
from .errors import ShapeError
from .functional import softmax
from .nn import CrossEntropy, Layer
from .plan import Forward, Plan
from .tape import no_grad
from .tensor import Tensor

if TYPE_CHECKING:
    from tinyvision_kernels.cpu.ahead import Compiled, Need

OPTIMIZERS = [
    partial(optimizer, lr=1e-3, clip_norm=1.0)
    for optimizer in (optim.AdamW, optim.SGD, optim.Adam, optim.RMSprop)
]
FEW = 4  # kernels; to compile fewer takes no longer than to start processes for it

Progress = Callable[[int, int, str], None]  # (done, in all, the kernel just done)
Prepare = Callable[[int, Shape], tuple[Any, Any]]  # so many images (H, W, C), and their labels


@dataclass
class WarmedUp:
    """What :func:`warm_up` has done.

    Attributes
    ----------
    compiled, found : int
        Kernels that were compiled, and that lay on disk before.
    failed : list of (str, str)
        Kernels that could not be compiled, and why.
    seconds : float
        All of it.
    jobs : int
        Processes that compiled.
    directory : Path
        Of the cache.
    kernels, bytes : int
        What the cache holds now, for all programs together.
    """

    compiled: int = 0
    found: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    jobs: int = 0
    directory: Path = Path()
    kernels: int = 0
    bytes: int = 0


def warm_up(
    names: Iterable[str],
    shapes: Sequence[Shape],
    *,
    batch: int = 64,
    predict: int = 256,
    classes: int = 10,
    prepare: Sequence[Prepare] = (),
    jobs: int | None = None,
    progress: Progress = lambda done, total, kernel: None,
) -> WarmedUp:
    """Compile all that training and using the named models takes, with any optimiser.

    Parameters
    ----------
    names : iterable of str
        See :func:`tinyvision.models.names`.
    shapes : sequence of (H, W, C)
        Of the images; a model that one of them is too small for is left out.
    batch, predict : int
        Images at a time, to learn from and to predict. The last batch may have any number below,
        for which other kernels may be faster: so the half, the quarter and so on count as well.
    classes : int
    prepare : sequence of callable
        Ways to make batches to learn from, beside taking images and labels as they are:
        :meth:`tinyvision.data.Augment.rehearse`.
    jobs : int, optional
        Processes; by default as many as there are cores.
    progress : callable
        Called when a kernel is done.

    Raises
    ------
    UnknownNameError
        There is no model of one of the names.
    BackendError
        The cpu backend does not run here.
    """
    started = perf_counter()
    ahead, cache = _kernels()
    needs: dict[Need, None] = {}  # a set that keeps the order
    names, sizes = list(names), _halves(batch)
    for shape in shapes:
        ways = [_batch, *prepare]
        for name in names:
            with suppress(ShapeError):
                model = models.create(name, shape, classes)
                # what they choose by the number of images, layers choose alike in learning
                found = rehearse(model, shape, sizes, [predict, 1], OPTIMIZERS, ways)
                needs |= dict.fromkeys(found)
                ways = [_batch]  # batches are made, and losses computed, alike for all models
    missing = ahead.missing(list(needs))
    jobs = max(1, min(jobs or ahead.usual_jobs(), len(missing)))
    results = _compile(missing, jobs, progress)
    kernels, size = cache.size()
    return WarmedUp(
        compiled=sum(not one.error for one in results),
        found=len(needs) - len(missing),
        failed=[(one.need.name, one.error) for one in results if one.error],
        seconds=perf_counter() - started,
        jobs=jobs if missing else 0,
        directory=cache.cache_directory(),
        kernels=kernels,
        bytes=size,
    )


def before_training(
    model: Layer,
    shape: Shape,
    make_optimizer: Callable[[Layer], optim.Optimizer],
    *,
    train: Sequence[int],
    predict: Sequence[int],
    prepare: Sequence[Prepare] = (),
    progress: Progress,
    eager: bool = False,
) -> None:
    """Compile what a training run is about to need, if that is worth more than one process.

    Nothing depends on it: what is missed here is compiled when it is first called.

    Parameters
    ----------
    model : Layer
        Stays as it is: a copy is rehearsed with.
    shape : (H, W, C)
        Of the images.
    make_optimizer : callable
        Of the optimiser over the copy.
    train, predict : sequences of int
        Images at a time.
    prepare : sequence of callable
        Ways in which batches to learn from are made, with the kernels in force; by default images
        and labels are taken as they are.
    progress : callable
        Called when a kernel is done.
    eager : bool
        Whether layers will run one by one, instead of by a plan.
    """
    if _backend.current().name != "cpu":
        return
    ahead, _ = _kernels()
    jobs = ahead.usual_jobs()
    if jobs == 1:
        return
    # Garbage for numbers may lead a model of the user's own anywhere, and a Python may be unable to
    # start another. What is really wrong with the model, its training will say.
    with suppress(Exception):
        copy = deepcopy(model)
        needs = rehearse(copy, shape, train, predict, [make_optimizer], prepare, eager=eager)
        missing = ahead.missing(needs)
        if len(missing) >= FEW:
            _compile(missing, jobs, progress)


def rehearse(
    model: Layer,
    shape: Shape,
    train: Sequence[int],
    predict: Sequence[int],
    optimizers: Sequence[Callable[..., optim.Optimizer]],
    prepare: Sequence[Prepare] = (),
    *,
    eager: bool = False,
) -> "list[Need]":
    """Note which kernels a model needs for batches of so many images to learn from or to predict.

    ``prepare`` are the ways in which batches to learn from are made; none: taken as they are. The
    model is spoilt by it: its numbers are garbage afterwards.
    """
    ahead, _ = _kernels()
    ways = prepare or [_batch]
    drawn, loss = random.state(), CrossEntropy()
    needs: list[Need]
    with _backend.using("cpu"), np.errstate(all="ignore"), ahead.rehearsal() as needs:
        model.train()
        for make in optimizers:
            optimizer = make(model)
            learn = _eager_step(model, loss) if eager else Plan(model, train=True, loss=loss).step
            for count, way in product(train, ways) if make is optimizers[0] else ():
                learn(*way(count, shape))
            optimizer.zero_grad()
            optimizer.step()
        forward = Forward(model, eager=eager)
        with no_grad():
            for count in predict:
                images, labels = _batch(count, shape)
                logits = Tensor(forward(images))
                loss(logits, labels)
                softmax(logits)
    random.restore(drawn)
    return needs


def _eager_step(model: Layer, loss: CrossEntropy) -> Callable[[Any, Any], None]:
    return lambda images, labels: loss(model(Tensor(images)), labels).backward()


def _halves(count: int) -> list[int]:
    return [count, *_halves(count // 2)] if count else []


def _batch(count: int, shape: Shape) -> tuple[Any, Any]:
    return np.zeros((count, *shape), np.float32), np.zeros(count, np.int64)


def _compile(missing: "list[Need]", jobs: int, progress: Progress) -> "list[Compiled]":
    ahead, _ = _kernels()
    done = 0

    def count(one: "Compiled") -> None:
        nonlocal done
        done += 1
        progress(done, len(missing), one.need.name)

    if missing:
        progress(0, len(missing), "")
    results: list[Compiled] = ahead.compile_all(missing, jobs, count)
    return results


def _kernels() -> tuple[Any, Any]:
    """Return the cpu kernels' modules ``ahead`` and ``cache``, where Numba is there."""
    _backend.get("cpu")
    from tinyvision_kernels.cpu import ahead, cache

    return ahead, cache
