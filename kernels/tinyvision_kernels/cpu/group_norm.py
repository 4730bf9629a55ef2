"""Group norm: each image and group of channels by itself, both passes while the image is cached."""

import math

import numpy as np
from numba import prange

from .chunks import Arrays, Settings, chunk_rows, chunked
from .columns import (
    add_gradients,
    add_moments,
    add_up,
    gradient_rows,
    repeat,
    row_length,
    scale_rows,
)
from .jit import Array, inline_jit, kernel_jit


@inline_jit
def _group_norm_images(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
    y, mean, inv_std, x, gamma, beta = arrays  # y and x (N, H*W*C)
    W, eps = settings
    G, C = mean.shape[1], gamma.size
    width = C // G  # channels of a group
    cells = x.shape[1] // G
    shift, center, scale = np.empty_like(gamma), np.empty_like(gamma), np.empty_like(gamma)
    betas = repeat(beta, W)
    for n in range(start, stop):
        for c in range(C):
            shift[c] = x[n, c // width * width]
        sums = np.zeros((1, 2, W))
        add_moments(sums[0], x[n], repeat(shift, W))
        total = add_up(sums, C)
        for g in range(G):
            offset, square = 0.0, 0.0
            for c in range(g * width, (g + 1) * width):
                offset += total[0, c]
                square += total[1, c]
            offset /= cells
            mean[n, g] = shift[g * width] + offset
            inv_std[n, g] = 1 / math.sqrt(max(square / cells - offset * offset, 0.0) + eps)
            for c in range(g * width, (g + 1) * width):
                center[c] = mean[n, g]
                scale[c] = gamma[c] * inv_std[n, g]
        scale_rows(y[n], x[n], repeat(center, W), repeat(scale, W), betas)


_group_norm = chunked(_group_norm_images)


def group_norm(
    y: Array,
    mean: Array,
    inv_std: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    groups: int,
    eps: float,
) -> None:
    """Normalise each image and group of channels of x (N, H, W, C)."""
    N, C = len(x), x.shape[3]
    images = y.reshape(N, -1), x.reshape(N, -1)  # (N, H, W, C) -> (N, H*W*C)
    arrays = (images[0], mean, inv_std, images[1], gamma, beta)
    _group_norm(arrays, (row_length(C), float(eps)), N, chunk_rows(N, x.size // N))


@inline_jit
def _group_norm_grad_images(arrays: Arrays, sums: Array, W: int, first: int, last: int) -> None:
    dx, dy, x, gamma, mean, inv_std = arrays  # dx, dy and x (N, H*W*C)
    G, C = mean.shape[1], gamma.size
    width = C // G
    cells = x.shape[1] // G
    dgamma, dbeta = sums
    center, scale = np.empty_like(gamma), np.empty_like(gamma)
    level, slope = np.empty_like(gamma), np.empty_like(gamma)
    for n in range(first, last):
        for c in range(C):
            center[c] = mean[n, c // width]
            scale[c] = gamma[c] * inv_std[n, c // width]
        centers = repeat(center, W)
        image_sums = np.zeros((1, 2, W))
        add_gradients(image_sums[0], dy[n], x[n], centers)
        total = add_up(image_sums, C)
        for g in range(G):
            sum_g, sum_g_xhat = 0.0, 0.0
            inverse = np.float64(inv_std[n, g])
            for c in range(g * width, (g + 1) * width):
                dbeta[c] += total[0, c]
                dgamma[c] += total[1, c] * inverse
                sum_g += gamma[c] * total[0, c]
                sum_g_xhat += gamma[c] * total[1, c] * inverse
            for c in range(g * width, (g + 1) * width):
                level[c] = inverse * sum_g / cells
                slope[c] = inverse * inverse * sum_g_xhat / cells
        scales, levels, slopes = repeat(scale, W), repeat(level, W), repeat(slope, W)
        gradient_rows(dx[n], dy[n], x[n], centers, scales, levels, slopes)


@kernel_jit
def _group_norm_grad(arrays: Arrays, dgamma: Array, dbeta: Array, W: int, images: int) -> None:
    N, C = arrays[2].shape[0], dgamma.size
    chunks = (N + images - 1) // images
    sums = np.zeros((chunks, 2, C))  # float64, as in columns.py
    for chunk in prange(chunks):
        start, stop = chunk * images, min(N, (chunk + 1) * images)
        _group_norm_grad_images(arrays, sums[chunk], W, start, stop)
    total = add_up(sums, C)
    for c in range(C):
        dgamma[c] = total[0, c]
        dbeta[c] = total[1, c]


def group_norm_grad(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inv_std: Array,
    groups: int,
) -> None:
    """As layer_norm_grad, the means taken over the pixels and channels of a group."""
    N, C = len(x), x.shape[3]
    # (N, H, W, C) -> (N, H*W*C)
    arrays = (*(a.reshape(N, -1) for a in (dx, dy, x)), gamma, mean, inv_std)
    _group_norm_grad(arrays, dgamma, dbeta, row_length(C), chunk_rows(N, x.size // N))
