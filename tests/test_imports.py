"""The layers of the house: who may import whom, where each library lives, and a light start."""

import ast
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A unit imports itself and units of higher lines, never its neighbours or what stands below.
LAYERS = """
    tinyvision_kernels.contract
    tinyvision_kernels.reference tinyvision_kernels.cpu tinyvision_kernels.cuda
    tinyvision.errors tinyvision.random tinyvision.files tinyvision.memory
    tinyvision.backend
    tinyvision.ops
    tinyvision.tape
    tinyvision.tensor
    tinyvision.functional tinyvision.gradient_check
    tinyvision.nn
    tinyvision.schedules tinyvision.models tinyvision.plan
    tinyvision.optim
    tinyvision.data tinyvision.metrics tinyvision.warmup
    tinyvision.modelfile
    tinyvision.inference tinyvision.report
    tinyvision.train
    tinyvision.cli
    tinyvision.__main__
"""
RANK = {unit: rank for rank, line in enumerate(LAYERS.split("\n")) for unit in line.split()}

# Useful without the engine, so they may use less than their line in the list allows.
APART = {
    # Of the engine, data takes the switch between backends: it augments with their kernels.
    "tinyvision.data": {
        *("tinyvision.errors", "tinyvision.random", "tinyvision.files"),
        *("tinyvision.backend", "tinyvision_kernels.contract"),
    },
    "tinyvision.metrics": {"tinyvision.errors"},
    "tinyvision.report": {"tinyvision.errors", "tinyvision.metrics"},
    "tinyvision.schedules": set(),
}

# The rooms in which a library may be imported; whatever is not listed here may be imported nowhere.
LIBRARIES = {
    "numpy": {"tinyvision", "tinyvision_kernels"},
    "ml_dtypes": {"tinyvision.backend"},
    "numba": {"tinyvision_kernels.cpu"},
    "llvmlite": {"tinyvision_kernels.cpu"},
    "cupy": {"tinyvision.backend", "tinyvision_kernels.cuda"},
    "PIL": {"tinyvision.data"},
    "simplejpeg": {"tinyvision.data"},
    "requests": {"tinyvision.data"},
    "urllib3": {"tinyvision.data"},  # what requests stands on, for its errors
    "sklearn": {"tinyvision.data"},
    "safetensors": {"tinyvision.modelfile"},
    "rich": {"tinyvision.report", "tinyvision.train", "tinyvision.cli"},
    "typer": {"tinyvision.cli"},
}

# Standard modules that run code hidden in data, and the functions that do.
UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec"}


@dataclass(frozen=True)
class Import:
    """One imported module (``module``), or a name that may be one (``module.name``)."""

    line: int
    name: str


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("kernels", "__init__"))


def sources() -> list[Path]:
    packages = (ROOT / "tinyvision", ROOT / "kernels" / "tinyvision_kernels")
    return sorted(path for package in packages for path in package.rglob("*.py"))


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[Import]:
    """Yield what a file imports, at the top or inside functions; what only types need is left out.

    An import under ``if TYPE_CHECKING:`` never happens when the program runs.
    """
    for node in _running_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: None if is_package else -1]
                above = package[: len(package) - (node.level - 1)]
                base = ".".join([*above, *([base] if base else [])])
            yield from (Import(node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _running_nodes(other)
        else:
            yield node
            yield from _running_nodes(node)


def unit_of(name: str) -> str | None:
    """Return the unit that a dotted name belongs to: ``tinyvision.nn.conv.Conv2d`` is in nn."""
    return next((unit for unit in RANK if f"{name}.".startswith(f"{unit}.")), None)


def direction_faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """List the imports of a file that go against the layers."""
    if module in ("tinyvision", "tinyvision_kernels"):
        return []  # the front door opens on every room; that it loads none is tested below
    unit = unit_of(module)
    if unit is None:
        return [f"{module} stands in no line of LAYERS: give it one"]
    faults = []
    for found in imports(ast.parse(source), module, is_package=is_package):
        if found.name == "tinyvision.__version__":
            continue
        if found.name.partition(".")[0] not in ("tinyvision", "tinyvision_kernels"):
            continue
        target = unit_of(found.name)
        if target is None:
            faults.append(f"{module}:{found.line} imports {found.name}, which is in no line")
        elif target != unit and (
            RANK[target] >= RANK[unit] or target not in APART.get(unit, {target})
        ):
            faults.append(f"{module}:{found.line} imports {found.name}")
    return faults


def library_faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """List the imports of libraries outside their rooms, and all that can run hidden code."""
    tree = ast.parse(source)
    faults = []
    for found in imports(tree, module, is_package=is_package):
        top = found.name.partition(".")[0]
        if top in ("tinyvision", "tinyvision_kernels"):
            continue
        if top in UNSAFE_MODULES or (top not in sys.stdlib_module_names and top not in LIBRARIES):
            faults.append(f"{module}:{found.line} imports {found.name}, which has no place here")
        elif top in LIBRARIES and not any(
            f"{module}.".startswith(f"{room}.") for room in LIBRARIES[top]
        ):
            faults.append(f"{module}:{found.line} imports {found.name} outside its rooms")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
            faults.append(f"{module}:{node.lineno} calls {node.func.id}")
        if any(keyword.arg == "allow_pickle" for keyword in node.keywords):
            faults.append(f"{module}:{node.lineno} unpickles arrays")
    return faults


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    is_package = path.name == "__init__.py"
    assert not direction_faults(path.read_text(), module_name(path), is_package=is_package)


@pytest.mark.parametrize("path", sources(), ids=module_name)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    is_package = path.name == "__init__.py"
    assert not library_faults(path.read_text(), module_name(path), is_package=is_package)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tinyvision_kernels.reference.conv", "import tinyvision"),
        ("tinyvision_kernels.cpu.conv", "from ..reference import conv"),
        ("tinyvision.backend", "from .ops import conv"),
        ("tinyvision.backend", "def late():\n    from . import nn"),
        ("tinyvision.ops.conv", "from ..tensor import Tensor"),
        ("tinyvision.nn.conv", "from .. import optim"),
        ("tinyvision.modelfile", "from tinyvision.train import trainer"),
        ("tinyvision.data.folder", "from tinyvision.tensor import Tensor"),
        ("tinyvision.metrics.scores", "from ..data import Dataset"),
        ("tinyvision.nn.conv", "import tinyvision"),
        ("tinyvision.newroom", "import math"),
    ],
)
def test_an_import_against_the_layers_is_seen(module: str, source: str) -> None:
    assert direction_faults(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tinyvision.nn.conv", "import torch"),
        ("tinyvision.nn.conv", "from tensorflow import keras"),
        ("tinyvision.modelfile", "import jax.numpy as jnp"),
        ("tinyvision.modelfile", "import pickle"),
        ("tinyvision.modelfile", "np.load(path, allow_pickle=True)"),
        ("tinyvision.modelfile", "model = eval(text)"),
        ("tinyvision.backend", "import numba"),
        ("tinyvision_kernels.reference.conv", "from numba import njit"),
        ("tinyvision.tensor", "def f():\n    import cupy"),
        ("tinyvision.train.trainer", "from PIL import Image"),
    ],
)
def test_a_library_in_the_wrong_room_is_seen(module: str, source: str) -> None:
    assert library_faults(source, module)


