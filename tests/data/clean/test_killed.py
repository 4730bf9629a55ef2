"""Killed at any moment of a move: nothing lost, nothing doubled, and the next run does the rest.

A child process kills itself when Python is about to rename or to remove a file, told by its audit
hooks; the moments in between are those before and after.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.clean.rejects import MOVED, journal, make, tree
from tinyvision.data import clean, restore, survey

ROOT = Path(__file__).parents[3]

CHILD = """
import os, signal, sys
event, number, task, root, to = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
from tinyvision.data import clean, restore, survey
found = survey(root) if task == "clean" else None
seen = 0
def hook(name, arguments):
    global seen
    if name == event:
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
clean(found, to) if task == "clean" else restore(root, to)
print("done")
"""


def run(*arguments: object, program: str = CHILD) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )


def everything(photos: Path, aside: Path) -> list[bytes]:
    """The content of all files but the journal, and no other files than before."""
    kept = {name: content for name, content in tree(aside).items() if name != "rejected.jsonl"}
    return sorted([*tree(photos).values(), *kept.values()])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_between_journal_and_move(tmp_path: Path, number: int) -> None:
    photos, aside = make(tmp_path / "photos"), tmp_path / "aside"
    before = tree(photos)
    assert run("os.rename", number, "clean", photos, aside).returncode == -signal.SIGKILL
    assert everything(photos, aside) == sorted(before.values())
    assert len(journal(aside)) == number  # the last of them was not moved
    moved = set(MOVED.values()) - tree(photos).keys()
    assert len(moved) == number - 1
    if number == 2:  # bring back what was moved
        assert len(restore(photos, aside).moved) == 1
        assert tree(photos) == before
    else:  # or do the rest
        assert len(clean(survey(photos), aside).moved) == 4 - number
        assert everything(photos, aside) == sorted(before.values())
        assert len(restore(photos, aside).moved) == 3
        assert tree(photos) == before


@pytest.mark.parametrize("number", [1, 3])
def test_killed_on_the_way_back(tmp_path: Path, number: int) -> None:
    photos, aside = make(tmp_path / "photos"), tmp_path / "aside"
    before = tree(photos)
    clean(survey(photos), aside)
    assert run("os.rename", number, "restore", photos, aside).returncode == -signal.SIGKILL
    assert everything(photos, aside) == sorted(before.values())
    assert len(restore(photos, aside).moved) == 4 - number
    assert tree(photos) == before


@pytest.mark.parametrize(
    ("event", "number"), [("os.rename", 2), ("os.rename", 4), ("os.remove", 2)]
)
@pytest.mark.parametrize("task", ["clean", "restore"])
@pytest.mark.parametrize("again", [True, False])
def test_killed_while_a_copy_is_made_on_another_disk(
    tmp_path: Path, elsewhere: Path, event: str, number: int, task: str, again: bool
) -> None:
    # each move tries to rename, copies, renames the copy, removes the original
    photos = make(tmp_path / "photos")
    before = tree(photos)
    if task == "restore":
        clean(survey(photos), elsewhere)
    assert run(event, number, task, photos, elsewhere).returncode == -signal.SIGKILL
    there = {**tree(photos), **tree(elsewhere)}
    assert set(before.values()) <= set(there.values())
    if task == "clean" and again:
        clean(survey(photos), elsewhere)
        assert everything(photos, elsewhere) == sorted(before.values())
        assert not tree(photos).keys() & set(MOVED.values())
    restore(photos, elsewhere)
    assert tree(photos) == before
    assert not elsewhere.exists()


FULL = """
import resource, sys
from tinyvision.data import clean, survey
found = survey(sys.argv[1])
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    clean(found, sys.argv[2])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """The journal cannot grow beyond 400 bytes: a line and a half."""
    photos = make(tmp_path / "photos")
    before, aside = tree(photos), tmp_path / "photos.rejected"
    shutil.copy(photos / "train/cat/0.png", photos / "train/cat/yet another.png")
    before = tree(photos)
    done = run(photos, aside, 400, program=FULL)
    assert done.returncode == 0 and done.stdout.startswith("DataError Rejected images cannot be")
    assert "nothing is lost" in done.stdout and done.stdout.count("\n") == 1
    assert everything(photos, aside) == sorted(before.values())
    moved = len(journal(aside))  # whole lines alone
    assert 0 < moved < 4
    assert f"{moved} of 4 were moved before" in done.stdout
    assert len(set(before) - set(tree(photos))) == moved
    clean(survey(photos))
    assert len(restore(photos).moved) == 4
    assert tree(photos) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_another_disk_that_fills_up(tmp_path: Path, elsewhere: Path) -> None:
    photos = make(tmp_path / "photos")
    (photos / "test" / "dog" / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20_000))
    before = tree(photos)
    done = run(photos, elsewhere, 5000, program=FULL)
    assert done.stdout.startswith("DataError Rejected images cannot be moved to")
    assert "File too large" in done.stdout and "nothing is lost" in done.stdout
    assert everything(photos, elsewhere) == sorted(before.values())  # and no torso of a copy
    assert len(clean(survey(photos), elsewhere).moved) >= 1
    assert len(restore(photos, elsewhere).moved) == 4
    assert tree(photos) == before
