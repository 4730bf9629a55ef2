"""The switch between backends: who is chosen, what is refused, and in which words."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.ops.strict_backend import STRICT
from tinyvision import backend
from tinyvision.backend import BackendInfo
from tinyvision.errors import BackendError
from tinyvision.tensor import Tensor
from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS, ShapeError

ROOT = Path(__file__).parents[1]
needs_cpu = pytest.mark.skipif(
    not any(info.name == "cpu" and info.available for info in backend.backends()),
    reason="Numba is not installed: there is no cpu backend",
)


@pytest.fixture(autouse=True)
def keep_the_choice() -> Iterator[None]:
    before = backend._chosen
    yield
    backend._chosen = before


def python(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter; return what it printed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    inherited = {k: v for k, v in os.environ.items() if k != "TINYVISION_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**inherited, "PYTHONPATH": path, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- choosing -------------------------------------------------------------------------------------


def test_use_chooses_for_the_process() -> None:
    assert backend.use("reference") is backend.current()
    assert backend.current().name == "reference"


@needs_cpu
def test_aliases_mean_the_very_same_backend() -> None:
    assert backend.get("numpy") is backend.get("reference") is backend.get("reference", False)
    assert backend.get("numba") is backend.get("cpu")


@needs_cpu
def test_using_ends_with_its_block_and_nests() -> None:
    backend.use("cpu")
    with backend.using("reference") as outer:
        assert backend.current() is outer
        with backend.using("cpu"):
            assert backend.current().name == "cpu"
        assert backend.current() is outer
        with pytest.raises(ZeroDivisionError), backend.using("cpu"):
            _ = 1 / 0
        assert backend.current() is outer
    assert backend.current().name == "cpu"


@needs_cpu
def test_using_holds_for_its_own_thread_alone() -> None:
    backend.use("cpu")
    inside, seen = threading.Event(), []

    def other() -> None:
        inside.wait(10)
        seen.append(backend.current().name)

    thread = threading.Thread(target=other)
    thread.start()
    with backend.using("reference"):
        inside.set()
        thread.join()
    assert seen == ["cpu"]


@needs_cpu
def test_gradients_are_computed_where_the_output_was() -> None:
    with backend.using("reference"):
        x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
        y = (x * 2).sum()
    assert y.node is not None
    assert y.node.backend.name == "reference"
    with backend.using("cpu"):
        y.backward()
    np.testing.assert_array_equal(x.grad, np.full((2, 3), 2, np.float32))


def test_the_environment_chooses_where_nobody_else_does() -> None:
    asked = "from tinyvision import backend as b; {}; print(b.current().name)"
    assert python(asked.format("pass"), TINYVISION_BACKEND="numpy") == "reference"
    chosen = asked.format("b.use('reference')")
    assert python(chosen, TINYVISION_BACKEND="no such name") == "reference"


@needs_cpu
def test_auto_takes_the_best_that_works() -> None:
    show = "from tinyvision import backend as b; print(b.current().name, b.get('auto').name)"
    best = "cuda" if backend.backends()[2].available and backend.get("cuda").native else "cpu"
    assert python(show) == f"{best} {best}"


# --- refusing -------------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BackendError, match=r"no backend 'refrence'; did you mean 'reference'\?"):
        backend.use("refrence")
    with pytest.raises(BackendError, match=r"no backend 'xyz' \(known: reference, cpu, cuda"):
        backend.get("xyz")


def test_a_wrong_name_in_the_environment_is_one_sentence() -> None:
    code = (
        "from tinyvision import backend, errors\n"
        "try: backend.current()\n"
        "except errors.BackendError as error: print(error)"
    )
    assert "did you mean 'cuda'?" in python(code, TINYVISION_BACKEND="cudaa")


def test_cuda_without_a_gpu_is_refused_in_one_sentence() -> None:
    info = backend.backends()[2]
    if info.available:
        pytest.skip("this machine has a GPU that CuPy can use")
    with pytest.raises(BackendError, match=r"^backend 'cuda' needs [^\n]*$"):
        backend.use("cuda")
    assert info.reason.startswith("backend 'cuda' needs ")


def test_without_numba_the_reference_works_and_cpu_says_what_it_needs() -> None:
    code = """
import sys
sys.modules["numba"] = None  # import numba fails from now on
import numpy as np
from tinyvision import backend, functional as F
from tinyvision.tensor import Tensor
assert backend.current().name == "reference"
w = Tensor(np.ones((3, 3, 1, 2), np.float32), requires_grad=True)
y = F.global_avg_pool2d(F.conv2d(np.ones((2, 5, 5, 1), np.float32), w))
F.cross_entropy(y, [0, 1]).backward()
print(w.grad.shape, [(i.name, i.available) for i in backend.backends()][:2])
try: backend.use("cpu")
except backend.BackendError as error: print(error)
"""
    shape, error = python(code).split("\n")
    assert shape == "(3, 3, 1, 2) [('reference', True), ('cpu', False)]"
    assert error.startswith("backend 'cpu' needs Numba, which cannot be imported here")
    assert error.endswith("pip install numba, or choose backend 'reference'")


def test_a_fault_of_our_own_is_not_blamed_on_numba() -> None:
    code = """
