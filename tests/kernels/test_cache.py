"""Compiled kernels on disk: found again, never out of date, and not piling up."""

import platform
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba
from numba.core.registry import cpu_target

from tests.kernels.fresh import (
    CACHED,
    FRESH,
    SILU,
    SOURCES,
    copy_of_the_kernels,
    python,
    silu,
    start,
)
from tinyvision_kernels.cpu import cache
from tinyvision_kernels.cpu.cache import KernelCache, identity


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the kernels that a test may edit."""
    return copy_of_the_kernels(tmp_path)


def edit(package: Path, number: int) -> None:
    """Bring the sources into one of several states, none of which computes anything else."""
    file = package / "cpu" / "exponential.py"
    text = file.read_text().split("\n# state ")[0]
    file.write_text(f"{text}\n# state {number}\n")


def test_a_second_process_loads_what_the_first_compiled(tmp_path):
    assert silu(SOURCES, tmp_path) == (FRESH, "")
    assert silu(SOURCES, tmp_path) == (CACHED, "")
    for kind in ("nbc", "nbi"):  # machine code, and what it is for
        for file in (tmp_path / "numba").rglob(f"*.{kind}"):
            file.write_bytes(file.read_bytes()[: 100 if kind == "nbc" else 9])
        assert silu(SOURCES, tmp_path) == (FRESH, "")  # damaged counts as missing ...
        assert silu(SOURCES, tmp_path) == (CACHED, "")  # ... and is repaired


def test_an_edit_to_a_helper_in_another_file_is_seen(package, tmp_path):
    store = tmp_path / "cache"
    assert silu(package, store)[0] == FRESH
    helper = package / "cpu" / "exponential.py"  # silu itself stands in activation.py
    before = "    one = constant(1, x)\n    small"
    assert helper.read_text().count(before) == 1
    helper.write_text(helper.read_text().replace(before, before.replace("1", "2")))
    assert silu(package, store)[0] == FRESH.replace("0.7311", "0.8446")  # 2 / (2 + 1/e)


def test_text_that_moves_from_one_file_to_another_is_an_edit(package):
    code = "from tinyvision_kernels.cpu.cache import source_stamp; print(source_stamp())"
    before = python(code, package)[0]
    first, second = (package / "cpu" / f"zz_{letter}.py" for letter in "ab")
    stamps = {before}
    for texts in (("# one\n# two\n", ""), ("# one\n", "# two\n"), ("", "# one\n# two\n")):
        first.write_text(texts[0])
        second.write_text(texts[1])
        stamps.add(python(code, package)[0])
    assert len(stamps) == 4


def test_another_processor_finds_no_entry_of_this_one(tmp_path):
    assert silu(SOURCES, tmp_path)[0] == FRESH
    if platform.machine() != "x86_64":
        pytest.skip("x86-64 alone has an older processor that this one can play")
    older = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"}
    assert silu(SOURCES, tmp_path, **older)[0] == FRESH
    assert silu(SOURCES, tmp_path, **older)[0] == CACHED
    assert silu(SOURCES, tmp_path)[0] == CACHED


def test_an_edit_after_the_import_is_not_taken_for_what_was_imported(package, tmp_path):
    store = tmp_path / "cache"
    helper = package / "cpu" / "exponential.py"
    line = "    one = constant(1, x)\n    small"
    edit = f"""
import platform
from pathlib import Path
helper, line = Path({str(helper)!r}), {line!r}
assert helper.read_text().count(line) == 1
helper.write_text(helper.read_text().replace(line, line.replace("1", "2")))
"""
    code = SILU.format(hook=True).replace("\ncompiled = []", f"{edit}\ncompiled = []")
    assert python(code, package, TINYVISION_CACHE=str(store)) == (FRESH, "")
    assert silu(package, store)[0] == FRESH.replace("0.7311", "0.8446")  # 2 / (2 + 1/e)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("where a folder is needed")
    assert silu(SOURCES, tmp_path / "file") == (FRESH, "")


def test_a_damaged_entry_on_a_full_disk_costs_time_only(tmp_path):
    pytest.importorskip("resource", reason="this system cannot forbid a process to write files")
    assert silu(SOURCES, tmp_path) == (FRESH, "")
    for file in (tmp_path / "numba").rglob("*.nbi"):
        file.write_bytes(file.read_bytes()[:9])
    full = """
