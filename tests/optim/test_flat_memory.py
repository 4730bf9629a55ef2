"""The flat memory: views stay views, and nobody trains parameters that have moved out."""

import copy
import gc

import numpy as np
import pytest

import tinyvision as tv
from tests.ops.strict_backend import STRICT
from tests.optim.drawn_parameters import parameters, put_gradients
from tinyvision import nn, optim
from tinyvision.tensor import Tensor


@pytest.fixture(autouse=True)
def reference():
    with tv.using("reference"):
        yield


def network(dtype=np.float32):
    model = nn.Sequential(nn.Dense(4), nn.ReLU(), nn.Dense(2))
    model.build((3,), seed=1)
    return model.astype(dtype)


def learn(model, optimizer):
    """Make one step on fixed numbers."""
    dtype = model.parameters()[0].dtype
    x = np.random.default_rng(5).standard_normal((6, 3)).astype(dtype)
    optimizer.zero_grad()
    nn.CrossEntropy()(model(x), np.array([0, 1, 1, 0, 1, 0])).backward()
    optimizer.step()


def assert_views(optimizer):
    for p in optimizer.parameters:
        assert np.shares_memory(p.data, optimizer.memory.values), p.name
        assert np.shares_memory(p.grad, optimizer.memory.gradients), p.name


# --- views ----------------------------------------------------------------------------------------


def test_moving_in_keeps_the_values_and_takes_all_memory_once():
    chosen = parameters()
    before = [p.numpy().copy() for p in chosen]
    memory = optim.Adam(chosen, weight_decay=0.1).memory
    for p, old in zip(chosen, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), old)
    covered = np.zeros(memory.values.size, int)
    for home in memory.homes:
        covered[home.part] += 1
    assert (covered == 1).all()
    decayed = [30, 42]  # of w1 (3, 2, 5) and w2 (6, 7); the others follow: 5 + 7 + 1
    assert [s.values.size for s in memory.segments] == [sum(decayed), 13]
    assert [s.weight_decay for s in memory.segments] == [0.1, 0.0]


def test_views_stay_views():
    model = network()
    ours = optim.Adam(model)
    assert_views(ours)
    learn(model, ours)
    assert_views(ours)
    assert all((p.grad != 0).any() for p in ours.parameters)
    model.zero_grad()
    assert_views(ours)
    assert not ours.memory.gradients.any()
    model.load_state(network().state())
    model.to_backend()
    ours.load_state(ours.state())
    assert_views(ours)
    ours.zero_grad()
    learn(model, ours)
    assert_views(ours)


def test_zero_grad_and_accumulation_over_batches():
    p = nn.Parameter(np.array([1.0, 2.0]))
    ours = optim.SGD([p], 1.0, momentum=0.0)
    for _ in range(2):  # two backward passes add up
        (p * np.array([3.0, 4.0])).sum().backward()
    assert p.grad.tolist() == [6.0, 8.0]
    ours.step()
    assert p.numpy().tolist() == [-5.0, -6.0]
    ours.zero_grad()
    assert p.grad.tolist() == [0.0, 0.0]


def test_a_shared_parameter_is_trained_once():
    p = nn.Parameter(np.array([1.0]))
    ours = optim.SGD([p, p], 1.0, momentum=0.0)
    p.grad[...] = 0.25
    ours.step()
    assert p.item() == 0.75 and len(ours.parameters) == 1


def test_float64_stays_float64():
    model = network(np.float64)
    ours = optim.AdamW(model)
    learn(model, ours)
    assert {p.dtype for p in ours.parameters} == {np.dtype(np.float64)}
    assert {array.dtype for array in ours.state().values()} == {
        np.dtype(np.float64),
        np.dtype(np.int64),
    }


def test_parameters_without_elements_are_harmless():
    empty, p = nn.Parameter(np.zeros((0, 3))), nn.Parameter(np.array([1.0]))
    ours = optim.SGD([empty, p], 1.0, clip_norm=1.0)
    p.grad[...] = 0.5
    ours.step()
    assert p.item() == 0.5 and empty.shape == (0, 3)


# --- parameters that have moved out ---------------------------------------------------------------

AWAY = r"^parameter 'dense1.w' no longer lives in this optimiser's memory .*: make a new optimiser"


def test_the_older_of_two_optimizers_says_so():
    model = network()
    older = optim.SGD(model)
    learn(model, older)
    before = model.state()
    newer = optim.Adam(model)
    for path, array in model.state().items():
        np.testing.assert_array_equal(array, before[path])
    for use in (older.step, older.zero_grad):
        with pytest.raises(RuntimeError, match=AWAY):
            use()
    learn(model, newer)
    assert (model.state()["dense1.w"] != before["dense1.w"]).any()


def test_two_optimizers_may_share_out_a_model():
    model = network()
    first, second = optim.SGD(model["dense1"], 0.1), optim.Adam(model["dense2"])
    before = model.state()
    learn(model, first)
    assert (model.state()["dense1.w"] != before["dense1.w"]).any()
    np.testing.assert_array_equal(model.state()["dense2.w"], before["dense2.w"])
    second.step()
    assert (model.state()["dense2.w"] != before["dense2.w"]).any()


def replace_data(model):
    w = model["dense1"].w
    w.data = w.data.copy()


