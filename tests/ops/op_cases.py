"""One row for each op: settings and random inputs that all tests of ops draw from.

Inputs are float64; values that lie on a kink (0 for ReLU, equal cells for a maximum) are kept out,
so that every gradient is compared.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from tests.kernels.geometries import CONV, POOL
from tinyvision.ops.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from tinyvision.ops.conv import Conv2d, ConvTranspose2d
from tinyvision.ops.dense import Dense
from tinyvision.ops.dropout import Dropout
from tinyvision.ops.elementwise import (
    Abs,
    Add,
    AsType,
    Clip,
    Div,
    Exp,
    Log,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Pow,
    Sqrt,
    Sub,
    Where,
)
from tinyvision.ops.linalg import MatMul
from tinyvision.ops.loss import BCEWithLogits, SoftmaxCrossEntropy, SoftmaxCrossEntropyOfRows
from tinyvision.ops.norm import BatchNorm, BatchNormInfer, GroupNorm, LayerNorm
from tinyvision.ops.op import Op
from tinyvision.ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Resize2d, Upsample2d
from tinyvision.ops.reduce import Max, Mean, Sum
from tinyvision.ops.shape import Concat, GetItem, Pad, PadShortcut, Reshape, Transpose

Rng = np.random.Generator


@dataclass(frozen=True)
class OpCase:
    """An op with its settings, and inputs for it."""

    op: Op
    inputs: tuple[np.ndarray, ...]
    constant: tuple[int, ...] = ()  # positions of floating inputs that have no gradient
    waits: bool = False  # whether a GPU has to report back before Python can go on
    id: str = field(default="")

    def __post_init__(self) -> None:
        # NumPy draws single numbers as such, not as arrays without axes
        object.__setattr__(self, "inputs", tuple(map(np.asarray, self.inputs)))
        shapes = " ".join("x".join(map(str, a.shape)) or "scalar" for a in self.inputs)
        object.__setattr__(self, "id", f"{self.op.name} {self.id or shapes}")

    def differentiable(self) -> list[int]:
        """Positions of the inputs that have a gradient."""
        floating = [i for i, a in enumerate(self.inputs) if a.dtype.kind == "f"]
        return [i for i in floating if i not in self.constant]


Cases = Iterator[OpCase]
ROWS: dict[type[Op], Callable[[Rng], Cases]] = {}


def row(*ops: type[Op]) -> Callable[[Callable[..., Cases]], Callable[..., Cases]]:
    """Enter a generator of cases; one that serves several ops is given the op's class first."""

    def enter(generate: Callable[..., Cases]) -> Callable[..., Cases]:
        for op in ops:
            several = len(ops) > 1
            ROWS[op] = (lambda rng, op=op: generate(op, rng)) if several else generate
        return generate

    return enter


def all_cases() -> list[OpCase]:
    """Every case of every op; the numbers depend on the op's name alone."""
    import_module("tests.ops.fused_cases")  # which enter themselves
    cases: list[OpCase] = []
    for op, generate in ROWS.items():
        cases += generate(np.random.default_rng(zlib.crc32(op.__name__.encode())))
    return cases


