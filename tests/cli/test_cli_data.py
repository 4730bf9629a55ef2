"""``tinyvision data`` on a folder: findings, the page, a model's doubts, moving aside and back."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Command
from tests.data.folders import paint
from tests.train.small import stripe_folder
from tinyvision import modelfile
from tinyvision.data.resize import load_image
from tinyvision.errors import DataError
from tinyvision.inference import judge, predict

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of five pictures; a copy, a contradiction, a broken file."""
    root = tmp_path / "photos"
    for i in range(5):
        paint(root / "cats" / f"{i}.png", i)
        paint(root / "dogs" / f"{i}.png", 10 + i)
    shutil.copy(root / "cats" / "0.png", root / "cats" / "copy.png")
    shutil.copy(root / "cats" / "1.png", root / "dogs" / "a cat.png")
    (root / "dogs" / "broken.jpg").write_bytes(b"")
    return root


def test_findings_are_told_in_words(tinyvision: Command, photos: Path) -> None:
    done = tinyvision("data", "photos", "--no-sheet")
    assert done.code == 0
    assert "photos: 12 images, 1 broken" in done.out
    rows = {line.split("  ")[0]: line.split() for line in done.out.splitlines() if line}
    assert rows["broken"][1] == "1" and rows["duplicate"][1:3] == ["1", "1"]
    assert "broken photos/dogs/broken.jpg: the file is empty" in done.out
    assert "duplicate photos/cats/copy.png: it is the same file as photos/cats/0.png" in done.out
    assert "labelled 'cats', not 'dogs'" in done.out
    told = "with different labels, of which one is wrong: 1 for certain, 0 by their looks"
    assert told in " ".join(done.out.split()) and "leakage" not in done.out
    assert "tinyvision data photos --fix" in done.out
    assert "\x1b" not in done.out  # a pipe gets no colours


def test_strays_are_not_called_broken(tinyvision: Command, photos: Path) -> None:
    paint(photos / "beside.png", 30)
    done = tinyvision("data", "photos", "--no-sheet")
    assert "photos: 12 images, 1 broken, 1 stray\n" in done.out


def test_undo_says_why_the_folder_stays(tinyvision: Command, photos: Path) -> None:
    assert tinyvision("data", "photos", "--fix").code == 0
    (photos / "dogs" / "broken.jpg").write_bytes(b"another")
    done = tinyvision("data", "photos", "--undo")
    assert "photos.rejected stays: some images are still in it" in done.out


def test_many_findings_are_cut_short_on_the_screen_alone(tinyvision: Command, photos: Path) -> None:
    for i in range(12):
        (photos / "dogs" / f"empty{i}.png").write_bytes(b"")
    done = tinyvision("data", "photos", "--no-sheet", "--json")
    assert done.err.count("the file is empty") == 10
    assert "... and 3 more broken" in done.err
    assert sum(f["check"] == "broken" for f in done.json["findings"]) == 13


def test_the_json_file_holds_what_is_printed(tinyvision: Command, photos: Path) -> None:
    words = ("data", "photos", "--no-sheet", "--json-file", "out/found.json")
    done = tinyvision(*words, "--json")
    assert json.loads(Path("out/found.json").read_text("utf-8")) == done.json
    assert done.json["checks"]["duplicate"] == 2 and done.json["parts"]["train"] == {
        "cats": 4,
        "dogs": 4,
    }


def test_the_page(tinyvision: Command, photos: Path) -> None:
    done = tinyvision("data", "photos", "--no-sheet", "--html", "page.html", "--json")
    assert done.code == 0 and done.json["html"] == "page.html"
    text = Path("page.html").read_text("utf-8")
    assert "cats/<wbr>copy.png" in text and text.count("<img") > 10
    assert "page: page.html" in done.err


