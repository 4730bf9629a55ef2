"""The benchmark of streams, at a size that takes no time."""

import re
import sys

from benchmarks import data_stream


def test_it_streams_and_goes_on_after_a_kill(monkeypatch, capsys):
    monkeypatch.setattr(data_stream, "PHOTOS", (40, 48, 64))
    monkeypatch.setattr(sys, "argv", ["data_stream", "--gigabytes", "0.05", "--note-every", "1000"])
    data_stream.main()
    out = capsys.readouterr().out
    assert re.search(r"peak resident memory \d+ MB", out)
    assert re.search(
        r"killed \(exit -9\) at image [\d,]+; gone on with [\d,]+ images, the same", out
    )
