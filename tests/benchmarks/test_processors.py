"""Timing the kernels as they are compiled for other processors."""

import re

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from benchmarks import machine, processors
from benchmarks.table import markdown, tables

MACHINE = {**machine.describe(), "threads": 2}


@pytest.fixture
def small(monkeypatch):
    """Work that takes no time."""
    for name, value in {"N": 2, "H": 8, "C": 16, "O": 16, "I": 16, "ROUNDS": 1}.items():
        monkeypatch.setattr(processors, name, value)
    monkeypatch.setattr(processors, "sleep", lambda seconds: None)


def test_every_piece_of_work_gets_a_speed(small):
    speeds = processors.measure()
    ours = {f"{a} {d}" for a in ("direct", "winograd") for d in ("forward", "dx", "dw")} | {"dense"}
    theirs = {f"PyTorch {work}" for work in ("forward", "dx", "dw", "dense")}
    assert speeds.keys() in (ours, ours | theirs)
    assert all(speed > 0 for speed in speeds.values())


def test_wrong_results_are_not_timed(small, monkeypatch):
    from tinyvision import backend

    kernels = backend.get("cpu").kernels
    true = kernels.dense
    monkeypatch.setattr(kernels, "dense", lambda *args: 1.001 * true(*args), raising=False)
    with pytest.raises(AssertionError, match=r"^dense: off by 1.0e-03 of the largest value"):
        processors.measure()


def test_the_host_runs_its_own_target_and_all_smaller_ones():
    names = processors.runnable()
    assert names == list(processors.TARGETS)[-len(names) :]
    if names:
        assert machine.vector_unit() in (names[0], "NEON")


def test_the_table_has_a_column_for_each_processor():
    results = {
        "machine": MACHINE,
        "work": "3x3 convolution 2 x 8x8x16 -> 16; dense 16 x 16 -> 16",
        "processors": {
            "AVX2": {"direct": 237.4, "dense": 9.6},
            "generic": {"direct": 87, "dense": 4},
        },
    }
    (table,) = tables(results)
    assert table.columns == ("GFLOP/s", "AVX2", "generic")
    assert table.lines == [("direct", "237", "87"), ("dense", "10", "4")]
    page = markdown(results)
    assert re.search(r"2 threads, .*3x3 convolution 2 x 8x8x16 -> 16; dense", page)
