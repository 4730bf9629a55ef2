"""Tar headers: what tarfile writes in any format is read as tarfile reads it."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data.shards.members import read_members
from tinyvision.errors import DataError

NAMES = st.one_of(
    st.text("abc/.ä", min_size=1, max_size=20).filter(lambda name: not name.endswith("/")),
    st.integers(95, 300).map(lambda n: "long/" * (n // 5) + "x.jpg"),
    st.integers(95, 300).map(lambda n: "x" * n + ".jpg"),
)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])


def tar_of(members, format):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "elsewhere"
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def read(content):
    file = io.BytesIO(content)
    return [(name, file.read(size)) for name, size in read_members(file, "a.tar")]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=1500)), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_as_tarfile_reads_it(members, format):
    content = tar_of(members, format)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        expected = [(m.name, tar.extractfile(m).read()) for m in tar if m.isreg()]
    assert read(content) == expected


def test_ustar_prefixes_and_no_end():
    name = "folder/" * 20 + "name.jpg"  # 148 bytes, in two fields
    content = tar_of([(name, tarfile.REGTYPE, b"abc")], tarfile.USTAR_FORMAT)
    assert read(content) == read(content[:1024]) == [(name, b"abc")]


def test_the_oldest_tars_have_no_type():
    assert read(tar_of([("a.jpg", tarfile.AREGTYPE, b"x")], tarfile.USTAR_FORMAT)) == [
        ("a.jpg", b"x")
    ]


def test_sizes_beyond_eight_gigabytes_are_binary():
    member = tarfile.TarInfo("a.jpg")
    member.size = 9 << 30
    header = member.tobuf(tarfile.GNU_FORMAT)
    assert next(read_members(io.BytesIO(header), "a.tar")) == ("a.jpg", 9 << 30)


@pytest.mark.parametrize("at", [3, 130, 150, 200])
def test_a_damaged_header_is_refused(at):
    content = bytearray(tar_of([("a.jpg", tarfile.REGTYPE, b"abc")], tarfile.USTAR_FORMAT))
    content[at] ^= 0x41
    with pytest.raises(DataError, match=r"a\.tar is a damaged shard"):
        read(bytes(content))
    with pytest.raises(DataError, match=r"a\.tar is a damaged shard"):
        read(bytes(content[:300]))
