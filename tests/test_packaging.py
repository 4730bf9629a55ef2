"""The package as a user gets it: sdist, a wheel made from it, and an install elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import tinyvision

ROOT = Path(__file__).parents[1]
SOURCE = ("pyproject.toml", "README.md", "LICENSE", "tinyvision", "kernels")


@dataclass(frozen=True)
class Built:
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist, and the wheel from the sdist alone, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)


def test_the_wheel_holds_every_source_file_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == _package_files()
    assert {name for name in found if name.endswith("py.typed")} == {
        "tinyvision/py.typed",
        "tinyvision_kernels/py.typed",
    }


def test_the_sdist_can_be_tested(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    tests = {path.relative_to(ROOT).as_posix() for path in _tracked(ROOT / "tests")}
    assert tests <= found
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= found
    assert not {name for name in found if name.endswith((".pyc", ".nbi", ".nbc"))}


def test_one_version_everywhere(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
    assert re.search(r"^Version: (.*)$", metadata, re.MULTILINE)[1] == tinyvision.__version__
    assert f"## {tinyvision.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_an_installed_wheel_works_elsewhere(built: Built, tmp_path: Path) -> None:
    python = _empty_environment(tmp_path / "env")
    _install(python, built.wheel)
    script = (
        "import tinyvision as tv; tv.use('reference'); "
        "print(tv.__file__, tv.__version__, tv.Tensor([2.0]).sum().item())"
    )
    file, version, value = _run(python, "-c", script, cwd=tmp_path).split()
    assert Path(file).is_relative_to(tmp_path / "env")
    assert (version, value) == (tinyvision.__version__, "2.0")
    command = python.with_name("tinyvision")
    assert tinyvision.__version__ in _run(command, "--version", cwd=tmp_path)


def test_an_editable_install_sees_edits(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in SOURCE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    python = _empty_environment(tmp_path / "env")
    _install(python, "--no-build-isolation", "--editable", checkout)
    for package in ("tinyvision", "kernels/tinyvision_kernels"):
        with (checkout / package / "__init__.py").open("a") as file:
            file.write("\nEDITED = True\n")
    script = "import tinyvision, tinyvision_kernels as k; print(tinyvision.EDITED, k.EDITED)"
    assert _run(python, "-c", script, cwd=tmp_path).split() == ["True", "True"]


def test_every_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (r for group in groups for r in group if not r.startswith("tinyvision[")):
        assert re.search(rf'"{re.escape(requirement)}", +# \w+', text), requirement


def _package_files() -> set[str]:
    """Name all package files as they should stand in the wheel."""
    kernels = ROOT / "kernels"
    named = {path.relative_to(ROOT).as_posix() for path in _tracked(ROOT / "tinyvision")}
    return named | {
        path.relative_to(kernels).as_posix() for path in _tracked(kernels / "tinyvision_kernels")
    }


def _tracked(folder: Path) -> list[Path]:
    kinds = (".py", ".cu", ".cuh", ".css", ".typed", ".safetensors")
    return [path for path in folder.rglob("*") if path.suffix in kinds]


def _empty_environment(folder: Path) -> Path:
    """Make a virtual environment that sees the dependencies installed here, but no tinyvision.

    The ``.pth`` file lends it the folders of installed libraries; editable installs in them, which
    are ``.pth`` files too, are not followed.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)))
    return python


def _install(python: Path, *arguments: str | Path) -> None:
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    _run(*pip, "--no-deps", "--no-index", "--ignore-installed", *arguments)


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=kept,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
