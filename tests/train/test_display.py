"""What a training shows: plain lines in a pipe, a bar in a terminal."""

import io
import re
import sys

import pytest
from rich.console import Console

from tests.train.small import batches, small_trainer, stripes
from tinyvision.data import Skipped, Splits
from tinyvision.train import EpochRecord, Position, TerminalDisplay
from tinyvision.train.display import HEADER, describe


def console(terminal: bool, width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, _environ={})


def shown(display: TerminalDisplay) -> str:
    return display.console.file.getvalue()


def test_plain_lines_in_a_pipe(capsys):
    display = TerminalDisplay(console(terminal=False))
    trainer = small_trainer(display=display)
    with display:
        display.reading(1, 2)
        trainer.fit(batches(24), batches(9, data=1), epochs=2)
    text = shown(display)
    assert "\x1b" not in text
    assert "\r" not in text
    header, first, second = text.splitlines()
    assert header == HEADER
    figures = r"\d\.\d{4} +\d+\.\d\d % +\d\.\d{4} +\d+\.\d\d % +[\d,]+ +\d+\.\d % +\d+\.\d s"
    assert re.fullmatch(rf"    1/2 +{figures}  best", first)
    assert re.fullmatch(rf"    2/2 +{figures}(  best)?", second)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("validation", [(0.1234, 0.5), (None, None)])
@pytest.mark.parametrize("waiting, share", [(1.0, "1.7 %"), (7.5, "12.5 %"), (59.94, "100.0 %")])
def test_figures_stand_under_their_headings(validation, waiting, share):
    record = EpochRecord(100, 9, 0.1, 1.5, 1.0, *validation, 59.94, waiting, 123456.7)
    line = describe(record, 100, improved=True)
    columns = [match.end() for match in re.finditer(r"\S+( \S+)*", HEADER)]
    expected = ["100/100", "1.5000", "100.00 %", "0.1234", "50.00 %", "123,457", share, "59.9 s"]
    if validation[0] is None:
        expected[3:5] = "-", "-"
    for end, text in zip(columns, expected, strict=True):
        assert line[:end].endswith(text)
    assert len(line) <= 80


def test_a_bar_in_a_terminal_and_nothing_left_of_it():
    display = TerminalDisplay(console(terminal=True))
    with display.running(epochs=20, steps=500, done=0):
        position = Position(11, 400, seen=12345, loss_sum=1e4, correct=1e4, seconds=0.9)
        display.step(position)
        display._bar[0].refresh()
    text = shown(display)
    bar = next(line for line in re.split(r"[\r\n]", text) if "images/s" in line and "━" in line)
    plain = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", bar)
    assert plain.startswith("epoch 12/20 ━")
    assert "loss 0.8100  accuracy 81.0 %  13,717 images/s" in plain
    assert len(plain) <= 80
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back
    assert text.endswith("\x1b[1A\x1b[2K")  # one line up, and clear it


def test_an_error_takes_the_bar_away():
    display = TerminalDisplay(console(terminal=True))
    with pytest.raises(ZeroDivisionError), display:
        display.reading(1, 10)
        raise ZeroDivisionError
    assert shown(display).count("\x1b[?25h") == 1


def test_reading_ends_its_bar_by_itself():
    display = TerminalDisplay(console(terminal=True))
    for done in range(1, 4):
        display.reading(done, 3)
    assert shown(display).endswith("\x1b[2K")
    display.reading(1_000_000, None)  # bytes of a download of unknown length
    display.close()
    assert "1,000,000" in shown(display)


def test_other_lines_do_not_tear_the_bar():
    """The compiler of kernels tells of itself on stderr, in the middle of a step."""
    display = TerminalDisplay(console(terminal=True))
    with display.running(epochs=1, steps=2, done=0):
        print("compiling kernels (first run only) ...", file=sys.stderr)
        display._bar[0].refresh()
    # the bar's line is cleared, the text takes its place, and the bar goes on below
    assert re.search(r"\x1b\[2Kcompiling kernels [^\n]*\.\.\.\n.*epoch 1/1 ", shown(display))


def test_the_speed_of_a_resumed_run_is_that_of_its_own_steps():
    display = TerminalDisplay(console(terminal=True))
    with display.running(epochs=10, steps=100, done=730):
        bar, _ = display._bar
        (shown_task,) = bar.tasks
        assert (shown_task.description, shown_task.completed) == ("epoch 8/10", 730)
        assert shown_task.speed is None


def test_what_is_prepared_is_said(tmp_path):
    display = TerminalDisplay(console(terminal=False))
    parts = (stripes(n) for n in (1234, 5, 6))
    splits = Splits(*parts, skipped=(Skipped("a[b].png", "it is broken"),))
    display.prepared(splits, small_trainer().model, tmp_path)
    assert shown(display).splitlines() == [
        "left out a[b].png: it is broken",
        "1,234 images to train, 5 to validate, 6 to test; 3 classes, 8 x 8 x 1",
        # 3 * 3 * 4 + 4 of the convolution, 2 * 4 of the norm, 6 * 6 * 4 * 3 + 3 of the answer
        f"483 parameters; checkpoints in {tmp_path}",
        "",
    ]
