"""Which algorithm computes a convolution: the rules, and the way around them."""

from functools import lru_cache
from types import ModuleType

import numpy as np

from ...contract import AlgorithmError
from .. import pairs
from ..tile import HOST
from . import depthwise, direct, linewise, overlap_add, planar, pointwise, runwise, winograd
from .geometry import Geometry
from .transforms import PLANES

ALGORITHMS = {
    "direct": direct,
    "depthwise": depthwise,
    "winograd": winograd,
    "linewise": linewise,  # forward alone
    "overlap_add": overlap_add,  # the gradient of the input alone
    "planar": planar,  # forward and the gradient of the input
    "pointwise": pointwise,  # forward and the gradient of the input
    "runwise": runwise,  # the gradient of the weights alone
}


# Measured with ``algorithm=`` on 2 cores with AVX-512, where a vector has 16 channels.
FEW_CHANNELS = 4
SOME_OUTPUTS = 8
MOSTLY_FULL = 0.8  # of the lanes of vectors over channels or pixels
SECOND_PASS = 8  # products that take as long as to store a sum later
SLIM_TABLES = 1.3  # the time of a slim tile that finds positions through a table, without one 1
FEWEST_CHANNELS = 12  # for vectors over channels to pay
FEWEST_TAPS = 25  # of one channel, for sums long enough to be turned when they are done
MANY_PATCHES = 32  # twice the tallest tile, whose rows they fill
SOME_PATCHES, MANY_CHANNELS = 16, 64
FEW_TAPS = 192  # of a window, in all its channels: tiles over runs were measured up to 150
LEAST_SAVING = 1.5  # products of the direct algorithm for one of Winograd's, which at best saves 4
LEAST_SAVING_OF_PAIRS = 3.0  # in bfloat16, if the direct algorithm multiplies pairs at double speed


@lru_cache(maxsize=1024)
def choose(
    direction: str, geometry: Geometry, dtype: np.dtype, algorithm: str = "auto"
) -> ModuleType:
    """Return the module that computes one direction of a convolution.

    Parameters
    ----------
    direction : str
        ``"forward"``, ``"input_gradient"`` or ``"weight_gradient"``.
    geometry : Geometry
        Of the convolution.
    dtype : dtype
        Of its arrays.
    algorithm : str
        A name in ``ALGORITHMS``, or ``"auto"`` for the one that the rules below name.

    Raises
    ------
    AlgorithmError
        There is no such algorithm, or it cannot compute this direction of this convolution.
    """
    if algorithm == "auto":
        return _by_rule(direction, geometry, dtype)
    if algorithm not in ALGORITHMS:
        able = (name for name, module in ALGORITHMS.items() if hasattr(module, direction))
        known = ", ".join(map(repr, ("auto", *able)))
        raise AlgorithmError(
            f"the cpu backend has no convolution algorithm {algorithm!r}: try {known}"
        )
    module = ALGORITHMS[algorithm]
    if not hasattr(module, direction):
        raise AlgorithmError(
            f"algorithm {algorithm!r} has no {direction.replace('_', ' ')}; try 'auto'"
        )
    if not module.applies(geometry, dtype):
        raise AlgorithmError(
            f"algorithm {algorithm!r} cannot compute this convolution in {dtype}: {geometry}; "
            "try 'auto'"
        )
    return module


def _by_rule(direction: str, geometry: Geometry, dtype: np.dtype) -> ModuleType:
    lanes = HOST.vector_bytes // dtype.itemsize
    if direction == "forward" and planar.applies(geometry, dtype) and _few(geometry, lanes):
        return planar
    if depthwise.applies(geometry, dtype):
        return depthwise
    if direction != "weight_gradient" and pointwise.applies(geometry, dtype):
        return pointwise
    paired = dtype.name == "bfloat16" and pairs.NATIVE
    saving = LEAST_SAVING_OF_PAIRS if paired else LEAST_SAVING
    if winograd.applies(geometry, dtype) and _winograd_pays(direction, geometry, saving):
        return winograd
    if direction == "forward" and linewise.applies(geometry, dtype):
        return _forward(geometry, lanes)
    if direction == "input_gradient" and overlap_add.applies(geometry, dtype):
        return _input_gradient(geometry, lanes)
    if direction == "weight_gradient" and runwise.applies(geometry, dtype):
        return _weight_gradient(geometry)
    return direct