def test_lists_shards_and_arrays_are_looked_through_as_folders_are(
    tinyvision: Command, photos: Path
) -> None:
    lines = [f"{path},{path.parent.name}" for path in sorted(photos.glob("*/*.png"))]
    Path("all.csv").write_text("path,label\n" + "\n".join(lines) + "\ngone.png,cats\n")
    Path("some.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    assert tinyvision("pack", "some.csv", "packed").code == 0
    pictures = np.random.default_rng(0).integers(0, 256, (9, 12, 12), dtype=np.uint8)
    pictures[4] = pictures[0]
    np.savez("twelve.npz", images=pictures, labels=np.arange(9) % 2)
    facts = {}
    for name in ("all.csv", "packed", "twelve.npz"):
        done = tinyvision("data", name, "--html", "page.html", "--json")
        assert done.code == 0 and "to move" not in done.err
        facts[name] = done.json
        assert Path("page.html").read_text("utf-8").count("<img") >= 9
        assert Path(done.json["sheet"]).is_file()
    assert [fact["kind"] for fact in facts.values()] == ["list", "shards", "arrays"]
    assert facts["all.csv"]["checks"]["unreadable"] == 1
    for name in ("all.csv", "packed"):
        assert facts[name]["checks"]["duplicate"] == 2 and facts[name]["total"] == 12
        assert facts[name]["image_shape"] == [64, 64, 3]
    assert facts["twelve.npz"]["checks"]["duplicate"] == 1
    assert facts["twelve.npz"]["image_shape"] == [12, 12, 1]
    assert facts["twelve.npz"]["parts"]["train"] == {"0": 3, "1": 2}


def test_fix_dry_run_and_undo(tinyvision: Command, photos: Path) -> None:
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    dry = tinyvision("data", "photos", "--fix", "--dry-run")
    assert "photos/cats/copy.png -> photos.rejected/duplicate/cats/copy.png" in dry.out
    assert "2 images would be moved to photos.rejected; nothing was" in dry.out
    assert not Path("photos.rejected").exists()
    done = tinyvision("data", "photos", "--fix", "--json")
    assert done.code == 0 and done.json["clean"]["dry_run"] is False
    assert [move["check"] for move in done.json["clean"]["moved"]] == ["broken", "duplicate"]
    for move in done.json["clean"]["moved"]:
        assert Path(move["to"]).is_file() and not Path(move["from"]).exists()
    assert "back with: tinyvision data photos --undo" in done.err
    assert "nothing was moved" in tinyvision("data", "photos", "--fix").out
    back = tinyvision("data", "photos", "--undo")
    assert back.code == 0 and "2 images moved back to photos" in back.out
    assert not Path("photos.rejected").exists() and "stays" not in back.out
    assert sorted(path for path in photos.rglob("*") if path.is_file()) == files


def test_the_doubts_of_a_model(tinyvision: Command, model: Path, tmp_path: Path) -> None:
    root = stripe_folder(tmp_path / "stripes", per_class=6)
    wrong = (root / "rows" / "1.png").rename(root / "columns" / "wrong.png")
    done = tinyvision("data", root, "--no-sheet", "--model", model, "--json")
    assert done.code == 0
    doubts = [f for f in done.json["findings"] if f["check"] == "doubtful label"]
    assert doubts[0]["path"] == str(wrong) and doubts[0]["severity"] == "warn"
    (answer,) = predict(modelfile.load(model), [wrong])
    assert answer.label == "rows"
    sure = answer.probability
    assert f"labelled 'columns'; the model says 'rows' {sure:.2f}" in doubts[0]["reason"]
    assert f"doubtful label {wrong}" in done.err


def test_a_judge_answers_as_predictions_do(model: Path, stripes: Path) -> None:
    file = modelfile.load(model)
    of = judge(file)
    paths = sorted((stripes / "rows").iterdir())[:3]
    pixels = np.stack([load_image(path, of.size, of.channels, of.fit) for path in paths])
    answers = predict(file, paths, top=3)
    for answer, shares in zip(answers, of.probabilities(pixels), strict=True):
        for label, share in answer.top:
            assert shares[of.classes.index(label)] == pytest.approx(share, abs=1e-6)


def test_a_model_without_names_judges_nothing(model: Path) -> None:
    with pytest.raises(DataError, match="does not name its classes"):
        judge(replace(modelfile.load(model), labels=()))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("shapes", "--fix"), 2, "--fix is for images on this machine"),
        (("--html", "x.html"), 2, "--html is for images on this machine: a folder, a list"),
        (("list.csv", "--fix"), 2, "of a list take out the lines of the rejects"),
        (("photos", "--dry-run"), 2, "--dry-run goes with --fix"),
        (("photos", "--fix", "--undo"), 2, "give one of them"),
        (("photos", "--undo"), 1, "There is nothing to bring back"),
        (("photos", "--fix", "--rejected", "photos/cats"), 1, "lies in the data set"),
        (("photos", "--model", "nowhere.safetensors"), 1, "nowhere.safetensors"),
        (("photos", "--no-sheet", "--html", "photos/cats/0.png/x.html"), 1, "cannot write"),
        (("photos", "--size", "0"), 2, "--size"),
        (("photos", "--augment", "flip", "--no-sheet"), 2, "draws on the contact sheet"),
        (("photos", "--augment", "flap"), 1, "no augmentation 'flap'; did you mean 'flip'"),
    ],
)
def test_mistakes(
    tinyvision: Command, photos: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    done = tinyvision("data", *words)
    assert done.code == code
    assert message in " ".join(done.err.replace("│", " ").split())
    assert sum(path.is_file() for path in photos.rglob("*")) == 13
    if "--rejected" in words:
        assert done.out == ""  # refused before hours of reading


def test_a_model_of_other_classes(tinyvision: Command, photos: Path, model: Path) -> None:
    done = tinyvision("data", "photos", "--model", model)
    assert done.code == 1 and "knows the classes" in done.err


INTERRUPTED = """
import os, signal, sys
event, ending, number, seen = sys.argv[1], sys.argv[2], int(sys.argv[3]), 0
def hook(name, arguments):
    global seen
    if name == event and str(arguments[0]).endswith(ending):
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
from tinyvision.cli import main
main(sys.argv[4:])
"""


def interrupted(event: str, ending: str, number: int, *words: str) -> tuple[str, str]:
    """Run a command that gets Ctrl-C at such an event in Python; return what it has said."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, event, ending, str(number), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_ctrl_c_while_looking_ends_cleanly(photos: Path) -> None:
    words = ("data", "photos", "--fix", "--html", "page.html", "--json")
    out, err = interrupted("open", ".png", 5, *words)
    assert err.strip() == "tinyvision: interrupted" and json.loads(out) == {"error": "interrupted"}
    assert not Path("page.html").exists() and not Path("photos.rejected").exists()


def test_ctrl_c_while_moving_keeps_what_was_moved(tinyvision: Command, photos: Path) -> None:
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    _, err = interrupted("os.rename", "broken.jpg", 1, "data", "photos", "--fix")
    assert err.startswith("tinyvision: stopped; what was moved is written down, and the same")
    assert Path("photos/cats/copy.png").exists()  # it would have been the next
    assert tinyvision("data", "photos", "--fix").code == 0
    assert not Path("photos/cats/copy.png").exists()
    assert "2 images moved back" in tinyvision("data", "photos", "--undo").out
    assert sorted(path for path in photos.rglob("*") if path.is_file()) == files


def test_a_sheet_of_what_the_network_will_see(tinyvision: Command, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for i in range(6):
        paint(root / "cats" / f"{i}.png", i)
        paint(root / "dogs" / f"{i}.png", 10 + i)
    done = tinyvision("data", root, "--augment", "flip=1,brightness=0", "--sheet", "seen.png")
    assert done.code == 0 and "seen.png" in done.out
    sheet = np.asarray(Image.open("seen.png").convert("RGB")).astype(int)
    # In each row an original, then seven times its mirror image; 64 pixels and a gap of 6 each.
    top, left = (np.flatnonzero((sheet != 255).any(axis)) for axis in ((1, 2), (0, 2)))
    assert sheet.shape[1] > 8 * 64 and len(top) and len(left)
    right = left.max() + 1
    columns = [right - 64 - 70 * k for k in range(8)][::-1]
    last = sheet[top.max() - 63 : top.max() + 1]
    first, *versions = (last[:, c : c + 64] for c in columns)
    for version in versions:
        assert np.abs(version - first[:, ::-1]).max() <= 1
