"""Schedules against hand-worked values, closed forms and PyTorch's schedulers."""

from math import cos, pi

import numpy as np
import pytest

from tinyvision.schedules import Constant, Cosine, OneCycle, Step, WarmUp

# --- hand-worked values and edges -----------------------------------------------------------------


def rates(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_constant():
    assert rates(Constant(0.3), 3) == [0.3] * 3


def test_step_drops_at_every_multiple():
    expected = [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]
    assert rates(Step(0.8, every=3, factor=0.5), 7) == expected


def test_step_every_step():
    assert rates(Step(8.0, every=1, factor=0.25), 3) == [8.0, 2.0, 0.5]


def test_cosine_at_its_quarters_and_beyond_the_end():
    cosine = Cosine(1.0, steps=4, final=0.2)
    quarter, three_quarters = 0.2 + 0.4 * (1 + 0.5**0.5), 0.2 + 0.4 * (1 - 0.5**0.5)
    expected = [1.0, quarter, 0.6, three_quarters, 0.2]
    assert rates(cosine, 5) == pytest.approx(expected, rel=1e-14)
    assert [cosine(4), cosine(5), cosine(10**9)] == [0.2] * 3  # to the bit


def test_cosine_of_one_step():
    assert rates(Cosine(0.1, steps=1), 3) == [0.1, 0.0, 0.0]


def test_warm_up_rises_straight_then_follows():
    schedule = WarmUp(Step(0.8, every=2, factor=0.5), steps=3)
    expected = [0.2, 0.4, 0.6, 0.8, 0.8, 0.4, 0.4, 0.2]
    assert rates(schedule, 8) == pytest.approx(expected, rel=1e-15)


def test_warm_up_of_no_steps_changes_nothing():
    assert rates(WarmUp(Cosine(0.1, 5), steps=0), 7) == rates(Cosine(0.1, 5), 7)


def test_warm_up_of_any_function():
    assert rates(WarmUp(lambda step: 2.0 - step, steps=1), 3) == [1.0, 2.0, 1.0]


def test_one_cycle_by_hand():
    # top at step 0.5 * 6 - 1 = 2; down over the 3 steps that are left
    schedule = OneCycle(1.0, steps=6, rise=0.5, start_divisor=5.0, final_divisor=10.0)
    third = 0.1 + 0.9 * (1 + cos(pi / 3)) / 2
    expected = [0.2, 0.6, 1.0, third, 0.1 + 0.9 * 0.25, 0.1]
    assert rates(schedule, 6) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("rise", [0.0, 0.1, 0.25])
def test_one_cycle_leaves_out_a_rise_that_is_too_short(rise):
    schedule = OneCycle(1.0, steps=4, rise=rise, final_divisor=10.0)
    expected = [1.0, 0.1 + 0.9 * 0.75, 0.1 + 0.9 * 0.25, 0.1]
    assert rates(schedule, 4) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("rise", [0.0, 0.1, 0.3, 0.5, 0.99, 1 - 2**-53])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 10, 1000])
def test_one_cycle_keeps_its_bounds_however_short(steps, rise):
    schedule = OneCycle(0.4, steps, rise=rise)
    final = 0.4 / 2.5e5
    values = rates(schedule, steps)
    assert all(final <= value <= 0.4 for value in values)
    rises = np.diff(values) > 0
    assert not any(np.diff(rises.astype(int)) > 0), "once it falls it must not rise again"
    if rise * steps <= 1:
        assert values[0] == 0.4
    if steps > 1:
        assert values[-1] == final
    assert [schedule(steps), schedule(10 * steps)] == [final] * 2


@pytest.mark.parametrize(
    "schedule",
    [Constant(1), Step(1, 2, 1), Cosine(np.float32(1), 4), WarmUp(Constant(1), 2), OneCycle(1, 5)],
    ids=lambda schedule: type(schedule).__name__,
)
def test_rates_are_plain_floats(schedule):
    # A NumPy number would promote float32 weights to float64.
    assert {type(rate) for rate in rates(schedule, 8)} == {float}


# --- against PyTorch ------------------------------------------------------------------------------


def torch_rates(make_scheduler, lr, steps):
    torch = pytest.importorskip("torch", reason="PyTorch, the independent witness, is missing")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make_scheduler(torch.optim.lr_scheduler, optimizer)
    values = []
    for step in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return values