import sys
sys.modules["tinyvision_kernels.cpu"] = None
from tinyvision import backend
try: backend.get("cpu")
except backend.BackendError: print("blamed")
except ImportError: print("passed on")
"""
    assert python(code) == "passed on"


# --- borrowing ------------------------------------------------------------------------------------


def double_relu(y: np.ndarray, x: np.ndarray) -> None:
    np.maximum(2 * x, 0, out=y)


def test_own_kernels_overlay_the_reference() -> None:
    mixed = backend.make_backend("mixed", np, {"relu": double_relu})
    assert mixed.native == ("relu",)
    assert set(mixed.borrowed) == set(KERNELS) - {"relu"}
    np.testing.assert_array_equal(mixed.kernels.relu(np.array([-1.0, 3.0])), [0, 6])
    np.testing.assert_array_equal(mixed.kernels.tanh(np.array([0.0])), [0])


def test_a_strict_backend_refuses_to_borrow() -> None:
    strict = backend.make_backend("mixed", np, {"relu": double_relu}, strict=True)
    np.testing.assert_array_equal(strict.kernels.relu(np.array([-1.0, 3.0])), [0, 6])
    with pytest.raises(BackendError, match="no kernel 'tanh' of its own"):
        strict.kernels.tanh(np.array([0.0]))
    with pytest.raises(AttributeError, match="tahn"):
        strict.kernels.tahn  # noqa: B018


def test_backends_lists_native_and_borrowed() -> None:
    infos = backend.backends()
    assert [info.name for info in infos] == ["reference", "cpu", "cuda"]
    assert infos[0] == BackendInfo("reference", True, "", tuple(KERNELS), ())
    for info in infos[1:]:
        expected = set(KERNELS) if info.available else set()
        assert set(info.native) | set(info.borrowed) == expected
        assert info.available != bool(info.reason)


# --- what a kernel call checks --------------------------------------------------------------------


@pytest.fixture
def kernels() -> backend.Kernels:
    return backend.get("reference").kernels


def test_mixed_dtypes_are_refused(kernels: backend.Kernels) -> None:
    x, w = np.ones((2, 3), np.float32), np.ones((3, 4))
    with pytest.raises(TypeError, match=r"dense: w is float64 but an earlier input is float32"):
        kernels.dense(x, w, None)


def test_images_in_bytes_are_refused_on_every_backend() -> None:
    """Beside float32 weights too: NumPy would promote them, Numba fail to compile."""
    image, w = np.zeros((1, 5, 5, 1), np.uint8), np.ones((3, 3, 1, 2), np.float32)
    geometry = ((1, 1), (0, 0, 0, 0), (1, 1), 1)
    for name in ("reference", "cpu"):
        k = backend.get(name).kernels
        with pytest.raises(TypeError, match=r"conv2d: x must be float32 or float64, not uint8"):
            k.conv2d(image, w, None, *geometry)
        with pytest.raises(TypeError, match=r"relu: x must be float32 or float64, not int64"):
            k.relu(np.arange(3))


def test_checks_hold_for_the_second_call_too(kernels: backend.Kernels) -> None:
    x, w = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    for _ in range(2):
        assert kernels.dense(x, w, None).shape == (2, 4)
        with pytest.raises(ShapeError, match="weight expects 2"):
            kernels.dense(x, w[:2], None)
        with pytest.raises(TypeError, match="w is float64"):
            kernels.dense(x, w.astype(np.float64), None)
        with pytest.raises(ShapeError, match=r"bias must be \(4,\)"):
            kernels.dense(x, w, np.ones(3, np.float32))
        with pytest.raises(ValueError, match="w must be contiguous"):
            v = np.zeros(3)
            kernels.sgd_step(np.zeros(6)[::2], v, None, v, 0.1, 0.0, False, 0.0, 1.0, 0.0)


def test_settings_that_never_repeat_do_not_pile_up(kernels: backend.Kernels) -> None:
    for step in range(3 * backend.MOST_PLANS):
        assert kernels.random_bits(3, 1, 2, step).shape == (3,)
    assert len(kernels.random_bits.plans) <= backend.MOST_PLANS


def test_settings_may_be_lists(kernels: backend.Kernels) -> None:
    x = np.ones((1, 4, 4, 1), np.float32)
    assert kernels.avg_pool2d(x, [2, 2], [2, 2], [0, 0, 0, 0]).shape == (1, 2, 2, 1)


def test_whole_numbers_have_the_dtype_of_the_contract(kernels: backend.Kernels) -> None:
    logits = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"labels must be int64, not float32"):
        kernels.softmax_cross_entropy(logits, logits[:, 0], None, 0.0)


def test_strided_inputs_are_made_contiguous(kernels: backend.Kernels) -> None:
    x, w = np.arange(6.0).reshape(3, 2).T, np.arange(24.0).reshape(3, 8)[:, ::2]
    assert not x.flags.c_contiguous
    np.testing.assert_array_equal(kernels.dense(x, w, None), x @ w)


def test_what_is_changed_in_place_must_be_contiguous(kernels: backend.Kernels) -> None:
    w = np.zeros(6)[::2]
    with pytest.raises(ValueError, match=r"sgd_step: w must be contiguous"):
        kernels.sgd_step(w, np.zeros(3), None, np.ones(3), 0.1, 0.0, False, 0.0, 1.0, 0.0)


def test_into_fills_the_callers_output(kernels: backend.Kernels) -> None:
    y = np.full(3, np.nan)
    kernels.relu.into(y, np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(y, [0, 0, 2])


def test_outputs_have_the_dtype_of_the_contract(kernels: backend.Kernels) -> None:
    y, argmax = kernels.max_pool2d(np.ones((1, 2, 2, 1), np.float32), (2, 2), (2, 2), (0,) * 4)
    assert (y.dtype, argmax.dtype) == (np.float32, np.uint8)
    assert kernels.sum_of_squares(np.ones(3, np.float32)).dtype == np.float64


def test_bfloat16_goes_where_the_contract_has_it(kernels: backend.Kernels) -> None:
    x, w = np.ones((2, 3), backend.BFLOAT16), np.ones((3, 4), backend.BFLOAT16)
    assert kernels.dense(x, w, np.ones(4, np.float32)).dtype == backend.BFLOAT16
    assert kernels.dense_dw(x, np.ones((2, 4), backend.BFLOAT16)).dtype == np.float32
    assert kernels.dense_dw(np.ones((2, 3)), np.ones((2, 4))).dtype == np.float64
    with pytest.raises(TypeError, match=r"sgd_step: w must be float32 or float64, not bfloat16"):
        kernels.sgd_step(x, x, None, x, 0.1, 0.0, False, 0.0, 1.0, 0.0)
    with pytest.raises(TypeError, match=r"w is float32 but an earlier input is bfloat16"):
        kernels.dense(x, w.astype(np.float32), None)
    with pytest.raises(TypeError, match=r"b is bfloat16, but .* bfloat16 it must be float32"):
        kernels.dense(x, w, np.ones(4, backend.BFLOAT16))
    with pytest.raises(TypeError, match=r"b is float32, but .* float64 it must be float64"):
        kernels.dense(np.ones((2, 3)), np.ones((3, 4)), np.ones(4, np.float32))


def test_images_have_the_type_that_is_asked_for(kernels: backend.Kernels) -> None:
    pure, partners = np.ones((2, 1, 1, 1), np.float32), np.array([1, 0])
    given = (partners, np.ones(2, np.float32), np.zeros((2, 4), np.int64))
    assert kernels.mix_images(pure, *given).dtype == np.float32
    assert kernels.mix_images(pure, *given, dtype=backend.BFLOAT16).dtype == backend.BFLOAT16
    with pytest.raises(TypeError, match=r"mix_images: pure is uint8, but .* must be float32"):
        kernels.mix_images(pure.astype(np.uint8), *given)
    with pytest.raises(TypeError, match=r"relu: x is float32 but an earlier input is bfloat16"):
        kernels.relu(pure, dtype=backend.BFLOAT16)


def test_both_sides_of_a_sum_may_be_bfloat16(kernels: backend.Kernels) -> None:
    x = np.array([1.5, -3.0]).astype(backend.BFLOAT16)
    y = kernels.add_relu(x, x)
    assert (y.dtype, y.tolist()) == (backend.BFLOAT16, [3, 0])


def test_the_reference_has_every_kernel() -> None:
    assert set(reference.TABLE) == set(KERNELS)


# --- doors ----------------------------------------------------------------------------------------


def test_asarray_copies_only_where_it_must() -> None:
    reference_backend = backend.get("reference")
    x = np.arange(6.0).reshape(2, 3)
    assert reference_backend.asarray(x) is x
    assert reference_backend.asarray(x.T).flags.c_contiguous
    assert reference_backend.asarray(x, np.float32).dtype == np.float32
    assert reference_backend.asarray(2.5).shape == ()


def test_device_arrays_come_to_the_host_by_get() -> None:
    x = STRICT.asarray(np.arange(3.0))
    assert not isinstance(x, np.ndarray)
    np.testing.assert_array_equal(STRICT.to_host(x), [0, 1, 2])
    np.testing.assert_array_equal(backend.to_host(x), [0, 1, 2])
