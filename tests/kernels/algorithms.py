"""One algorithm of convolution by force: where it applies, and geometries that are hard for it."""

from functools import partial

import numpy as np
import pytest

from tests.kernels.case import Case, run
from tests.kernels.geometries import SAME, Conv
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu.conv.choice import choose

# Cut into several tasks, bands, strips and blocks, none of which come out even.
LARGE = (
    Conv("one channel", (3, 30, 37, 1), (3, 3), 21, pad=SAME),
    Conv("three channels, strided", (2, 67, 50, 3), (7, 5), 19, (2, 3), (3, 2, 2, 1)),
    Conv("dilated", (2, 41, 36, 5), (3, 4), 17, (1, 1), (2, 1, 3, 3), (2, 3)),
    Conv("many channels, strided", (1, 61, 19, 33), (3, 3), 40, (2, 2), SAME),
    Conv("small images", (11, 4, 5, 18), (3, 3), 35, (2, 1), SAME),
    Conv("deep", (2, 6, 5, 7), (2, 2), 800),
    Conv("many filters, one image", (1, 8, 9, 5), (3, 3), 256, pad=SAME),
    Conv("rows of nearly a block", (3, 14, 13, 6), (5, 5), 16),
    Conv("padded on one side", (2, 6, 32, 3), (3, 3), 9, pad=(2, 0, 2, 0)),
    Conv("padded on the other side", (2, 6, 32, 3), (3, 3), 9, pad=(0, 2, 0, 2)),
    Conv("columns left over", (2, 9, 12, 5), (3, 3), 9, (2, 4), (0, 0, 1, 0)),
    Conv("pointwise", (5, 9, 11, 37), (1, 1), 45),
    Conv("by channel", (3, 26, 31, 21), (3, 3), 21, pad=SAME, groups=21),
    Conv("by channel, strided", (2, 33, 30, 40), (5, 3), 40, (2, 2), (2, 2, 1, 1), groups=40),
)


def applies(algorithm: str, case: Case, dtype: type) -> bool:
    """Ask the algorithm, with the geometry that its kernel would pass on."""
    seen = []

    def spy(direction, geometry, dtype, algorithm):
        seen.append((direction, geometry, np.dtype(dtype)))
        raise Asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyvision_kernels.cpu.conv.choose", spy)
        with pytest.raises(Asked):
            run(case, cpu.TABLE[case.kernel], dtype)
    try:
        choose(*seen[0], algorithm)
    except ValueError:
        return False
    return True


class Asked(Exception):  # noqa: N818
    """Ends a kernel's call before it computes."""


def forced(kernel: str, algorithm: str):
    return partial(cpu.TABLE[kernel], algorithm=algorithm)
