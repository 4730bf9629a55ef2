"""One call of a kernel, and how any implementation is called with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from tinyvision_kernels.contract import KERNELS

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """What one call of a kernel is given, in the order that its contract names them."""

    kernel: str
    id: str
    updates: Arrays
    inputs: Arrays  # optional ones may be None, in updates too
    settings: Mapping[str, Any]

    def astype(self, dtype: Any) -> "Case":
        """The same case with its float arrays rounded to ``dtype``; labels stay integers."""
        contract, one = KERNELS[self.kernel], np.dtype(dtype)

        def convert(arrays: Arrays) -> Arrays:
            return {name: _convert(a, contract.dtype(name, one)) for name, a in arrays.items()}

        return replace(self, updates=convert(self.updates), inputs=convert(self.inputs))

    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Ask the contract, which also proves that the case is a legal one."""
        arrays = (*self.updates.values(), *self.inputs.values())
        shapes = [None if array is None else array.shape for array in arrays]
        return KERNELS[self.kernel].shapes(*shapes, *self.settings.values())


def _convert(array: Any, dtype: Any) -> Any:
    if array is None or not is_float(array.dtype):
        return array
    return np.ascontiguousarray(array, dtype=dtype)


def dtypes(kernel: str) -> tuple[Any, ...]:
    """The float types that a kernel takes."""
    narrow = (ml_dtypes.bfloat16,) if KERNELS[kernel].bfloat16 else ()
    return np.float32, np.float64, *narrow


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this type may be NaN; to NumPy, bfloat16 is no float."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def make(kernel: str, case_id: str, given: Mapping[str, Any]) -> Case:
    """Sort named arrays and settings into a case."""
    contract = KERNELS[kernel]
    needed = [name for name in contract.settings if name != "algorithm"]  # which has a default
    return Case(
        kernel,
        case_id,
        {name: given[name] for name in contract.updates},
        {name: given[name] for name in contract.inputs},
        {name: given[name] for name in needed},
    )


def run(
    case: Case,
    implementation: Callable[..., None],
    dtype: Any,
    to_device: Callable[[np.ndarray], Any] = np.array,
    to_host: Callable[[Any], np.ndarray] = np.asarray,
) -> dict[str, np.ndarray]:
    """Call an implementation; return its outputs and updates.

    Outputs start as NaN (integers as garbage), so a cell that is not written shows. Raises an
    AssertionError if the implementation changes an input.
    """
    contract = KERNELS[case.kernel]
    case = case.astype(dtype)
    outputs = {
        name: to_device(_garbage(shape, np.dtype(contract.dtype(name, np.dtype(dtype)))))
        for name, shape in zip(contract.outputs, case.output_shapes(), strict=True)
    }
    updates = {name: a if a is None else to_device(a) for name, a in case.updates.items()}
    inputs = {name: a if a is None else to_device(a) for name, a in case.inputs.items()}
    implementation(*outputs.values(), *updates.values(), *inputs.values(), *case.settings.values())
    for name, array in case.inputs.items():
        if array is not None:
            unchanged = to_host(inputs[name]).tobytes() == array.tobytes()
            assert unchanged, f"{case.kernel} [{case.id}] changed its input {name}"
    changed = {**outputs, **updates}
    return {name: to_host(array) for name, array in changed.items() if array is not None}


def arguments(case: Case, dtype: Any) -> list[np.ndarray | None]:
    """Copy the arrays of a case, in the order of the call; outputs are garbage."""
    contract, one = KERNELS[case.kernel], np.dtype(dtype)
    case = case.astype(dtype)
    outputs = [
        _garbage(shape, np.dtype(contract.dtype(name, one)))
        for name, shape in zip(contract.outputs, case.output_shapes(), strict=True)
    ]
    given = [*case.updates.values(), *case.inputs.values()]
    return [*outputs, *(array if array is None else np.array(array) for array in given)]


def _garbage(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    return np.full(shape, np.nan if is_float(dtype) else 0xA5, dtype=dtype)
