"""``tinyvision train``: what it prints, what it leaves, and how it goes on."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tinyvision as tv
from tests.train.small import stripe_folder
from tinyvision.train import TerminalDisplay

ROOT = Path(__file__).parents[2]
QUICK = ("--model", "lenet5", "--epochs", 2, "--size", 12, "--gray", "--batch", 8)


def following(text: str) -> list[list[str]]:
    """The commands that a training proposes, as a shell reads them."""
    _, _, rest = text.partition("next:\n")
    return [shlex.split(line) for line in rest.splitlines() if line.strip()]


def test_what_to_type_next_works_when_typed(tinyvision, tmp_path):
    folder = stripe_folder(tmp_path / "my own photos")
    done = tinyvision("train", folder, *QUICK, "--backend", "numpy")
    assert done.code == 0
    assert done.err == ""
    evaluate, predict = following(done.out)
    assert evaluate[:2] == ["tinyvision", "evaluate"]
    assert evaluate[3:] == [str(folder), "--backend", "numpy"]
    assert predict[:2] == ["tinyvision", "predict"]
    for words in (evaluate, predict):
        assert tinyvision(*words[1:]).code == 0
    tested = re.search(r"on the test part:\n(accuracy .*)\n", done.out)[1]
    assert tinyvision(*evaluate[1:]).out.splitlines()[0] == tested


def test_train_alone_in_a_real_shell(tmp_path):
    """On the built-in set, as the README's first command does, with a net that is quick."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = {**os.environ, "PYTHONPATH": path, "TINYVISION_BACKEND": "reference"}
    command = f"{shlex.quote(sys.executable)} -m tinyvision"

    def shell(line: str) -> str:
        done = subprocess.run(
            line.replace("tinyvision", command, 1),
            shell=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    out = shell("tinyvision train --epochs 1 --size 8 --gray --model mlp")
    assert "\x1b" not in out
    assert "8,100 images to train, 900 to validate, 1,000 to test; 10 classes, 8 x 8 x 1" in out
    assert max(map(len, out.splitlines())) <= 80
    for words in following(out):
        shell(shlex.join(words))


def test_lines_fit_a_terminal(tinyvision, stripes):
    folder = Path(os.path.relpath(stripes))
    out = tinyvision("train", folder, *QUICK).out
    long = [line for line in out.splitlines() if len(line) > 80]
    assert all("stripes" in line for line in long)  # only what paths make long
    assert out.startswith(f"training lenet5 on {folder}: 2 epochs in batches of 8, adamw, seed 0\n")
    assert "backend reference, 1 thread\n" in out


def test_json_is_the_whole_story(tinyvision, stripes):
    done = tinyvision("train", stripes, *QUICK, "--json")
    facts = done.json
    assert set(facts) == {"path", "stopped", "seconds", "recipe", "history", "skipped", "test"}
    assert facts["stopped"] == "finished"
    assert [row["epoch"] for row in facts["history"]] == [1, 2]
    assert facts["test"]["accuracy"] == tv.load(facts["path"]).metrics["test"]["accuracy"]
    assert facts["recipe"]["size"] == [12, 12]
    assert "accuracy" in done.err  # people read on there


def test_the_seed_decides_every_byte(tinyvision, stripes):
    paths = [
        tinyvision("train", stripes, *QUICK, "--seed", seed, "--json").json["path"]
        for seed in (4, 4, 5)
    ]
    first, second, third = (Path(path).read_bytes() for path in paths)
    assert first == second != third
    assert [Path(path).parent.name for path in paths] == [
        "stripes-lenet5",
        "stripes-lenet5-2",
        "stripes-lenet5-3",
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_says_how_to_go_on(tinyvision, stripes, monkeypatch, as_json):
    step = TerminalDisplay.step

    def interrupted(self, at):
        step(self, at)
        if (at.epoch, at.batch) == (1, 2):
            os.kill(os.getpid(), signal.SIGINT)

    words = ("train", stripes, *QUICK)
    with monkeypatch.context() as patched:
        patched.setattr(TerminalDisplay, "step", interrupted)
        done = tinyvision(*words, "--backend", "reference", *["--json"] * as_json)
    assert done.code == 130
    text = done.err if as_json else done.out
    (line,) = re.findall(r"interrupted; go on with:\n  (tinyvision train --resume .*)\n", text)
    if as_json:
        assert (done.json["stopped"], done.json["test"]) == ("interrupted", None)
    resumed = tinyvision(*shlex.split(line)[1:], "--json").json
    whole = tinyvision(*words, "--json").json
    assert Path(resumed["path"]).read_bytes() == Path(whole["path"]).read_bytes()
    assert resumed["path"] != whole["path"]


def test_stopping_early_is_said(tinyvision, stripes):
    # a learning rate with which nothing ever changes
    out = tinyvision("train", stripes, *QUICK, "--epochs", 9, "--lr", 1e-30, "--patience", 2).out
    assert "stopped early: no improvement for 2 epochs\n" in out
    assert "    3/9 " in out
    assert "    4/9 " not in out


def test_broken_files_are_listed_and_left_out(tinyvision, tmp_path):
    folder = stripe_folder(tmp_path / "stripes", per_class=5)
    (folder / "flat" / "torn.png").write_bytes(b"\x89PNG torn")
    done = tinyvision("train", folder, *QUICK)
    assert done.code == 0
    assert re.search(r"left out .*torn\.png: ", done.out)
    (skipped,) = tinyvision("train", folder, *QUICK, "--json").json["skipped"]
    assert skipped["path"].endswith("torn.png")
    assert skipped["reason"]


def test_too_few_images_to_test_with(tinyvision, tmp_path):
    folder = stripe_folder(tmp_path / "few", per_class=2)
    done = tinyvision("train", folder, *QUICK)
    assert done.code == 0
    assert "3 images to train, 0 to validate, 3 to test" in done.out


def test_divergence_is_one_sentence(tinyvision, stripes):
    done = tinyvision("train", stripes, *QUICK, "--lr", 1e30, "--optimizer", "sgd")
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert re.search(r"at step \d+ .*layer|weights", line)
    assert "the last good checkpoint is runs/stripes-lenet5/last.safetensors" in line


def test_local_copies_of_a_named_set(tinyvision, data_root):
    """MNIST, the files as they come; and the proposals find them again."""
    out = tinyvision("data", "mnist", "--data", data_root, "--no-sheet", "--json").json
    assert sum(out["parts"]["test"].values()) == 10_000


def test_augmentation_is_told_and_kept(tinyvision, stripes):
    done = tinyvision("train", stripes, *QUICK, "--augment", "crop=2,mixup", "--json")
    assert "augmented by crop=2,mixup=0.2:1,edge=mirror\n" in done.err
    kept = tv.load(done.json["path"]).training["recipe"]
    assert kept["augment"] == done.json["recipe"]["augment"] == "crop=2,mixup=0.2:1,edge=mirror"
    wrong = tinyvision("train", stripes, *QUICK, "--augment", "crop=2,mixupp")
    assert wrong.code != 0
    assert "no augmentation 'mixupp'; did you mean 'mixup'" in " ".join(
        wrong.err.replace("│", " ").split()
    )


def test_groups_hashes_and_balance(tinyvision, stripes):
    words = ("--groups", r"(\d)\.png", "--split", "hash", "--balanced")
    done = tinyvision("train", stripes, *QUICK, *words, "--json")
    told = r"split by groups: (\d)\.png, split by the hash of names, every class equally often"
    assert told in done.err.replace("\n", " ").replace("  ", " ")
    kept = tv.load(done.json["path"]).training["recipe"]
    assert (kept["groups"], kept["split"], kept["balanced"]) == (words[1], "hash", True)
    judged = tinyvision("evaluate", done.json["path"], stripes, "--json").json
    assert judged["confusion"] == done.json["test"]["confusion"]
    # together they are all images, however those are split
    for data in (stripes, stripes / "rows"):
        whole = tinyvision("evaluate", done.json["path"], data, "--part", "all", "--json")
        assert whole.code == (0 if data is stripes else 1)


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("--groups", "patient"), 1, "stripes has no column 'patient' to group by"),
        (("--groups", "9"), 1, "no folder level 9"),
        (("--split", "date"), 2, "'date' is not one of"),
        (("--resume", "x", "--balanced"), 2, "leave out --balanced, DATA"),
    ],
)
def test_wrong_words_on_the_split(tinyvision, stripes, words, code, fault):
    done = tinyvision("train", stripes, *words)
    assert done.code == code
    assert fault in " ".join(done.err.replace("│", " ").split())
