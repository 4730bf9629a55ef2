"""Who takes part: each contestant's program, what it is given, and what must be installed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

# glibc keeps what is freed instead of returning it to the system and faulting it in again
KEEP_BLOCKS = {
    name: str(1 << 30)
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")
}


@dataclass(frozen=True)
class Contestant:
    """One who computes the same as the others.

    Attributes
    ----------
    name : str
        As the tables call it; the first word is who wrote it.
    module : str
        The program; it has ``training``, ``inference`` or both.
    settings : dict
        Further arguments of these functions, by kind of work; who does not do it has no entry.
    needs : callable
        Says whether it can take part here.
    environment : dict
        Variables that its process is started with.
    bf16 : bool
        Whether it computes in bfloat16, and is compared with others that do.
    """

    name: str
    module: str
    settings: dict[str, dict[str, Any]]
    needs: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)
    bf16: bool = False


def _installed(*packages: str) -> Callable[[], bool]:
    return lambda: all(find_spec(package) is not None for package in packages)


def _tinyvision(name: str, **settings: Any) -> Contestant:
    """Describe one of our own ways; inference is in float32."""
    kinds = {"training": settings}
    if "bf16" not in settings:
        kinds["inference"] = settings
    return Contestant(
        f"tinyvision {name}",
        "benchmarks.networks.with_tinyvision",
        kinds,
        lambda: True,
        bf16=settings.get("bf16", False),
    )


def _pytorch(name: str, environment: dict[str, str] | None = None, **settings: Any) -> Contestant:
    """Describe one of PyTorch's modes; inference is in float32, and makes no large garbage."""
    kinds = {"training": settings}
    if not environment and "bf16" not in settings:
        kinds["inference"] = settings
    return Contestant(
        f"PyTorch {name}",
        "benchmarks.networks.with_pytorch",
        kinds,
        _installed("torch"),
        environment or {},
        settings.get("bf16", False),
    )


CONTESTANTS = [
    _tinyvision("plan", plan=True),
    _tinyvision("eager", plan=False),
    _pytorch("NCHW", layout="nchw"),
    _pytorch("NHWC", layout="nhwc"),
    _pytorch("NHWC, blocks kept", KEEP_BLOCKS, layout="nhwc"),
    _pytorch("compiled NCHW", layout="nchw", compiled=True),
    _pytorch("compiled NHWC", layout="nhwc", compiled=True),
    Contestant(
        "JAX",
        "benchmarks.networks.with_jax",
        {"training": {}, "inference": {}},
        _installed("jax", "jaxlib"),
    ),
    Contestant(
        "ONNX Runtime",
        "benchmarks.networks.with_onnxruntime",
        {"inference": {}},
        _installed("onnxruntime", "onnx"),
    ),
    Contestant(
        "OpenCV", "benchmarks.networks.with_opencv", {"inference": {}}, _installed("cv2", "onnx")
    ),
    _tinyvision("plan bf16", plan=True, bf16=True),
    _pytorch("bf16 NCHW", layout="nchw", bf16=True),
    _pytorch("bf16 NHWC", layout="nhwc", bf16=True),
]


def select(kind: str, beginnings: list[str] | None = None) -> list[Contestant]:
    """Return who does a kind of work and can.

    Parameters
    ----------
    kind : {"training", "inference"}
    beginnings : list of str, optional
        Only those whose names begin so.
    """
    return [
        contestant
        for contestant in CONTESTANTS
        if kind in contestant.settings
        and (not beginnings or contestant.name.startswith(tuple(beginnings)))
        and contestant.needs()
    ]