def apart(rng: Rng, *shape: int) -> np.ndarray:
    """Values of which no two are closer than 0.1, and none closer to 0 than 0.05."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size // 2 + 0.5) / 10


def positive(rng: Rng, *shape: int) -> np.ndarray:
    return rng.uniform(0.3, 2.0, shape)


BROADCAST = [
    ((3, 4), (3, 4)),
    ((2, 3, 4), (4,)),
    ((2, 1, 4), (3, 1)),
    ((1, 1), (2, 3)),
    ((), (2, 3)),
    ((5,), ()),
    ((), ()),
    ((0, 3), (1, 3)),
]

# --- elementwise ----------------------------------------------------------------------------------


@row(Add, Sub, Mul, Div)
def _arithmetic(op: type[Op], rng: Rng) -> Cases:
    for a, b in BROADCAST:
        yield OpCase(op(), (rng.standard_normal(a), positive(rng, *b)))


@row(Maximum, Minimum)
def _extremes(op: type[Op], rng: Rng) -> Cases:
    for a, b in BROADCAST:
        yield OpCase(op(), (apart(rng, *a), apart(rng, *b) + 0.03))


@row(Pow)
def _pow(rng: Rng) -> Cases:
    for a, b in BROADCAST:
        yield OpCase(Pow(), (positive(rng, *a), rng.standard_normal(b)))
    for exponent in (2.0, 3.0, 1.0, 0.0):  # whole exponents take negative bases too
        inputs = (rng.standard_normal((3, 4)), np.array(exponent))
        yield OpCase(Pow(), inputs, constant=(1,), id=f"to the {exponent}")


@row(Where)
def _where(rng: Rng) -> Cases:
    for a, b in BROADCAST:
        condition = rng.random(np.broadcast_shapes(a, b)) < 0.5
        yield OpCase(Where(), (condition, rng.standard_normal(a), rng.standard_normal(b)))
    condition = rng.random(4) < 0.5
    yield OpCase(Where(), (condition, rng.standard_normal((3, 1)), rng.standard_normal((1, 4))))


@row(Neg, Exp)
def _smooth(op: type[Op], rng: Rng) -> Cases:
    for shape in ((), (5,), (2, 3, 4)):
        yield OpCase(op(), (rng.standard_normal(shape),))


@row(Log, Sqrt)
def _of_positive(op: type[Op], rng: Rng) -> Cases:
    for shape in ((), (5,), (2, 3, 4)):
        yield OpCase(op(), (positive(rng, *shape),))


@row(Abs)
def _abs(rng: Rng) -> Cases:
    yield OpCase(Abs(), (apart(rng, 4, 5),))


@row(Clip)
def _clip(rng: Rng) -> Cases:
    for low, high in ((-0.5, 0.7), (None, 0.3), (0.2, None)):
        yield OpCase(Clip(low, high), (apart(rng, 4, 5),), id=f"{low} to {high}")


@row(AsType)
def _astype(rng: Rng) -> Cases:
    yield OpCase(AsType("float64"), (rng.standard_normal((2, 3)),))


# --- linear algebra, reductions, shapes -----------------------------------------------------------


@row(MatMul)
def _matmul(rng: Rng) -> Cases:
    for a, b in (
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 5)),
        ((1, 1), (1, 1)),
    ):
        yield OpCase(MatMul(), (rng.standard_normal(a), rng.standard_normal(b)))


@row(Sum, Mean, Max)
def _reductions(op: Any, rng: Rng) -> Cases:
    for axis in (None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2)):
        for keepdims in (False, True):
            yield OpCase(op(axis, keepdims), (apart(rng, 2, 3, 4),), id=f"{axis} {keepdims}")
    yield OpCase(op(), (rng.standard_normal(()),))


@row(Reshape)
def _reshape(rng: Rng) -> Cases:
    for shape in ((6, 4), (-1,), (2, -1, 2), (1, 24)):
        yield OpCase(Reshape(shape), (rng.standard_normal((2, 3, 4)),), id=str(shape))


@row(Transpose)
def _transpose(rng: Rng) -> Cases:
    for axes in ((2, 0, 1), (0, 2, 1), (-1, 0, -2), (0, 1, 2)):
        yield OpCase(Transpose(axes), (rng.standard_normal((2, 3, 4)),), id=str(axes))


@row(GetItem)
def _getitem(rng: Rng) -> Cases:
    for index in (
        1,
        (0, slice(None), 2),
        slice(None, None, 2),
        (..., slice(3, 0, -1)),
        (None, 1, ..., None),
    ):
        yield OpCase(GetItem(index), (rng.standard_normal((3, 4, 5)),), id=str(index))
    repeated = np.array([2, 0, 2, 2])
    mask = rng.random((3, 4)) < 0.5
    for index in (
        repeated,
        (slice(None), repeated),
        (repeated, np.array([1, 1, 1, 3])),
        (np.array([[0, 1], [1, 1]]), ..., 2),
        np.array([-1, 2]),
        mask,
    ):
        x = rng.standard_normal((3, 4, 5))
        yield OpCase(GetItem(index), (x,), waits=index is mask, id=str(index).replace("\n", ""))


@row(Concat)
def _concat(rng: Rng) -> Cases:
    for axis in (0, 1, -1, -3):
        shapes = [[2, 3, 4] for _ in range(3)]
        for i, shape in enumerate(shapes):
            shape[axis] += i
        inputs = tuple(rng.standard_normal(shape) for shape in shapes)
        yield OpCase(Concat(axis), inputs, id=str(axis))
    yield OpCase(Concat(), (rng.standard_normal((2, 3)),))


@row(Pad)
def _pad(rng: Rng) -> Cases:
    for widths, value in ((((1, 2), (0, 3)), 0.0), (((0, 0), (2, 0)), -1.5)):
        yield OpCase(Pad(widths, value), (rng.standard_normal((3, 4)),), id=f"{widths} {value}")


@row(PadShortcut)
def _pad_shortcut(rng: Rng) -> Cases:
    for op in PadShortcut((2, 2), (1, 2)), PadShortcut((1, 3), (0, 0)):
        yield OpCase(op, (rng.standard_normal((2, 5, 4, 3)),), id=f"{op.stride} {op.channels}")


# --- coarse ops -----------------------------------------------------------------------------------


@row(Conv2d)
def _conv(rng: Rng) -> Cases:
    for g in CONV:
        op = Conv2d(g.stride, g.pad, g.dilation, g.groups)
        x = rng.standard_normal(g.x)
        w = rng.standard_normal((*g.window, g.x[3] // g.groups, g.O))
        yield OpCase(op, (x, w, rng.standard_normal(g.O)), id=g.id)
    yield OpCase(op, (x, w), id="no bias")


@row(ConvTranspose2d)
def _conv_transpose(rng: Rng) -> Cases:
    for g in CONV:  # from the output of each of these convolutions back to its image
        op = ConvTranspose2d(g.x[1:3], g.stride, g.pad, g.dilation, g.groups)
        x = rng.standard_normal((g.x[0], *g.positions(), g.O))
        w = rng.standard_normal((*g.window, g.x[3] // g.groups, g.O))
        yield OpCase(op, (x, w, rng.standard_normal(g.x[3])), id=g.id)
    yield OpCase(op, (x, w), id="no bias")


@row(Dense)
def _dense(rng: Rng) -> Cases:
    for x, O in (((1, 1), 1), ((5, 7), 3), ((4, 33), 17), ((2, 3, 4), 5), ((6,), 2)):
        w, b = rng.standard_normal((x[-1], O)), rng.standard_normal(O)
        yield OpCase(Dense(), (rng.standard_normal(x), w, b))
        yield OpCase(Dense(), (rng.standard_normal(x), w))


@row(MaxPool2d, AvgPool2d)
def _pool(op: Any, rng: Rng) -> Cases:
    for g in POOL:
        yield OpCase(op(g.window, g.stride, g.pad), (apart(rng, *g.x),), id=g.id)


@row(GlobalAvgPool2d)
def _global_pool(rng: Rng) -> Cases:
    for shape in ((1, 1, 1, 1), (2, 3, 5, 7)):
        yield OpCase(GlobalAvgPool2d(), (rng.standard_normal(shape),))


@row(Upsample2d)
def _upsample(rng: Rng) -> Cases:
    for factor in ((2, 2), (1, 3), (1, 1)):
        yield OpCase(Upsample2d(factor), (rng.standard_normal((2, 3, 4, 5)),), id=str(factor))


@row(Resize2d)
def _resize(rng: Rng) -> Cases:
    for size in ((6, 8), (3, 4), (2, 9), (1, 1), (7, 3)):
        yield OpCase(Resize2d(size), (rng.standard_normal((2, 3, 4, 5)),), id=str(size))
    yield OpCase(Resize2d((4, 5)), (rng.standard_normal((1, 1, 1, 1)),))


def norm_inputs(rng: Rng, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    x = 3 * rng.standard_normal(shape) + 1
    return x, positive(rng, shape[-1]), rng.standard_normal(shape[-1])


@row(BatchNorm, BatchNormInfer)
def _batch_norm(op: Any, rng: Rng) -> Cases:
    for shape in ((4, 3, 5, 2), (8, 7), (2, 1, 1, 19), (1, 6, 4, 1)):
        statistics = rng.standard_normal(shape[-1]), positive(rng, shape[-1])
        yield OpCase(op(eps=1e-3), norm_inputs(rng, shape) + statistics, constant=(3, 4))


@row(LayerNorm)
def _layer_norm(rng: Rng) -> Cases:
    for shape in ((4, 9), (2, 3, 2, 5), (1, 17), (3,)):
        yield OpCase(LayerNorm(eps=1e-3), norm_inputs(rng, shape))


@row(GroupNorm)
def _group_norm(rng: Rng) -> Cases:
    for shape, groups in (((2, 3, 4, 6), 3), ((1, 2, 5, 4), 1), ((3, 4, 2, 5), 5)):
        yield OpCase(GroupNorm(groups, eps=1e-3), norm_inputs(rng, shape), id=f"{groups} groups")


@row(ReLU, LeakyReLU, GELU, SiLU, Sigmoid, Tanh)
def _activations(op: type[Op], rng: Rng) -> Cases:
    for shape in ((), (5,), (2, 3, 4, 7)):
        yield OpCase(
            op(), (apart(rng, *shape) if shape != (2, 3, 4, 7) else apart(rng, *shape) / 4,)
        )


@row(Softmax, LogSoftmax)
def _softmax(op: type[Op], rng: Rng) -> Cases:
    for shape in ((1, 1), (4, 10), (2, 3, 4, 5), (6,)):
        yield OpCase(op(), (3 * rng.standard_normal(shape),))


@row(SoftmaxCrossEntropy)
def _cross_entropy(rng: Rng) -> Cases:
    for shape in ((1, 2), (5, 10), (2, 3, 4, 3)):
        labels = rng.integers(0, shape[-1], shape[:-1])
        for smoothing in (0.0, 0.2):
            op, logits = SoftmaxCrossEntropy(smoothing), 3 * rng.standard_normal(shape)
            weights = positive(rng, shape[-1])
            yield OpCase(op, (logits, labels), id=f"{shape} {smoothing}")
            given = (logits, labels, weights)
            yield OpCase(op, given, constant=(2,), id=f"{shape} {smoothing} weighted")


@row(SoftmaxCrossEntropyOfRows)
def _cross_entropy_of_rows(rng: Rng) -> Cases:
    for shape in ((1, 2), (5, 10)):
        for smoothing in (0.0, 0.2):
            labels = rng.integers(0, shape[-1], shape[:-1])
            op, logits = SoftmaxCrossEntropyOfRows(smoothing), 3 * rng.standard_normal(shape)
            yield OpCase(op, (logits, labels), id=f"{shape} {smoothing}")
            given = (logits, labels, positive(rng, shape[-1]))
            yield OpCase(op, given, constant=(2,), id=f"{shape} {smoothing} weighted")


@row(BCEWithLogits)
def _bce(rng: Rng) -> Cases:
    for shape in ((1,), (4, 5), (2, 3, 4)):
        yield OpCase(BCEWithLogits(), (3 * rng.standard_normal(shape), rng.random(shape)))


@row(Dropout)
def _dropout(rng: Rng) -> Cases:
    for rate in (0.1, 0.5):
        op = Dropout(rate, seed=7, purpose=3, step=11)
        yield OpCase(op, (rng.standard_normal((4, 5, 3)),), id=str(rate))
