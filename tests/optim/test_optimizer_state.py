"""State: a resumed run has the bits of one that was never stopped; wrong states write nothing."""

import numpy as np
import pytest
from safetensors import numpy as safetensors

import tinyvision as tv
from tests.ops.strict_backend import STRICT
from tests.optim.drawn_parameters import OPTIMIZERS, parameters, run, values
from tinyvision import nn, optim
from tinyvision.schedules import OneCycle


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(
    "backend", ["reference", "cpu", STRICT], ids=lambda b: getattr(b, "name", b)
)
@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("average", [None, 0.3], ids=["", "average"])
def test_a_resumed_run_has_the_same_bits(optimizer, settings, backend, dtype, average):
    if backend == "cpu":
        pytest.importorskip("numba", reason="Numba, which the cpu kernels need, is not installed")
    settings = {**settings, "lr": OneCycle(0.1, 12), "clip_norm": 3.0, "average": average}
    with tv.using(backend):
        whole = parameters(dtype)
        straight = optimizer(whole, **settings)
        run(straight, whole, range(12), dtype)

        first = parameters(dtype)
        stopped = optimizer(first, **settings)
        run(stopped, first, range(5), dtype)
        stored = safetensors.load(safetensors.save(stopped.state()))  # as a checkpoint does

        second = [
            nn.Parameter(array, decay=p.decay)
            for p, array in zip(first, values(first), strict=True)
        ]
        resumed = optimizer(second, **settings)
        resumed.load_state(stored)
        assert (resumed.step_count, resumed.last_lr) == (5, stopped.last_lr)
        run(resumed, second, range(5, 12), dtype)
    for expected, actual in zip(values(whole), values(second), strict=True):
        assert actual.tobytes() == expected.tobytes()
    for key, array in straight.state().items():
        assert resumed.state()[key].tobytes() == array.tobytes(), key


def test_state_is_a_copy_by_parameter():
    with tv.using("reference"):
        chosen = parameters()
        ours = optim.SGD(chosen, 0.1)
        run(ours, chosen, range(1))
        state = ours.state()
        kept = {key: array.copy() for key, array in state.items()}
        run(ours, chosen, range(1, 2))
    assert list(state) == ["step_count", *(f"velocity.{i}" for i in range(len(chosen)))]
    for i, p in enumerate(chosen):
        assert state[f"velocity.{i}"].shape == p.shape
    for key, array in kept.items():
        np.testing.assert_array_equal(state[key], array)


def test_state_fits_whatever_decay_is_applied_to():
    # decay_all arranges the flat vector in another order
    with tv.using("reference"):
        chosen = parameters()
        ours = optim.RMSprop(chosen, 0.1, momentum=0.9, weight_decay=0.1)
        run(ours, chosen, range(3))
        other = optim.RMSprop(parameters(), 0.1, momentum=0.9, weight_decay=0.1, decay_all=True)
        other.load_state(ours.state())
    for key, array in ours.state().items():
        np.testing.assert_array_equal(other.state()[key], array)


def test_state_of_a_run_that_has_not_begun():
    with tv.using("reference"):
        ours = optim.Adam(parameters(), OneCycle(0.1, 5))
        ours.load_state(optim.Adam(parameters(), OneCycle(0.1, 5)).state())
    assert (ours.step_count, ours.last_lr) == (0, OneCycle(0.1, 5)(0))


# --- states that do not fit -----------------------------------------------------------------------


def changed(**arrays):
    """Return a function that replaces arrays of a state; None removes one."""

    def change(state):
        merged = {**state, **{key.replace("_at_", "."): array for key, array in arrays.items()}}
        return {key: array for key, array in merged.items() if array is not None}

    return change


WRONG = [
    (changed(v_at_4=None), r"does not fit Adam of 5 parameters: missing \['v.4'\], left over none"),
    (changed(v_at_5=np.ones(2)), r"Adam of 5 parameters: missing none, left over \['v.5'\]"),
    (lambda state: {}, r"does not fit Adam of 5 parameters: missing \['m.0', "),
    (
        changed(v_at_3=np.ones((7, 6))),
        r"v.3: parameter 'w2' is float64 of shape \(6, 7\), the state float64 of shape \(7, 6\)",
    ),
    (
        changed(v_at_3=np.ones((6, 7), np.float32)),
        r"v.3: parameter 'w2' is float64 of shape \(6, 7\), the state float32 of shape \(6, 7\)",
    ),
    (changed(step_count=np.array(-1)), r"step_count must be a whole number of at least 0, got"),
    (changed(step_count=np.array(2.0)), r"step_count must be a whole number of at least 0, got"),
    (changed(step_count=np.array([2])), r"step_count must be a whole number of at least 0, got"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_states_are_refused_and_nothing_is_written(change, message):
    with tv.using("reference"):
        chosen, others = parameters(), parameters()
        ours, other = optim.Adam(chosen), optim.Adam(others)
        run(ours, chosen, range(2))
        run(other, others, range(5))
        before = ours.state()
        with pytest.raises(ValueError, match=message):
            ours.load_state(change(other.state()))
    after = ours.state()
    for key, array in before.items():
        np.testing.assert_array_equal(after[key], array)


def test_the_state_of_another_optimizer_or_model_is_refused():
    with tv.using("reference"):
        ours = optim.SGD(parameters())
        with pytest.raises(ValueError, match=r"missing \['velocity.0', .*left over \['m.0', "):
            ours.load_state(optim.Adam(parameters()).state())
        with pytest.raises(ValueError, match=r"left over \['velocity.1', "):
            optim.SGD(parameters()[:1]).load_state(ours.state())
