"""Every contestant that is installed here computes what ours does."""

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from benchmarks.networks import contest, nets
from benchmarks.networks.contestants import CONTESTANTS
from benchmarks.networks.worker import Worker

N = 8
WORK = {"training": ("lenet5", "resnet20"), "inference": ("mlp", "resnet20")}
QUICKLY = {"training": ("mlp",), "inference": ("mlp",)}  # for who compiles a minute for each
(OURS,) = (contestant for contestant in CONTESTANTS if contestant.name == "tinyvision eager")
OTHERS = [contestant for contestant in CONTESTANTS if contestant is not OURS]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Each network in a file, its dropout off."""
    folder = tmp_path_factory.mktemp("networks")
    names = dict.fromkeys(name for names in WORK.values() for name in names)
    return {name: nets.write(name, folder / f"{name}.safetensors", dropout=False) for name in names}


@pytest.fixture(scope="module")
def ours():
    with Worker(OURS, threads=1) as worker:
        yield worker


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(other, id=other.name, marks=[pytest.mark.slow] * ("compiled" in other.name))
        for other in OTHERS
    ],
)
def test_it_computes_the_same_as_ours(other, ours, files):
    if not other.needs():
        pytest.skip(f"what {other.name} needs is not installed")
    work = QUICKLY if "compiled" in other.name else WORK
    with Worker(other, threads=1) as worker:
        for kind in other.settings:
            for name in work[kind]:
                contest.check([ours, worker], kind, name, files[name], N)


def test_dropout_drops_where_it_is_timed(ours, tmp_path):
    # the same weights: only what is dropped can make the first loss another one
    losses = []
    for dropout in (False, True):
        file = nets.write("mlp", tmp_path / f"{dropout}.safetensors", dropout=dropout)
        ours.build("training", "mlp", file, N, lr=1e-30)
        losses.append(ours.run(3))
    assert len(set(losses[0])) == 1
    assert len({*losses[0], *losses[1]}) == 4