PEERS = {
    "step": (Step(0.3, 4, 0.5), lambda s, o: s.StepLR(o, 4, 0.5), 15),
    "step, default factor": (Step(0.3, 3), lambda s, o: s.StepLR(o, 3), 15),
    "cosine": (Cosine(0.3, 10), lambda s, o: s.CosineAnnealingLR(o, 10), 11),
    "cosine to 0.01": (Cosine(0.3, 7, 0.01), lambda s, o: s.CosineAnnealingLR(o, 7, 0.01), 8),
    "warm-up": (WarmUp(Constant(0.3), 5), lambda s, o: s.LinearLR(o, 1 / 6, 1.0, 5), 9),
    "warm-up, then cosine": (
        WarmUp(Cosine(0.3, 8), 4),
        lambda s, o: s.SequentialLR(
            o, [s.LinearLR(o, 1 / 5, 1.0, 4), s.CosineAnnealingLR(o, 8)], [4]
        ),
        12,
    ),
    "one-cycle": (OneCycle(0.3, 20), lambda s, o: s.OneCycleLR(o, 0.3, 20), 20),
    "one-cycle, peak between steps": (
        OneCycle(0.3, 17, 0.25, 10.0, 1e3),
        lambda s, o: s.OneCycleLR(o, 0.3, 17, pct_start=0.25, div_factor=10, final_div_factor=100),
        17,
    ),
}


@pytest.mark.parametrize(("schedule", "peer", "steps"), PEERS.values(), ids=PEERS)
def test_agrees_with_pytorch(schedule, peer, steps):
    expected = torch_rates(peer, 0.3, steps)
    assert rates(schedule, steps) == pytest.approx(expected, rel=1e-10, abs=1e-15)


# --- settings that make no sense ------------------------------------------------------------------

REFUSED = [
    (lambda: Constant(0), "Constant: lr must be a number above 0, got 0"),
    (lambda: Constant(float("nan")), "Constant: lr must be a number above 0, got nan"),
    (lambda: Constant(float("inf")), "Constant: lr must be a number above 0, got inf"),
    (lambda: Constant("0.1"), "Constant: lr must be a number above 0, got '0.1'"),
    (lambda: Step(-1.0, 2), "Step: lr must be a number above 0, got -1.0"),
    (lambda: Step(0.1, 0), "Step: every must be a whole number of at least 1, got 0"),
    (lambda: Step(0.1, 2.5), "Step: every must be a whole number of at least 1, got 2.5"),
    (lambda: Step(0.1, 2, 0.0), "Step: factor must be a number in (0, 1], got 0.0"),
    (lambda: Step(0.1, 2, 10), "Step: factor must be a number in (0, 1], got 10"),
    (lambda: Cosine(0.1, 0), "Cosine: steps must be a whole number of at least 1, got 0"),
    (lambda: Cosine(0.1, True), "Cosine: steps must be a whole number of at least 1, got True"),
    (lambda: Cosine(0.1, 5, 0.2), "Cosine: final must be a number from 0 to lr, got 0.2"),
    (lambda: Cosine(0.1, 5, -0.1), "Cosine: final must be a number from 0 to lr, got -0.1"),
    (lambda: WarmUp(0.1, 5), "WarmUp: after must be a schedule, such as Constant(0.1), got 0.1"),
    (
        lambda: WarmUp(Constant(0.1), -1),
        "WarmUp: steps must be a whole number of at least 0, got -1",
    ),
    (lambda: OneCycle(None, 5), "OneCycle: peak must be a number above 0, got None"),
    (lambda: OneCycle(0.1, 0), "OneCycle: steps must be a whole number of at least 1, got 0"),
    (lambda: OneCycle(0.1, 5, 1.0), "OneCycle: rise must be a number in [0, 1), got 1.0"),
    (lambda: OneCycle(0.1, 5, -0.1), "OneCycle: rise must be a number in [0, 1), got -0.1"),
    (
        lambda: OneCycle(0.1, 5, start_divisor=0),
        "OneCycle: start_divisor must be a number of at least 1, got 0",
    ),
    (
        lambda: OneCycle(0.1, 5, final_divisor=0.5),
        "OneCycle: final_divisor must be a number of at least 1, got 0.5",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message