@pytest.mark.parametrize(
    "move", [replace_data, lambda m: m.astype(np.float64), lambda m: m.astype(np.float32)]
)
def test_a_parameter_that_moved_is_noticed(move):
    model = network()
    ours = optim.SGD(model)
    move(model)
    with pytest.raises(RuntimeError, match=AWAY):
        ours.step()
    learn(model, optim.SGD(model))  # the way out


@pytest.mark.parametrize("replaced", [lambda grad: None, lambda grad: grad * 2], ids=["None", "2x"])
def test_a_gradient_that_was_replaced_is_noticed(replaced):
    model = network()
    ours = optim.SGD(model)
    bias = model["dense1"].b
    bias.grad = replaced(bias.grad)
    with pytest.raises(RuntimeError, match=r"^the gradient of parameter 'dense1.b' no longer"):
        learn(model, ours)
    learn(model, optim.SGD(model))  # the way out


def test_changes_in_place_are_welcome():
    model = network()
    ours = optim.SGD(model, 1.0, momentum=0.0)
    w = model["dense1"].w
    w.data[...] = 3
    w.grad += 1
    ours.step()
    assert (w.numpy() == 2).all()


def test_a_copied_model_is_apart():
    model = network()
    ours = optim.SGD(model)
    twin = copy.deepcopy(model)  # such as the best weights so far
    before = twin.state()
    learn(model, ours)
    for path, array in twin.state().items():
        np.testing.assert_array_equal(array, before[path])
    learn(twin, optim.SGD(twin))
    for path, array in twin.state().items():
        np.testing.assert_array_equal(array, model.state()[path])
    assert_views(ours)


def test_the_model_does_not_keep_a_dropped_optimizer_alive():
    model = network()
    optim.Adam(model)  # dropped at once
    gc.collect()
    assert all(p.owner() is None for p in model.parameters())
    learn(model, optim.SGD(model))


# --- frozen parameters ----------------------------------------------------------------------------


def test_frozen_parameters_stay():
    model = network()
    for p in model["dense1"].parameters():
        p.requires_grad = False
    before = model.state()
    ours = optim.AdamW(model, weight_decay=0.5, decay_all=True)
    learn(model, ours)
    moved = {path for path, array in model.state().items() if (array != before[path]).any()}
    assert moved == {"dense2.w", "dense2.b"}
    assert [p.name for p in ours.parameters] == ["dense2.w", "dense2.b"]


@pytest.mark.parametrize("frozen", [True, False])
def test_freezing_and_unfreezing_later_is_noticed(frozen):
    model = network()
    w = model["dense2"].w
    w.requires_grad = frozen
    ours = optim.SGD(model)
    w.requires_grad = not frozen
    what = "frozen" if frozen else "unfrozen"
    with pytest.raises(RuntimeError, match=rf"^parameter 'dense2.w' was {what} after this opt"):
        ours.step()


# --- what cannot be trained -----------------------------------------------------------------------


def frozen():
    p = nn.Parameter(np.zeros(2))
    p.requires_grad = False
    return [p]


REFUSED = [
    (
        lambda: nn.Sequential(nn.Dense(2)),
        ValueError,
        r"layer 'Sequential' has no weights yet: call model.build\(input_shape\) before",
    ),
    (list, ValueError, r"needs parameters to train: there are none$"),
    (frozen, ValueError, r"needs parameters to train: all are frozen$"),
    (lambda: [np.zeros(2)], TypeError, r"a list of nn.Parameter, .*, got ndarray$"),
    (lambda: [Tensor([1.0], requires_grad=True)], TypeError, r"nn.Parameter, .*, got Tensor$"),
    (lambda: network().named_parameters(), TypeError, r"nn.Parameter, .*, got tuple$"),
    (lambda: network().state(), TypeError, r"nn.Parameter, .*, got str$"),
    (lambda: None, TypeError, r"nn.Parameter, .*, got NoneType$"),
    (
        lambda: [nn.Parameter(np.zeros(2, t), name=t) for t in ("float32", "float64")],
        TypeError,
        r"one dtype, 'float32' is float32, others are float64: convert with model.astype",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_trained_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(make())


def test_a_built_model_without_parameters_is_refused():
    model = nn.Sequential(nn.Flatten())
    model.build((4, 4, 1))
    with pytest.raises(ValueError, match=r"there are none$"):
        optim.SGD(model)


def test_a_layer_that_came_after_build_is_named():
    model = network()
    model.head = nn.Dense(5, name="head")
    with pytest.raises(ValueError, match=r"^layer 'head' has no weights yet"):
        optim.SGD(model)


def test_one_parameter_needs_no_list():
    p = nn.Parameter(np.zeros(2))
    assert optim.SGD(p).parameters == [p]


def test_parameters_on_another_device_are_refused():
    model = network()
    with tv.using(STRICT):
        with pytest.raises(ValueError, match=r"'dense1.w' does not live on backend 'strict': call"):
            optim.SGD(model)
        model.to_backend()  # the way out
        learn(model, optim.SGD(model))


def test_a_step_runs_on_the_optimizers_own_backend():
    with tv.using(STRICT):
        chosen = parameters()
        ours = optim.SGD(chosen, 1.0, momentum=0.0, clip_norm=1e9)
        put_gradients(chosen, [np.ones(p.shape) for p in chosen])
    before = [p.numpy().copy() for p in chosen]
    ours.step()
    for p, old in zip(chosen, before, strict=True):
        np.testing.assert_allclose(p.numpy(), old - 1, rtol=1e-12, atol=1e-12)