def test_what_only_types_need_is_no_import() -> None:
    source = "if TYPE_CHECKING:\n    from .tensor import Tensor\nelse:\n    from . import nn"
    found = [i.name for i in imports(ast.parse(source), "tinyvision.tape", is_package=False)]
    assert found == ["tinyvision.nn"]


def test_import_loads_no_heavy_library() -> None:
    heavy = ["numba", "llvmlite", "cupy", "matplotlib", "PIL", "requests", "rich", "typer"]
    heavy += ["sklearn", "scipy", "torch", "safetensors"]
    script = "import sys, json, tinyvision; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(_python("-c", script))
    assert "tinyvision" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(heavy)


def test_the_reference_backend_loads_no_compiler() -> None:
    script = (
        "import sys, json, tinyvision as tv; tv.use('reference'); tv.Tensor([1.0]).exp(); tv.nn; "
        "tv.optim; tv.models; print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(_python("-c", script))
    assert "tinyvision.tensor" in loaded
    assert not {"numba", "llvmlite", "cupy", "PIL", "requests", "rich"} & set(loaded)


def test_import_takes_less_than_a_fifth_of_a_second() -> None:
    # Python's own count of the microseconds inside `import`: starting the interpreter is not in it.
    # The median of several, since other programs run on the machine that tests.
    def seconds() -> float:
        command = [sys.executable, "-X", "importtime", "-c", "import tinyvision"]
        report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        match = re.search(r"\|\s*(\d+) \| tinyvision$", report, re.MULTILINE)
        assert match is not None, report
        return int(match[1]) / 1e6

    assert statistics.median(seconds() for _ in range(5)) < 0.2


def test_public_names_are_the_ones_that_type_checkers_see() -> None:
    import tinyvision as tv

    tree = ast.parse((ROOT / "tinyvision" / "__init__.py").read_text())
    typed: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                typed |= {alias.name: statement.module or "" for alias in statement.names}
    assert typed == {**tv._HOME, **dict.fromkeys(tv._PARTS, "")}
    assert sorted(tv.__all__) == sorted([*typed, "__version__"]) == dir(tv)


def test_every_public_name_can_be_reached() -> None:
    script = (
        "import tinyvision as tv\n"
        "from tinyvision import gradient_check, modelfile, random, tensor\n"
        "for name in tv.__all__: getattr(tv, name)\n"
        "assert tv.Tensor is tensor.Tensor and tv.load is modelfile.load\n"
        "assert tv.gradcheck is gradient_check.gradcheck and tv.seed is random.seed\n"
    )
    _python("-c", script)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import tinyvision as tv

    with pytest.raises(AttributeError, match="'tinyvision' has no attribute 'Tenser'"):
        _ = tv.Tenser


def _python(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
