"""What a figure was measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "tinyvision", "numpy", "numba", "llvmlite", "torch", "jax", "onnxruntime",
    "opencv-python-headless",
)  # fmt: skip


def processor() -> str:
    """Return the processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def vector_unit() -> str:
    """Name the widest vector instructions that LLVM sees on this host."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    for feature, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("neon", "NEON")):
        if features.get(feature):
            return name
    return "generic"


def cache_bytes(level: int) -> int | None:
    """Return the size of a cache as Linux tells it; None where nobody does."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        kind = (index / "type").read_text().strip()
        if kind != "Instruction" and int((index / "level").read_text()) == level:
            size = (index / "size").read_text().strip()  # such as 1024K
            return int(size[:-1]) * {"K": 1 << 10, "M": 1 << 20}[size[-1]]
    return None


def describe() -> dict[str, str | int]:
    """Return processor, cores, system and the versions of what was measured."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if "tinyvision" not in versions:
        import tinyvision

        versions["tinyvision"] = tinyvision.__version__
    return {
        "processor": processor(),
        "vectors": vector_unit(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }
