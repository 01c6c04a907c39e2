"""Where things lie in tar files, held against tarfile on archives of every writer at hand."""

import io
import subprocess
import tarfile

import pytest

from hygiene.datasets.tar import END, Member, members_of

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "a folder/" * 20 + "name"


def header(name, kind=tarfile.REGTYPE, size=0, **fields):
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, size
    for field, value in fields.items():
        setattr(made, field, value)
    return made


HEADERS = {
    "plain": header("a.png", size=700),
    "empty": header("a.png"),
    "a block": header("a.png", size=512),
    "v7 file": header("a.png", tarfile.AREGTYPE, 5),
    "contiguous": header("a.png", tarfile.CONTTYPE, 5),
    "prefix": header("p" * 90 + "/" + "n" * 90 + ".png", size=5),
    "100 characters": header("n" * 100, size=5),
    "long": header(LONG, size=5),
    "umlauts": header("ä" * 40 + ".png", size=5),
    "no UTF-8": header("\udcff\udcfe.png", size=5),
    "a line break": header("a\nb.png", size=5),
    "huge owner": header("a.png", size=5, uid=1 << 40, gid=1 << 33),
    "negative time": header("a.png", size=5, mtime=-5),
    "fraction of a second": header("a.png", size=5, mtime=1234567890.25),
    "owner's name": header("a.png", size=5, uname="jemandä", gname="g" * 31),
    "own field": header("a.png", size=5, pax_headers={"SCHILY.xattr.user.a": "ä"}),
    "three times": header("a.png", size=5, mtime=1.5, pax_headers={"atime": "2.5", "ctime": "3"}),
    "a time and a path": header(LONG, size=5, mtime=1.5),
    "a time and a size": header("a.png", size=600, mtime=1.5, pax_headers={"size": "600"}),
    "a time of a link": header("a.png", tarfile.SYMTYPE, linkname="b", mtime=1.5),
    "many times": header("a.png", size=5, pax_headers={"mtime": "1." + "0" * 600}),
    "no time": header("a.png", size=5, pax_headers={"mtime": "yesterday"}),
    "other path": header("a.png", size=5, pax_headers={"path": "b.png"}),
    "folder": header("a.png", tarfile.DIRTYPE),
    "v7 folder": header("a.png/", tarfile.AREGTYPE),
    "symbolic link": header("a.png", tarfile.SYMTYPE, linkname=LONG * 2),
    "hard link": header("a.png", tarfile.LNKTYPE, linkname="before.png"),
    "device": header("a.png", tarfile.CHRTYPE, devmajor=7, devminor=1),
    "pipe": header("a.png", tarfile.FIFOTYPE),
    "unknown kind": header("a.png", b"Z", 5),
    "volume": header("label", b"V"),
}


def check(path):
    """The members of `path` are those that tarfile finds, with their contents, and lie without gaps."""
    content = path.read_bytes()
    members, fault = members_of(path)
    assert not fault
    with tarfile.open(path, "r:", encoding="utf-8") as tar:
        expected = [each for each in tar if not each.isdir()]
        assert [(each.name, each.start) for each in members] == [(each.name, each.offset) for each in expected]
        for found, each in zip(members, expected, strict=True):
            assert found.is_file == (each.isreg() and not each.issparse())
            if found.is_file:
                assert content[found.at : found.at + found.size] == tar.extractfile(each).read()
            with tarfile.open(fileobj=io.BytesIO(content[found.start : found.stop] + END), encoding="utf-8") as alone:
                (inner,) = alone
                assert (inner.name, inner.size, inner.type) == (each.name, each.size, each.type)
    return members


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("what", HEADERS)
def test_every_kind_of_header_means_what_tarfile_says(tmp_path, form, what):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=FORMATS[form], encoding="utf-8") as tar:
        tar.addfile(header("before.png", size=3), io.BytesIO(b"abc"))
        try:
            tar.addfile(HEADERS[what], io.BytesIO(bytes(range(256)) * 4))
        except ValueError:
            pytest.skip("the format cannot say this")
        tar.addfile(header("behind.png", size=3), io.BytesIO(b"xyz"))
    names = [each.name for each in check(path)]
    assert (names[0], names[-1]) == ("before.png", "behind.png")


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "pax"])
def test_gnu_tars_formats(tmp_path, form):
    for folder in ("loose", "loose/inner"):
        (tmp_path / folder).mkdir()
        for i in range(3):
            (tmp_path / folder / f"{i}.png").write_bytes(bytes([i]) * (511 + i))
    (tmp_path / "loose/link.png").symlink_to("0.png")
    (tmp_path / "loose/hard.png").hardlink_to(tmp_path / "loose/0.png")
    subprocess.run(
        ["tar", f"--format={form}", "--sort=name", "-cf", tmp_path / "a.tar", "."], cwd=tmp_path / "loose", check=True
    )
    assert len(check(tmp_path / "a.tar")) == 8


@pytest.mark.parametrize("options", [["gnu"], ["oldgnu"], ["pax", "0.0"], ["pax", "0.1"], ["pax", "1.0"]])
def test_files_with_holes_lie_where_they_lie(tmp_path, options):
    (tmp_path / "0.png").write_bytes(b"before")
    with (tmp_path / "1.png").open("wb") as file:
        for place in range(0, 60 << 20, 1 << 20):  # more pieces than one header names
            file.seek(place)
            file.write(b"piece")
    (tmp_path / "2.png").write_bytes(b"behind")
    form, *version = options
    command = ["tar", "-S", f"--format={form}", *(f"--sparse-version={each}" for each in version)]
    subprocess.run([*command, "-cf", "a.tar", "0.png", "1.png", "2.png"], cwd=tmp_path, check=True)
    members = check(tmp_path / "a.tar")
    assert [(each.name, each.is_file) for each in members] == [("0.png", True), ("1.png", False), ("2.png", True)]
    assert members[1].stop == members[2].start < 1 << 20


def test_headers_that_hold_for_all_are_told_with_what_follows_them(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "of all", "uid": "77"}) as tar:
        for name in ("a.png", "b.png"):
            tar.addfile(header(name, size=3), io.BytesIO(b"abc"))
    first, second = check(path)
    assert first.common == second.common == path.read_bytes()[: first.start]
    assert first.start == 1024


def test_an_archive_behind_the_end_is_told(tmp_path):
    for name in ("a", "b"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as tar:
            tar.addfile(header(f"{name}.png", size=3), io.BytesIO(b"abc"))
    joined = tmp_path / "joined.tar"
    joined.write_bytes((tmp_path / "a.tar").read_bytes() + (tmp_path / "b.tar").read_bytes())
    members, fault = members_of(joined)
    assert [each.name for each in members] == ["a.png"]
    assert fault == "the archive ends at byte 1024, and another follows: join tar files with tar -A, not cat"
    joined.write_bytes((tmp_path / "a.tar").read_bytes() + b"rubbish")
    assert not members_of(joined)[1]


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x80" + bytes(3) + b"\x01" + bytes(7)])
def test_sizes_that_no_file_has_end_the_archive(tmp_path, size):
    path = tmp_path / "a.tar"
    blocks = []
    for name, number in (("a.png", None), ("b.png", size)):
        block = bytearray(header(name).tobuf(tarfile.USTAR_FORMAT))
        block[124:136] = number or block[124:136]
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        blocks.append(bytes(block))
    path.write_bytes(b"".join(blocks) + bytes(1024))
    members, fault = members_of(path)
    assert members == [Member("a.png", 0, 512, 512, 0, True)]
    assert fault


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_about_headers_without_end_are_damage(tmp_path, kind):
    path = tmp_path / "a.tar"
    block = header("x", kind).tobuf(tarfile.USTAR_FORMAT)
    path.write_bytes(block * 5000 + header("a.png").tobuf() + bytes(1024))
    assert members_of(path) == ([], "a header that makes no sense behind byte 0")


@pytest.mark.parametrize("place", [0, 50, 105, 130, 150, 157, 260, 332, 400])
def test_a_damaged_header_ends_the_archive_where_tarfile_stops(tmp_path, place):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("a.png", "b.png", "c.png"):
            tar.addfile(header(name, size=3), io.BytesIO(b"abc"))
    content = bytearray(path.read_bytes())
    content[1024 + place] ^= 0x55
    path.write_bytes(content)
    members, fault = members_of(path)
    with tarfile.open(path) as tar:
        assert [each.name for each in members] == tar.getnames() == ["a.png"]
    assert fault == "no end of the archive at byte 1024"
