"""Does tinyvision compute the same on this machine's GPU? One command, a table, a JSON file.

``python benchmarks/gpu_check.py [--out results.json] [--backend cuda]``

1. Every kernel of the ``cuda`` backend, its own or borrowed from the reference, over the cases of
   the kernel tests, in float32 and float64, against the reference in float64 on the host.
2. Every op, forward and backward, over the cases of the op tests, likewise.
3. A few training steps of small networks against the same steps on the host's reference backend,
   with the time of a step.

Ends with exit code 1 if anything disagrees or there is no GPU. Works from a clone of the
repository.
"""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels"), str(ROOT / "tests" / "kernels")]

import numpy as np
from agreement import assert_agrees
from cases import cases

from tests.ops.op_cases import all_cases
from tests.ops.op_runs import assert_close, on_device, run, truth
from tinyvision import backend, models, nn, optim
from tinyvision.errors import BackendError
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import KERNELS

STEPS = 5
NETS = {
    "mlp": (28, 28, 1),
    "lenet5": (28, 28, 1),
    "small_cnn": (28, 28, 1),
    "resnet20": (32, 32, 3),
}
LOSS_TOLERANCE = 1e-3  # of a loss after a few float32 steps on two machines that round differently


def check_kernels(device: backend.Backend) -> list[dict[str, Any]]:
    """Run every kernel on the device; return a row for each with what disagreed."""
    rows = []
    for name in KERNELS:
        implementation = getattr(device.kernels, name).into
        start, failures = perf_counter(), []
        for case in cases(name):
            for dtype in (np.float32, np.float64):
                try:
                    assert_agrees(
                        case,
                        implementation,
                        dtype,
                        to_device=device.xp.array,  # a copy: updates are changed in place
                        to_host=device.to_host,
                    )
                except Exception as error:  # a check reports whatever goes wrong and goes on
                    failures.append(f"{case.id}, {np.dtype(dtype).name}: {error}")
        rows.append(
            {
                "check": name,
                "native": name in device.native,
                "runs": 2 * len(cases(name)),
                "seconds": round(perf_counter() - start, 3),
                "failures": failures,
            }
        )
        print_row(rows[-1])
    return rows


def check_ops(device: backend.Backend) -> list[dict[str, Any]]:
    """Run every op forward and backward on the device; return a row with what disagreed."""
    start, failures = perf_counter(), []
    everything = all_cases()
    for case in everything:
        for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-10)):
            try:
                actual = run(on_device(case, device), dtype, device)
                assert_close(actual, truth(case, dtype), tolerance)
            except Exception as error:  # as above
                failures.append(f"{case.id}, {np.dtype(dtype).name}: {error}")
    row = {
        "check": "ops, forward and backward",
        "native": False,
        "runs": 2 * len(everything),
        "seconds": round(perf_counter() - start, 3),
        "failures": failures,
    }
    print_row(row)
    return [row]


def training(name: str, device: backend.Backend) -> tuple[list[float], float]:
    """Train a few steps on random images; return the losses and the seconds of the last step."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, *NETS[name]), np.float32)
    labels = rng.integers(0, 10, 8)
    losses, seconds = [], 0.0
    with backend.using(device):
        model = models.create(name, NETS[name], 10)
        model.eval()  # without dropout and batch statistics the two runs stay comparable for longer
        optimizer = optim.SGD(model, lr=1e-3, momentum=0.9)
        criterion = nn.CrossEntropy()
        for _ in range(STEPS):
            start = perf_counter()
            loss = criterion(model(Tensor(x)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            device.synchronize()
            seconds = perf_counter() - start
    return losses, seconds


def check_training(device: backend.Backend) -> list[dict[str, Any]]:
    """Compare a few training steps with the host; return a row for each network."""
    rows = []
    for name in NETS:
        expected, host_seconds = training(name, backend.get("reference"))
        losses, seconds = training(name, device)
        error = max(abs(a / b - 1) for a, b in zip(losses, expected, strict=True))
        failures = [] if error <= LOSS_TOLERANCE else [f"losses {losses}, expected {expected}"]
        rows.append(
            {
                "check": f"{STEPS} steps of {name}",
                "native": False,
                "runs": STEPS,
                "seconds": round(seconds, 4),
                "host_seconds": round(host_seconds, 4),
                "relative_error": error,
                "failures": failures,
            }
        )
        print_row(rows[-1])
    return rows


def print_row(row: dict[str, Any]) -> None:
    """Print one line, and what failed."""
    state = "FAILED" if row["failures"] else "ok"
    kind = "own" if row["native"] else "borrowed"
    print(f"{row['check']:<28} {kind:<9} {row['runs']:>4} runs {row['seconds']:>9.3f} s  {state}")
    for failure in row["failures"][:3]:
        print(f"    {failure}")


def describe(device: backend.Backend) -> dict[str, Any]:
    """Name the device and the versions."""
    facts: dict[str, Any] = {"backend": device.name, "numpy": np.__version__}
    if device.name == "cuda":
        properties = device.xp.cuda.runtime.getDeviceProperties(0)
        facts |= {
            "gpu": properties["name"].decode(),
            "cupy": device.xp.__version__,
            "cuda runtime": device.xp.cuda.runtime.runtimeGetVersion(),
        }
    return facts


def main() -> int:
    """Run the checks; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="cuda", help="another one, to try the script itself")
    parser.add_argument("--out", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    try:
        device = backend.get(options.backend)
    except BackendError as error:
        print(f"gpu_check: {error}", file=sys.stderr)
        return 1
    facts = describe(device)
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    rows = check_kernels(device) + check_ops(device) + check_training(device)
    failed = [row["check"] for row in rows if row["failures"]]
    if options.out:
        options.out.write_text(json.dumps({"machine": facts, "rows": rows}, indent=1) + "\n")
    print(
        f"{len(rows) - len(failed)} of {len(rows)} checks passed"
        + "".join(f"\n  {f}" for f in failed)
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
