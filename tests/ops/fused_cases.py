"""Rows of the ops that stand for several: see op_cases.py."""

from typing import Any

from tests.ops.op_cases import Cases, OpCase, Rng, norm_inputs, positive, row
from tinyvision.ops.fused import (
    AddReLU,
    AddSame,
    BatchNormAddReLU,
    BatchNormInferReLU,
    BatchNormReLU,
    BatchNormReLUMaxPool,
    Conv2dReLU,
    Conv2dReLUMaxPool,
    DenseReLU,
)


@row(Conv2dReLU, Conv2dReLUMaxPool)
def _conv_relu(op: Any, rng: Rng) -> Cases:
    for x, window, O, stride, pad in (
        ((2, 6, 7, 3), (3, 3), 4, (1, 1), (1, 1, 1, 1)),
        ((1, 9, 8, 2), (2, 3), 5, (2, 1), (0, 1, 2, 0)),
    ):
        w = rng.standard_normal((*window, x[3], O))
        inputs = rng.standard_normal(x), w, rng.standard_normal(O)
        yield OpCase(op(stride, pad), inputs)
        yield OpCase(op(stride, pad), inputs[:2])


@row(DenseReLU)
def _dense_relu(rng: Rng) -> Cases:
    for x, O in (((5, 7), 3), ((2, 3, 4), 5), ((6,), 2)):
        w, b = rng.standard_normal((x[-1], O)), rng.standard_normal(O)
        yield OpCase(DenseReLU(), (rng.standard_normal(x), w, b))
        yield OpCase(DenseReLU(), (rng.standard_normal(x), w))


@row(BatchNormReLU, BatchNormReLUMaxPool, BatchNormInferReLU)
def _batch_norm_relu(op: Any, rng: Rng) -> Cases:
    for shape in ((4, 4, 6, 2), (1, 6, 5, 3)):
        statistics = rng.standard_normal(shape[-1]), positive(rng, shape[-1])
        yield OpCase(op(eps=1e-3), norm_inputs(rng, shape) + statistics, constant=(3, 4))


@row(BatchNormAddReLU)
def _batch_norm_add_relu(rng: Rng) -> Cases:
    for shape in ((4, 4, 6, 2), (8, 5)):
        statistics = rng.standard_normal(shape[-1]), positive(rng, shape[-1])
        x, *vectors = norm_inputs(rng, shape)
        inputs = x, rng.standard_normal(shape), *vectors, *statistics
        yield OpCase(BatchNormAddReLU(eps=1e-3), inputs, constant=(4, 5))


@row(AddSame, AddReLU)
def _add_same(op: Any, rng: Rng) -> Cases:
    for shape in ((), (5,), (2, 3, 4, 7)):
        yield OpCase(op(), (rng.standard_normal(shape), rng.standard_normal(shape)))
