"""Whole networks against the field: training steps, inference, memory and the start.

``python -m benchmarks.networks`` lets tinyvision, PyTorch, JAX, ONNX Runtime and OpenCV do the same
work on the built-in networks. Each lives in a process of its own with the same threads; one works
while the others sleep; before anything is timed their results are compared. All of it takes twelve
minutes, the first time longer, since some compile. ``--results FILE`` merges the figures into a
JSON file, so that a part can be measured anew.
"""

import argparse
import json
import os
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine
from benchmarks.table import print_table

from . import contest, footprint
from .contestants import CONTESTANTS, select
from .nets import NETS

KINDS = ("training", "inference", "memory", "start")
BATCHES = (1, 64)  # of inference: the latency of one image, and throughput
OF_MEMORY, OF_START = "vgg_small", "small_cnn"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options ask for; return it by group and network."""
    rounds, seconds = (3, 0.05) if options.quick else (options.rounds, options.seconds)
    results: dict[str, Any] = {}

    def keep(group: str, name: str, batch: int, rows: dict[str, Any]) -> None:
        results.setdefault(group, {})[name] = {"batch": batch, "contestants": rows}

    with TemporaryDirectory() as temporary:
        folder, threads = Path(temporary), options.threads
        for kind, name in product(options.only or KINDS, options.net or NETS):
            N, _ = NETS[name]
            who = select("inference" if kind == "inference" else "training", options.contestants)
            eager = [c for c in who if not c.bf16 and "compiled" not in c.name]
            turns = {"threads": threads, "rounds": rounds, "seconds": seconds}
            if kind == "training":
                for _, rows in contest.hold(who, kind, name, [N], folder, **turns):
                    keep(kind, name, N, rows)
            elif kind == "inference":
                for batch, rows in contest.hold(who, kind, name, BATCHES, folder, **turns):
                    keep(f"inference of {batch}", name, batch, rows)
            elif kind == "memory" and name == OF_MEMORY:
                keep(kind, name, N, footprint.memory(eager, name, folder, threads))
            elif kind == "start" and name == OF_START:
                keep(kind, name, N, footprint.start(eager, name, folder, threads))
    return results


def earlier(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Return the groups of a results file, none where there is no file yet.

    Raises
    ------
    SystemExit
        They come from another machine, or from other versions.
    """
    if not path.exists():
        return {}
    results = json.loads(path.read_text())
    then = results["machine"]
    changed = [key for key in {**then, **about} if then.get(key) != about.get(key)]
    if changed:
        raise SystemExit(
            f"{path} was measured with other {', '.join(sorted(changed))}: name a new file, or "
            "delete this one"
        )
    return dict(results["networks"])


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return groups with networks that were measured anew in the place of the old ones."""
    return {group: {**old.get(group, {}), **new.get(group, {})} for group in {**old, **new}}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.networks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--net", action="append", choices=NETS, help="this network; again for more")
    parser.add_argument("--only", action="append", choices=KINDS, help="this part; again for more")
    parser.add_argument("--contestants", nargs="+", help="those whose names begin so")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.2, help="of a round, at least")
    parser.add_argument("--quick", action="store_true", help="three rounds of 0.05 s")
    parser.add_argument("--results", type=Path, help="merge the figures into this JSON file")
    options = parser.parse_args()
    about = {**machine.describe(), "threads": options.threads}
    old = earlier(options.results, about) if options.results else {}
    for contestant in CONTESTANTS:
        if not contestant.needs():
            print(f"{contestant.name} is left out: not installed")
    new = measure(options)
    if options.results:
        results = {"machine": about, "networks": merged(old, new)}
        options.results.write_text(json.dumps(results, indent=1) + "\n")
    print_table({"machine": about, "networks": new})


if __name__ == "__main__":
    main()
