"""The reference kernels run on any array module: on a strict one they give NumPy's very bits.

The strict module stands in for CuPy, so that this holds on a machine without a GPU.
"""

from functools import partial

import numpy as np
import pytest

from tests.kernels import strict_array
from tests.kernels.cases import cases, dtypes, run
from tests.kernels.strict_array import to_device, to_host, xp
from tinyvision_kernels import reference


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name in reference.TABLE for dtype in dtypes(name)]
)
def test_reference_gives_the_same_bits_on_a_strict_array_module(name, dtype):
    kernel = reference.TABLE[name]
    for case in cases(name):
        expected = run(case, partial(kernel, np), dtype)
        doors = {"to_device": to_device, "to_host": to_host}
        actual = run(case, partial(kernel, xp), dtype, **doors)
        for array, value in expected.items():
            same = actual[array].dtype == value.dtype and actual[array].tobytes() == value.tobytes()
            assert same, f"{name} [{case.id}]: {array} differs from NumPy's"


def device(*values, dtype=np.float32):
    return to_device(np.array(values, dtype))


# What the stand-in refuses: without these, the test above could not fail.
REFUSED = {
    "np.asarray": lambda a: np.asarray(a),
    "a NumPy function": lambda a: np.sum(a),
    "a NumPy ufunc": lambda a: np.add(a, 1),
    "a NumPy ufunc's method": lambda a: np.add.at(a, 0, 1),
    "plus a NumPy array": lambda a: a + np.ones(2, np.float32),
    "a NumPy array plus": lambda a: np.ones(2, np.float32) + a,
    "plus a NumPy array, in place": lambda a: a.__iadd__(np.ones(2, np.float32)),
    "into a NumPy array": lambda a: np.ones(2, np.float32).__setitem__(slice(None), a),
    "from a NumPy array": lambda a: a.__setitem__(slice(None), np.ones(2, np.float32)),
    "a NumPy array as index": lambda a: a[np.array([0])],
    "a NumPy array as argument": lambda a: xp.maximum(a, np.ones(2, np.float32)),
    "a list with a NumPy array": lambda a: xp.stack([a, np.ones(2, np.float32)]),
    "if": lambda a: bool(a[0] > 0),
    "float": lambda a: float(a[0]),
    "int": lambda a: int(a[0]),
    "range": lambda a: range(a[0]),
    "iteration": lambda a: list(a),
    "item": lambda a: a[0].item(),
    "max of Python": lambda a: max(a[0], a[1]),
    "selection by mask": lambda a: a[a > 0],
    "promotion": lambda a: a + device(1, 2, dtype=np.float64),
    "promotion by a NumPy scalar": lambda a: a * np.float64(2),
    "demotion on assignment": lambda a: a.__setitem__(..., device(1, 2, dtype=np.float64)),
    "where of two Python numbers": lambda a: a.__setitem__(..., xp.where(a > 0, 1.0, 0.0)),
    "out=": lambda a: xp.exp(a, out=a),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED.keys())
def test_strict_array_refuses(use):
    with pytest.raises(TypeError):
        use(device(1, 2))


@pytest.mark.parametrize("name", ["asarray", "array", "einsum_path", "nditer", "vectorize"])
def test_strict_module_lacks_what_would_not_carry_over(name):
    with pytest.raises(AttributeError, match=name):
        getattr(xp, name)


def test_a_single_number_stays_on_the_device():
    total = xp.sum(device(1, 2))
    assert isinstance(total, strict_array.StrictArray) and total.shape == ()
    assert to_host(total) == 3
    assert isinstance(total + 1, strict_array.StrictArray)


def test_strict_array_computes():
    a, b = device(5, 3), device(2, 4)
    assert to_host(a - b).tolist() == [3, -1]
    assert to_host(1 - a).tolist() == [-4, -2]
    assert to_host(np.float32(1) - a).tolist() == [-4, -2]
    assert to_host((a > b) | ~(a > b)).tolist() == [True, True]
    assert to_host(a @ b) == 22
    a -= b
    assert to_host(a).tolist() == [3, -1]
    a[a < 0] = 7
    assert to_host(a).tolist() == [3, 7]
    assert to_host(xp.stack((a, b), axis=1)).tolist() == [[3, 2], [7, 4]]


def test_every_name_of_the_strict_module_is_one_of_cupys():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: its names are not checked")
    names = strict_array.FUNCTIONS | strict_array.TYPES | strict_array.CONSTANTS
    assert not {name for name in names if not hasattr(cupy, name)}
