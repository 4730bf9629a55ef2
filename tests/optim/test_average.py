"""The running average of the parameters: its formula, and how it takes their place for a while."""

import numpy as np
import pytest

import tinyvision as tv
from tests.optim.drawn_parameters import every_optimizer, parameters, put_gradients, run
from tests.optim.drawn_parameters import values as copies
from tinyvision import nn, optim

# (1 + t) / (10 + t) of the steps t = 1, 2, ..., until it exceeds the decay asked for
DECAYS = {0.4: [2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 0.4, 0.4], 0.0: [0.0] * 7}


def bits(arrays):
    return [np.asarray(array).tobytes() for array in arrays]


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_the_average_is_that_of_the_weights_of_every_step(backend, optimizer, settings, dtype):
    for decay, steps in DECAYS.items():
        chosen = parameters(dtype)
        ours = optimizer(chosen, 0.05, average=decay, clip_norm=3.0, **settings)
        expected = [w.astype(np.float64) for w in copies(chosen)]
        for step, d in enumerate(steps):
            run(ours, chosen, [step], dtype)
            pairs = zip(expected, copies(chosen), strict=True)
            expected = [d * average + (1 - d) * w for average, w in pairs]
        with ours.averaged():
            averages = copies(chosen)
        for average, wanted in zip(averages, expected, strict=True):
            assert average.dtype == dtype
            np.testing.assert_allclose(average, wanted, rtol=0, atol=np.finfo(dtype).eps * 16)


def test_averages_over_many_chunks(backend):
    rng = np.random.default_rng(5)
    p = nn.Parameter(rng.standard_normal(50_001).astype(np.float32))
    before = p.numpy().copy()
    ours = optim.SGD([p], 1.0, momentum=0.0, average=0.999)
    put_gradients([p], [rng.standard_normal(p.shape).astype(np.float32)])
    ours.step()
    with ours.averaged():
        average = p.numpy().copy()
    # (1 + 1) / (10 + 1) of what was there before
    np.testing.assert_allclose(average, (2 * before + 9 * p.numpy()) / 11, rtol=0, atol=1e-6)


@every_optimizer
def test_the_weights_are_as_without_an_average(backend, optimizer, settings):
    with_average, without = parameters(), parameters()
    run(optimizer(with_average, 0.05, average=0.9, **settings), with_average, range(4))
    run(optimizer(without, 0.05, **settings), without, range(4))
    for ours, expected in zip(copies(with_average), copies(without), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-13)


def test_the_average_of_weights_at_rest_is_the_weights_themselves(backend):
    # 0.9999 and 1 - 0.9999 in float32 do not add up to one: weights times both would drift away
    chosen = parameters(np.float32)
    ours = optim.SGD(chosen, average=0.9999)
    before = bits(copies(chosen))
    for _ in range(20):
        ours.step()  # all gradients are zero
    with ours.averaged():
        assert bits(copies(chosen)) == before


def test_an_optimizer_of_ones_own_has_an_average_too(backend):
    class SignDescent(optim.Optimizer):
        """w -= lr * sign(g)."""

        def update(self, k, segment, lr, scale):
            segment.values[...] -= lr * k.xp.sign(segment.gradients)

    p = nn.Parameter(np.array([1.0, 2.0]))
    ours = SignDescent([p], 0.5, average=0.1)
    put_gradients([p], [np.array([0.1, -7.0])])
    ours.step()
    assert p.numpy().tolist() == [0.5, 2.5]
    with ours.averaged():
        np.testing.assert_allclose(p.numpy(), [0.55, 2.45], rtol=1e-12)


# --- in the place of the parameters ---------------------------------------------------------------


@pytest.fixture
def trained():
    with tv.using("reference"):
        chosen = parameters()
        ours = optim.Adam(chosen, 0.05, average=0.5)
        run(ours, chosen, range(3))
        yield ours, chosen


def test_the_parameters_come_back_bit_for_bit(trained):
    ours, chosen = trained
    before, memory = bits(copies(chosen)), [p.data for p in chosen]
    with ours.averaged():
        inside = bits(copies(chosen))
    assert bits(copies(chosen)) == before
    assert all(one != other for one, other in zip(inside, before, strict=True))
    with ours.averaged():
        assert bits(copies(chosen)) == inside
    assert all(p.data is array for p, array in zip(chosen, memory, strict=True))


def test_they_come_back_after_an_error(trained):
    ours, chosen = trained
    before, state = bits(copies(chosen)), ours.state()
    with pytest.raises(KeyboardInterrupt), ours.averaged():
        raise KeyboardInterrupt
    assert bits(copies(chosen)) == before
    assert bits(ours.state().values()) == bits(state.values())
    ours.step()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("step", lambda ours: ours.step()),
        ("state", lambda ours: ours.state()),
        ("load_state", lambda ours: ours.load_state({})),
        ("averaged", lambda ours: ours.averaged().__enter__()),
    ],
)
def test_what_is_about_the_parameters_is_refused_meanwhile(trained, name, call):
    ours, chosen = trained
    with ours.averaged():
        inside = bits(copies(chosen))
        with pytest.raises(RuntimeError, match=rf"{name}\(\) cannot be called inside .* leave"):
            call(ours)
        assert bits(copies(chosen)) == inside
    assert ours.step_count == 3


def test_nothing_is_averaged_unless_asked_for():
    with tv.using("reference"):
        ours = optim.SGD(parameters())
        message = r"SGD keeps no average of its parameters: make it with one, SGD\(model, average"
        with pytest.raises(RuntimeError, match=message), ours.averaged():
            pass
    assert ours.memory.average is None
    assert not any(key.startswith("average") for key in ours.state())


def test_old_activations_meet_no_averaged_weights(trained):
    ours, (w, *_) = trained
    loss = (w * w).sum()
    with ours.averaged(), pytest.raises(RuntimeError, match="changed"):
        loss.backward()


@pytest.mark.parametrize("average", [1, -0.1, float("nan"), "0.9"])
def test_a_decay_that_makes_no_sense_is_refused(average):
    with pytest.raises(ValueError, match=r"AdamW: average must be a number in \[0, 1\), got"):
        optim.AdamW(parameters(), average=average)


def test_a_state_without_an_average_does_not_fit(trained):
    ours, _ = trained
    without = optim.Adam(parameters())
    with pytest.raises(ValueError, match=r"missing \['average\.0', .*left over none"):
        ours.load_state(without.state())
    with pytest.raises(ValueError, match=r"missing none, left over \['average\.0', "):
        without.load_state(ours.state())


def test_the_average_goes_with_the_state(trained):
    ours, chosen = trained
    state = ours.state()
    other = parameters(seed=9)
    resumed = optim.Adam(other, 0.05, average=0.5)
    resumed.load_state(state)
    for i, p in enumerate(chosen):
        assert state[f"average.{i}"].shape == p.shape
    with ours.averaged(), resumed.averaged():
        assert bits(copies(other)) == bits(copies(chosen))
