"""How contestants take turns and are compared, in real processes that do no real work."""

import itertools
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.networks import contest, footprint
from benchmarks.networks.contestants import Contestant
from benchmarks.networks.worker import Worker

NOWHERE = Path("no-file-is-read")


def stand_in(name: str, *, bf16: bool = False, **settings) -> Contestant:
    program = "tests.benchmarks.networks.programs"
    return Contestant(name, program, {"training": settings}, lambda: True, bf16=bf16)


@pytest.fixture
def start():
    """Start a worker that ends with the test."""
    with ExitStack() as stack:
        yield lambda *words, **settings: stack.enter_context(
            Worker(stand_in(*words, **settings), threads=1)
        )


def test_one_works_while_the_others_sleep(start, tmp_path):
    log = tmp_path / "log"
    workers = [start(name, log=str(log)) for name in ("one", "two", "three")]
    for worker in workers:
        worker.build("training", "net", NOWHERE, 1, lr=0.1)
    entries = [contest.Entry(worker) for worker in workers]
    contest.take_turns(entries, rounds=3, seconds=0.02)
    calls = [
        (pid, float(begin), float(end))
        for pid, begin, end in map(str.split, log.read_text().splitlines())
    ]
    assert all(end <= begin for (_, _, end), (_, begin, _) in itertools.pairwise(calls))
    turns = [pid for pid, _ in itertools.groupby(calls, key=lambda call: call[0])]
    assert len(set(turns)) == 3
    assert turns == turns[:3] * 3
    for entry in entries:
        assert len(entry.medians.seconds) == 3
        # a call sleeps for a millisecond; a turn is called so often that it takes its time
        assert 1 <= entry.to_data()["ms"] <= entry.to_data()["p99 ms"]
    assert len(calls) >= 9 * 4


def test_whoever_computes_something_else_is_not_timed(start):
    one, other = start("one"), start("other", third=1.0011)
    with pytest.raises(AssertionError, match=r"net, training, batch 2: other differs by 1\.1e-03"):
        contest.check([one, other], "training", "net", NOWHERE, 2)
    nan = start("nan", third=float("nan"))
    with pytest.raises(AssertionError, match="nan differs by nan from one"):
        contest.check([one, nan], "training", "net", NOWHERE, 2)
    nearly, rounded = start("nearly", third=1.0009), start("rounded", third=1.04, bf16=True)
    contest.check([one, nearly, rounded], "training", "net", NOWHERE, 2)


def test_an_error_names_the_contestant(start):
    worker = start("refuser", refuse=True)
    worker.build("training", "net", NOWHERE, 1, lr=0.1)
    with pytest.raises(RuntimeError, match=r"(?s)refuser: Traceback.*no step today"):
        worker.run(1)
    worker.build("training", "net", NOWHERE, 1, lr=0.1, refuse=False)
    assert worker.run(4) == [3.0, 2.0, 1.0, 3.0]  # it lives on


def test_an_end_names_the_contestant(start):
    worker = start("leaver", exit_with=3)
    worker.build("training", "net", NOWHERE, 1, lr=0.1)
    with pytest.raises(RuntimeError, match="leaver: the process ended"):
        worker.run(1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
def test_the_peak_of_memory_is_that_of_the_work(start):
    worker = start("eater", kept=50, taken=100)
    before = worker.memory()
    worker.build("training", "net", NOWHERE, 1, lr=0.1)
    built = worker.memory()
    worker.run(1)
    after = worker.memory()
    assert before["imported"] == built["imported"] == after["imported"]
    # what a process has is counted to about a percent
    for memory, megabytes in ((before, 0), (built, 50), (after, 150)):
        taken = (memory["peak"] - memory["imported"]) / (1 << 20)
        assert megabytes - 5 < taken < megabytes + 20


def test_a_footprint_is_that_of_fresh_processes(tmp_path):
    small, large = stand_in("small"), stand_in("large", kept=200)
    memory = footprint.memory([small, large], "mlp", tmp_path, 1)
    assert list(memory) == ["small", "large"]
    assert memory["large"]["peak"] - memory["small"]["peak"] > 180 << 20
    log = tmp_path / "log"
    starts = footprint.start([stand_in("starter", log=str(log))], "mlp", tmp_path, 1, rounds=3)
    lines = log.read_text().splitlines()
    assert len({line.split()[0] for line in lines}) == len(lines) == 4  # one step in each process
    assert 0.01 < starts["starter"]["least"] <= starts["starter"]["seconds"]
    assert starts["starter"]["seconds"] <= starts["starter"]["most"]
