"""Cases of the kernels that move pixels and compute nothing."""

from collections.abc import Iterator

import numpy as np

from tests.kernels.case import Case, make


def upsample_cases(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for (N, H, W, C), factor in [
        ((1, 1, 1, 1), (1, 1)),
        ((2, 3, 4, 5), (2, 3)),
        ((1, 5, 2, 17), (3, 1)),
    ]:
        given = {
            "x": rng.standard_normal((N, H, W, C)),
            "dy": rng.standard_normal((N, H * factor[0], W * factor[1], C)),
            "factor": factor,
        }
        yield make(kernel, f"{N}x{H}x{W}x{C} by {factor}", given)


def shortcut_cases(kernel: str, rng: np.random.Generator) -> Iterator[Case]:
    for (N, H, W, C), stride, channels in [
        ((1, 1, 1, 1), (1, 1), (0, 0)),
        ((2, 5, 4, 3), (2, 2), (1, 2)),
        ((2, 7, 8, 17), (3, 1), (0, 5)),
        ((40, 16, 16, 16), (2, 2), (8, 8)),
    ]:
        rows, columns = -(-H // stride[0]), -(-W // stride[1])
        given = {
            "x": rng.standard_normal((N, H, W, C)),
            "dy": rng.standard_normal((N, rows, columns, C + sum(channels))),
            "size": (H, W),
            "stride": stride,
            "channels": channels,
        }
        yield make(kernel, f"{N}x{H}x{W}x{C} stride {stride} zeros {channels}", given)