def _few(geometry: Geometry, lanes: int) -> bool:
    """Whether filters are so few that vectors had better run along rows of pixels, forward.

    It pays where such a row is full and cheaply laid out, and where sums are long enough to earn
    back that they are turned: up to eight 5 x 5 filters over one channel took 0.77 of the time
    (0.88 with pooling), a single one 0.19. But 3 x 3 filters took 0.94 (1.19), three channels 1.02,
    and a stride 1.6 times as long.
    """
    C, O = geometry.channels
    KH, KW = geometry.window
    return (
        C == 1
        and O <= SOME_OUTPUTS
        and KH * KW >= FEWEST_TAPS
        and geometry.stride[1] == 1
        and _fill(geometry.positions[1], 2 * lanes) > MOSTLY_FULL
    )


def _winograd_pays(direction: str, geometry: Geometry, least_saving: float) -> bool:
    """Whether the products that Winograd's method saves cost more than its transforms.

    The transforms work on whole vectors of channels, so that few channels leave them idle, and the
    filters are transformed once a call, which few patches do not earn back: sixteen do where
    channels are so many that products outweigh all else (0.72 and 0.82 of the time for 16 x 16
    pixels of 64 and 128 channels). Patches that reach over the edge of a small image compute what
    nobody needs. (Patches of 2 x 2 outputs fit closer but save less: 16 products for 36. They would
    save more only where an output has 2 x 2 pixels.)
    """
    patches = winograd.patches(geometry)
    OH, OW = geometry.positions
    products = geometry.images * OH * OW * 9, patches * PLANES  # of each pair of channels
    wide = min(geometry.channels) >= MANY_CHANNELS and direction != "weight_gradient"
    return (
        min(geometry.channels) >= FEWEST_CHANNELS
        and patches >= (SOME_PATCHES if wide else MANY_PATCHES)
        and products[0] >= least_saving * products[1]
    )


def _forward(geometry: Geometry, lanes: int) -> ModuleType:
    """Choose between tiles that end with a line of the output and tiles that run on.

    Running on wastes no rows of a tile, but takes a table and a second pass.
    """
    C, O = geometry.channels
    KH, KW = geometry.window
    slim = O // geometry.groups <= lanes
    products = KH * KW * C // geometry.groups  # in a sum
    waste = linewise.cost_of_line(geometry.positions[1], slim) / max(geometry.positions[1], 1)
    table = SLIM_TABLES if slim else 1.0
    return linewise if products * (waste - table) < SECOND_PASS else direct


def _fill(count: int, unit: int) -> float:
    """Return how much of whole units so many numbers fill."""
    return count / max(-(-count // unit) * unit, 1)


def _input_gradient(geometry: Geometry, lanes: int) -> ModuleType:
    """Choose between computing dx by pixels (direct) and by windows (the other two).

    By pixels, vectors run over the channels of dx and are as empty as those are few, and a stride
    takes one call for each parity of rows and columns. By windows there is one product whose
    vectors are full; what it costs is to add up numbers that few outputs do not outweigh. For the
    fewest channels vectors along rows of pixels add faster than vectors along channels do, but need
    a pass for each channel, and rows that fill them: six channels took 0.25 ms in rows of 14
    pixels, which fill less than half of two vectors, where overlap_add took 0.21.
    """
    C, O = geometry.channels
    W = geometry.size[1]
    strided = geometry.stride != (1, 1)
    filled = _fill(W, 2 * lanes) > MOSTLY_FULL
    some = C < FEWEST_CHANNELS and O >= SOME_OUTPUTS
    if C <= FEW_CHANNELS or (some and filled and not strided):
        return planar
    vectors = -(-C // lanes)
    full = vectors > 1 and _fill(C, lanes) > MOSTLY_FULL
    if strided or (O >= SOME_OUTPUTS and not full):
        return overlap_add
    return direct


def _weight_gradient(geometry: Geometry) -> ModuleType:
    """Choose between tiles over runs of taps and tiles over any taps (direct).

    Runs took 0.70 to 0.98 of the time for 9 to 150 taps, least where direct's tiles are one vector
    wide or filled up with rows. A large dw is cut into parts that fit into a cache by direct alone.
    """
    KH, KW = geometry.window
    return runwise if KH * KW * geometry.channels[0] <= FEW_TAPS else direct