import numba, resource
numba.set_num_threads(1)  # starts the threads, which asks for a lock in a file
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""
    code = full + SILU.format(hook=True)
    assert python(code, TINYVISION_CACHE=str(tmp_path)) == (FRESH, "")


def test_a_user_without_a_home_compiles_each_time():
    nobody = """
import os, pwd
os.environ.pop("HOME", None)
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""
    pytest.importorskip("pwd", reason="this system keeps its users otherwise")
    code = nobody + SILU.format(hook=True)
    assert python(code, TINYVISION_CACHE="") == (FRESH, "")


def test_old_sources_leave_little_behind(package, tmp_path):
    store = tmp_path / "cache"
    for number in range(4):
        edit(package, number)
        assert silu(package, store)[0] == FRESH
        (installation,) = (store / "numba").iterdir()
        stamps = [path for path in installation.iterdir() if path.is_dir()]
        assert len(stamps) == min(number + 1, 1 + cache.KEPT)
    edit(package, 2)  # back to the version before
    assert silu(package, store)[0] == CACHED
    edit(package, 0)
    assert silu(package, store)[0] == FRESH


def test_an_installation_that_is_no_more_leaves_nothing_behind(tmp_path):
    packages = [copy_of_the_kernels(tmp_path / name) for name in ("a", "b", "c")]
    store = tmp_path / "cache"
    of_someone_else = store / "numba" / "thesis"
    of_someone_else.mkdir(parents=True)
    for package in packages[:2]:
        assert silu(package, store)[0] == FRESH
    assert len(list((store / "numba").iterdir())) == 1 + 2
    packages[0].rename(tmp_path / "moved")
    assert silu(packages[2], store)[0] == FRESH
    assert len(list((store / "numba").iterdir())) == 1 + 2
    assert silu(packages[1], store)[0] == CACHED
    assert of_someone_else.is_dir()


def test_clearing_removes_what_is_ours_alone(tmp_path, monkeypatch):
    assert silu(SOURCES, tmp_path)[0] == FRESH
    (tmp_path / "numba" / "thesis").mkdir()
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path))
    kernels, size = cache.size()
    assert kernels == 2  # for one chunk and for several
    assert size == sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file())
    cache.clear()
    assert cache.size() == (0, 0)
    assert [path.name for path in (tmp_path / "numba").iterdir()] == ["thesis"]


def test_processes_that_start_together_do_not_mix_up_their_kernels(tmp_path):
    code = SILU.format(hook=True)
    crowd = [start(code, TINYVISION_CACHE=str(tmp_path)) for _ in range(3)]
    for process in crowd:
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert out.endswith(" 0.7311\n")
    assert silu(SOURCES, tmp_path) == (CACHED, "")


def test_each_entry_has_files_of_its_own():
    # Numba keeps those of one function in one index, which two processes may overwrite in turn:
    # then one of them is sent to the other's machine code.
    def kernel():
        pass

    codegen = cpu_target.target_context.codegen()
    store = KernelCache(kernel, print)
    signatures = [(numba.float32[::1],), (numba.float64[::1],), (numba.float32[::1],) * 2]
    files = {store._entry(signature, codegen)._index_path for signature in signatures}
    assert len(files) == len(signatures)


def test_kernels_are_told_apart_by_what_they_close_over():
    def make(inner):
        def kernel():
            return inner

        return kernel

    names = {identity(make(inner)) for inner in (1, 2, "1", len, identity)}
    assert len(names) == 5
    assert identity(make(make(3))) == identity(make(make(3)))
    assert identity(make(make(3))) != identity(make(make(4)))
