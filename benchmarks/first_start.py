"""How long does it take from starting a program to its first finished training step?

``python -m benchmarks.first_start`` runs the first step of small_cnn in fresh processes: with
nothing compiled yet (a cache folder of its own), kernel by kernel as they are called or ahead by
several processes as ``tinyvision train`` does it; with all compiled before; and PyTorch. What is
timed begins before the interpreter and ends when the loss is printed. A round takes half a minute;
``--results FILE`` writes the figures as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks import machine
from benchmarks.contest import torch_or_none
from benchmarks.table import ROOT, print_table

OURS = """
import numpy as np
import tinyvision as tv
from tinyvision import models, nn, optim

N, SHAPE = {batch}, {shape}
rng = np.random.default_rng(0)
x, labels = rng.standard_normal((N, *SHAPE), np.float32), rng.integers(0, 10, N)
tv.use("cpu")
model = models.create({model!r}, SHAPE, 10)
make_optimizer = lambda model: optim.AdamW(model, 1e-3)
{ahead}
optimizer = make_optimizer(model)
loss = nn.CrossEntropy()(model(tv.Tensor(x)), labels)
optimizer.zero_grad()
loss.backward()
optimizer.step()
print(loss.item(), flush=True)
"""
AHEAD = """
from tinyvision.warmup import before_training
before_training(model, SHAPE, make_optimizer, train=[N], predict=[], progress=lambda *_: None)
"""
THEIRS = """
import numpy as np
import torch
from benchmarks import peers

N, SHAPE = {batch}, {shape}
rng = np.random.default_rng(0)
x, labels = rng.standard_normal((N, *SHAPE), np.float32), rng.integers(0, 10, N)
model = peers.{model}()
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
images = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(labels))
optimizer.zero_grad()
loss.backward()
optimizer.step()
print(loss.item(), flush=True)
"""
SHAPES = {"vgg_small": (32, 32, 3), "resnet20": (32, 32, 3)}  # the others: of MNIST


def start(program: str, store: str, **variables: str) -> tuple[float, str]:
    """Run a program; return the seconds until it prints, and what it prints."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = {**os.environ, "PYTHONPATH": path, "TINYVISION_CACHE": store, **variables}
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.readline()
        seconds = perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"the program ended with {process.returncode}")
    return seconds, printed


def measure(model: str = "small_cnn", batch: int = 64, rounds: int = 3) -> list[dict[str, Any]]:
    """Time every way to start, round by round.

    Returns
    -------
    list of dict
        For each: ``start``, ``seconds`` (median), ``least``, ``most`` and ``rounds``.
    """
    settings = {"model": model, "batch": batch, "shape": SHAPES.get(model, (28, 28, 1))}
    plain, ahead = (OURS.format(**settings, ahead=more) for more in ("", AHEAD))
    # each with the cache folder that it finds: an empty one, or one that was filled before
    ways = [
        ("first ever, kernels compiled as they are called", plain, "one"),
        ("first ever, compiled ahead as `tinyvision train` does", ahead, "another"),
        ("every later one", plain, "one"),
    ]
    if torch_or_none():
        ways.append(("PyTorch", THEIRS.format(**settings), ""))
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    losses = set()
    for _ in range(rounds):
        with TemporaryDirectory() as stores:
            for name, program, store in ways:
                elapsed, loss = start(program, str(Path(stores) / store))
                seconds[name].append(elapsed)
                if store:
                    losses.add(loss)
    if len(losses) > 1:
        raise AssertionError(f"the ways to start differ in their loss: {', '.join(losses)}")
    return [
        {
            "start": name,
            "seconds": round(median(values), 3),
            "least": round(min(values), 3),
            "most": round(max(values), 3),
            "rounds": rounds,
        }
        for name, values in seconds.items()
    ]


def main() -> None:
    """Run from the command line."""
    import numba

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="small_cnn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args()
    results = {
        "machine": {**machine.describe(), "threads": numba.get_num_threads()},
        "work": f"start to first training step of {options.model}, batch {options.batch}",
        "starts": measure(options.model, options.batch, options.rounds),
    }
    print_table(results)
    if options.results:
        options.results.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
