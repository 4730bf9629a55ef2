"""What README.md and docs/ tell a reader to type works: snippets run, commands and links exist."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"), *ROOT.glob("*/README.md")})
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

INSTALL_AND_TRAIN = "pip install -e . && tinyvision train"
INSTALL_AND_TEST = "pip install -e '.[dev]' && pytest"


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text()) if kind == language]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield every ``tinyvision ...`` command of a page, in fences and between backticks."""
    text = page.read_text()
    inline = re.findall(r"`(tinyvision [^`\n]+)`", FENCE.sub("", text))
    lines = [
        line for kind, block in FENCE.findall(text) if kind == "bash" for line in block.split("\n")
    ]
    for line in [*inline, *lines]:
        for part in re.split(r"&&|\|", line.partition(" #")[0]):
            words = shlex.split(part)
            if words and words[0] == "tinyvision":
                yield words


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=page_id)
def test_python_snippets_run_in_order(page: Path, tmp_path: Path) -> None:
    program = "\n\n".join(blocks(page, "python"))
    script = tmp_path / "snippets.py"
    script.write_text(program)
    _run(sys.executable, str(script), cwd=tmp_path)


def test_the_readme_s_snippets_run_again_and_leave_nothing_beside_runs(tmp_path: Path) -> None:
    ignored = (ROOT / ".gitignore").read_text().split("\n")
    assert "/runs/" in ignored
    script = tmp_path / "snippets.py"
    script.write_text("\n\n".join(blocks(ROOT / "README.md", "python")))
    for _ in range(2):
        _run(sys.executable, str(script), cwd=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"snippets.py", "runs"}


def test_the_readme_s_commands_run_in_order(tmp_path: Path) -> None:
    # those of the install line are run by .ci/run, and piece by piece in test_packaging.py
    Image.effect_noise((40, 30), 50).convert("RGB").save(tmp_path / "photo.jpg")
    (block,) = [b for b in blocks(ROOT / "README.md", "bash") if b.startswith("tinyvision ")]
    for line in block.strip().split("\n"):
        program, *arguments = shlex.split(line)
        assert program == "tinyvision"
        assert _run(sys.executable, "-m", "tinyvision", *arguments, cwd=tmp_path), line


def test_the_readme_shows_how_to_use_the_package() -> None:
    assert blocks(ROOT / "README.md", "python")
    assert list(commands(ROOT / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist_with_the_options_shown(page: Path) -> None:
    for words in commands(page):
        has_command = len(words) > 1 and not words[1].startswith("-")
        text = help_of(*words[1:2]) if has_command else help_of()
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    paths = re.findall(r"`((?:tinyvision|kernels|tests|benchmarks|docs)/[\w./-]*)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_headings(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target if target else page).read_text()
        titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert heading in anchors, f"{target}#{heading}"


def test_two_commands_on_a_fresh_machine() -> None:
    readme = (ROOT / "README.md").read_text().split("\n")
    assert readme.count(INSTALL_AND_TRAIN) == 1
    assert readme.count(INSTALL_AND_TEST) == 1


def test_what_ci_runs_is_the_readme_s_command() -> None:
    # .ci/run takes the command from the README by this search
    script = (ROOT / ".ci" / "run").read_text()
    (pattern,) = re.findall(r"grep --max-count=1 '(.*)' README.md", script)
    lines = (ROOT / "README.md").read_text().split("\n")
    assert [line for line in lines if re.search(pattern, line)] == [INSTALL_AND_TEST]


def test_extras_the_pages_mention_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for page in PAGES:
        for names in re.findall(r"(?:tinyvision|\.)\[([\w,-]+)\]", page.read_text()):
            assert set(names.split(",")) <= project["optional-dependencies"].keys(), page


_help: dict[tuple[str, ...], str] = {}


def help_of(*command: str) -> str:
    if command not in _help:
        _help[command] = _run(sys.executable, "-m", "tinyvision", *command, "--help", cwd=ROOT)
    return _help[command]


def _run(*command: str, cwd: Path) -> str:
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"}
    environment.pop("TINYVISION_BACKEND", None)
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", ["README.md", "benchmarks/README.md", "kernels/README.md"])
def test_tables_show_the_figures_that_were_measured(page: str) -> None:
    from benchmarks.table import MARKED, refresh

    text = (ROOT / page).read_text()
    assert MARKED.search(text)
    assert refresh(text) == text
