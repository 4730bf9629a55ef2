"""The report as a user sees it in a terminal: complete, within the width, without colour too."""

import io
import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tinyvision.metrics import Report
from tinyvision.report import (
    show_classes,
    show_confusions,
    show_headline,
    show_report,
    show_worst_confusions,
)
from tinyvision.report.matrix import show_matrix
from tinyvision.report.words import fit, whole_percent

ANIMALS = Report(("cat", "dog", "owl"), ((90, 9, 1), (0, 100, 0), (40, 0, 160)), 0.25)


def plain(draw, report, width=80, encoding="utf-8"):
    """What a pipe or a log file receives, as lines."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding, write_through=True)
    draw(report, Console(file=file, width=width))
    return raw.getvalue().decode(encoding).splitlines()


def coloured(draw, report, width=80):
    """What a terminal with colours receives, escape codes decoded into styles."""
    file = io.StringIO()
    draw(report, Console(file=file, width=width, force_terminal=True, color_system="truecolor"))
    return [Text.from_ansi(line) for line in file.getvalue().splitlines()]


def random_report(K, images, seed=0, name="some long class name {}", right=0.8):
    """A report on K classes with the given number of images each."""
    rng = np.random.default_rng(seed)
    share = np.eye(K) * right + rng.dirichlet(np.full(K, 0.3), K) * (1 - right)
    rows = [rng.multinomial(images, row / row.sum()).tolist() for row in share]
    return Report(tuple(name.format(k) for k in range(K)), tuple(map(tuple, rows)), 1.5)


def test_matrix_without_colour_is_drawn_as_planned():
    assert plain(show_confusions, ANIMALS) == [
        "Confusion matrix (images)",
        "      predicted as",
        "true  cat  dog  owl",
        "cat   █90   ░9    1",
        "dog     · █100    ·",
        "owl   ▒40    · █160",
    ]


def test_matrix_in_ascii():
    assert plain(show_confusions, ANIMALS, encoding="ascii")[3:] == [
        "cat   #90   .9    1",
        "dog     - #100    -",
        "owl   :40    - #160",
    ]


def test_matrix_with_colour_shades_right_blue_and_wrong_orange():
    lines = coloured(show_confusions, ANIMALS)
    assert [line.plain for line in lines][3:] == [
        "cat    90    9    1 ",
        "dog     ·  100    · ",
        "owl    40    ·  160 ",
    ]

    def ground(row, column):  # the colour behind the number of a cell, (red, green, blue)
        style = Style.combine(
            [s.style for s in lines[3 + row].spans if s.start <= 7 + 5 * column < s.end]
        )
        return style.bgcolor.triplet

    assert ground(0, 0).blue > ground(0, 0).red  # 90 % right
    assert ground(0, 1).red > ground(0, 1).blue  # 9 % wrong
    assert ground(2, 0).red > ground(0, 1).red > ground(0, 2).red  # 20 % > 9 % > 1 % wrong
    assert ground(1, 0) == ground(1, 2) == ground(2, 1)  # nothing there
    assert ground(0, 2).red - ground(1, 0).red >= 40  # a single mistake in a hundred shows


@pytest.mark.parametrize("images", [7, 80, 5000, 1_000_000])
@pytest.mark.parametrize("K", range(2, 21))
def test_matrix_fits_80_columns_and_shows_every_count(K, images):
    report = random_report(K, images, seed=K)
    lines = plain(show_confusions, report)
    assert lines[0].startswith("Confusion matrix")
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) == 3 + K
    seen = [re.sub("[░▒▓█]", " ", line).split()[-K:] for line in lines[3:]]
    if lines[0].endswith("(images)"):
        expected = [["·" if n == 0 else str(n) for n in row] for row in report.confusion]
    else:
        assert lines[0].endswith("(per cent of the true class)")
        expected = [
            [
                "·" if n == 0 else "<1" if 100 * n < images else f"{100 * n / images:.0f}"
                for n in row
            ]
            for row in report.confusion
        ]
    assert seen == expected
    for k, line in enumerate(lines[3:]):
        assert line.lstrip().startswith(f"{k} some l")
    # With colour the same text stands there, cell for cell.
    for line, shaded in zip(lines[3:], coloured(show_confusions, report)[3:], strict=True):
        assert cell_len(shaded.plain) <= 80
        assert shaded.plain.rstrip() == re.sub("[░▒▓█]", " ", line)


def test_full_rows_in_the_tightest_layout():
    K = 20
    rows = tuple(tuple(5000 if t == p else 0 for p in range(K)) for t in range(K))
    lines = plain(show_confusions, Report(tuple(f"class {k}" for k in range(K)), rows, 0.0))
    assert lines[0].endswith("(per cent of the true class)")
    for k, line in enumerate(lines[3:]):
        assert line[12 + 3 * k :].startswith("100")  # the labels take 11 columns and a space
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("K", [21, 100])
def test_many_classes_get_a_list_of_the_worst(K):
    report = random_report(K, 50)
    lines = plain(show_confusions, report)
    assert lines[0] == "Most frequent confusions"
    assert len(lines) == 3 + 10
    worst = report.worst_confusions(1)[0]
    assert lines[3].startswith(worst.true)
    assert worst.predicted in lines[3]
    assert lines[3].endswith(f"{100 * worst.count / 50:.1f} %")
    with pytest.raises(ValueError, match=f"A matrix of {K} classes.*show_worst_confusions"):
        show_matrix(report, Console(file=io.StringIO(), width=200))


def test_a_narrow_console_gets_the_list_too():
    assert plain(show_confusions, random_report(15, 50), 50)[0] == "Most frequent confusions"


def test_no_mistakes_to_list():
    perfect = Report(("a", "b"), ((3, 0), (0, 4)), 0.0)
    assert plain(show_worst_confusions, perfect) == [
        "No confusions: every image was predicted right."
    ]


def test_headline():
    assert plain(show_headline, ANIMALS) == [
        # F1: cat 180/230, dog 200/209, owl 320/361
        "accuracy 87.50 %  macro F1 0.875  log loss 0.2500  400 images"
    ]
    one = Report(tuple("abcdef"), ((1, 0, 0, 0, 0, 0), *[(0,) * 6] * 5), 0.0, 1.0)
    line = plain(show_headline, one)[0]
    assert "top-5 100.00 %" in line
    assert line.endswith(" 1 image")


def test_class_table():
    lines = [line.split() for line in plain(show_classes, ANIMALS)]
    assert lines[0] == ["class", "precision", "recall", "F1", "images"]
    assert lines[2] == ["cat", "0.692", "0.900", "0.783", "100"]  # 90/130, 90/100, 180/230
    assert lines[3] == ["dog", "0.917", "1.000", "0.957", "100"]  # 100/109, 1, 200/209
    assert lines[4] == ["owl", "0.994", "0.800", "0.886", "200"]  # 160/161, 160/200, 320/361
    assert lines[6] == ["macro", "average", "0.868", "0.900", "0.875", "400"]
    assert lines[7] == ["micro", "average", "0.875", "0.875", "0.875", "400"]
    assert lines[8] == ["weighted", "average", "0.899", "0.875", "0.878", "400"]


def test_zeros_without_meaning_are_explained():
    report = Report(("a", "b", "c"), ((5, 0, 1), (2, 0, 0), (0, 0, 0)), 0.5)
    assert plain(show_classes, report)[-2:] == [
        "Without an image, recall counts as 0: c.",
        "Never predicted, precision counts as 0: b.",
    ]


def test_a_table_of_many_classes_lists_the_weakest():
    report = random_report(100, 50, seed=5, name="c{}")
    lines = plain(show_classes, report)
    assert lines[0] == "The 20 classes with the lowest F1, of 100"
    weakest = sorted(report.per_class, key=lambda scores: scores.f1)[:20]
    assert [line.split()[0] for line in lines[3:23]] == [scores.name for scores in weakest]


def test_wide_characters_stand_above_their_columns():
    report = Report(("日本", "b"), ((10, 2), (0, 30)), 0.5)
    assert plain(show_confusions, report)[2:] == [
        "true  日本     b",
        "日本   █10    ▒2",
        "b        ·   █30",
    ]


NAMES = ("[red]not markup[/red]", "two\nlines\x1b[31m", "日本語の長いクラス名前" * 4, "x" * 200)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("draw", [show_report, show_worst_confusions])
def test_any_class_name_keeps_the_lines_whole(draw, width):
    report = Report(NAMES, ((5, 1, 2, 3), (1, 6, 1, 1), (1, 1, 9, 1), (1, 1, 1, 8)), 0.5)
    lines = plain(draw, report, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "[red]" in text
    assert "two?lines?[31m" in text
    assert "\x1b" not in text
    assert "xx…xx" in text


def test_a_report_can_be_drawn_where_only_ascii_is_known():
    for K in (3, 12, 20, 21, 50):
        plain(show_report, random_report(K, 5000), encoding="ascii")  # would raise otherwise


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    show_confusions(ANIMALS, Console(file=file, width=80, force_terminal=True))
    assert "█160" in file.getvalue()
    assert "38;" not in file.getvalue()


def luminance(colour):
    """Relative luminance after WCAG 2.2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_shade_keeps_its_number_readable():
    """Contrast of at least 4.5 : 1, what WCAG 2.2 asks of text."""
    for wrong in range(1, 1000):
        report = Report(("a", "b"), ((1000 - wrong, wrong), (0, 1)), 0.5)
        row = coloured(show_confusions, report)[3]
        styles = [span.style for span in row.spans if span.style.bgcolor]
        assert len(styles) == 2
        for style in styles:
            a, b = luminance(style.color.triplet), luminance(style.bgcolor.triplet)
            assert (max(a, b) + 0.05) / (min(a, b) + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100"), (0.9999, "99"), (0.994, "99"), (0.5, "50"), (0.01, "1"), (0.004, "<1"), (0, "0")],
)
def test_whole_percent_never_rounds_a_mistake_away(share, text):
    assert whole_percent(share) == text


def test_long_names_are_cut_in_the_middle():
    console = Console(file=io.StringIO())
    assert fit("oxeye daisy, front view", 11, console) == "oxeye… view"
    assert fit("short", 5, console) == "short"
    assert cell_len(fit("日本語の長い名前", 8, console)) == 8
