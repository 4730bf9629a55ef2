"""Options, threads and the table of a benchmark run."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import contest, machine
from benchmarks.table import print_table

# Each thread keeps a core of its own, whoever it works for. Otherwise a system may leave two on one
# core while another idles, and times become multiples of its time slice. OpenMP reads the first of
# these when it is loaded; after that Numba would count the cores of the first thread alone: one.
os.environ.setdefault("OMP_PROC_BIND", "true")
os.environ.setdefault("NUMBA_NUM_THREADS", str(os.cpu_count() or 1))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--threads", type=int, default=None, help="threads for every contestant")
    parser.addoption(
        "--results", type=Path, default=None, help="write the figures to this JSON file"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Leave the table to us: pytest-benchmark's is twice as wide as a terminal."""
    config.option.benchmark_quiet = True


@pytest.fixture(scope="session", autouse=True)
def threads(request: pytest.FixtureRequest) -> int:
    """Give every contestant the same number of threads."""
    import numba

    count = request.config.getoption("--threads") or os.cpu_count() or 1
    numba.set_num_threads(count)
    if torch := contest.torch_or_none():
        torch.set_num_threads(count)
    return int(count)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the ratios, and write them where ``--results`` says."""
    if not contest.CONTESTS:
        return
    import numba

    results = {
        "machine": {**machine.describe(), "threads": numba.get_num_threads()},
        "contests": [c.to_data() for c in contest.CONTESTS],
    }
    print_table(results)
    if target := config.getoption("--results"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(results, indent=1) + "\n")
        terminalreporter.write_line(f"wrote {target}")
