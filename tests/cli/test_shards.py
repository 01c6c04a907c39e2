"""Shards on the command line: the guide's commands and Python as they stand, and what users get wrong."""

import io
import json
import re
import shlex
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage import data

from cli.main import main
from hygiene.datasets import AUTO, FORMATS

PAGE = (Path(__file__).parents[2] / "docs/shards.md").read_text("utf-8")


def hygiene(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def refused(*arguments):
    """What a user reads: one line, and nothing on stdout."""
    result = hygiene(*arguments)
    assert result.exit_code == 2, result.output
    assert not result.stdout
    assert result.stderr.count("\n") == 1
    return result.stderr.strip()


def pictures():
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        file = io.BytesIO()
        Image.fromarray(getattr(data, name)()[:256, :256]).save(file, "png")
        yield name, file.getvalue()


def write_tar(path, members):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for shard in range(2):
        found = list(pictures())[2 * shard : 2 * shard + 2]
        members = [(f"{name}.{end}", each) for name, png in found for end, each in (("png", png), ("txt", b"words"))]
        write_tar(tmp_path / f"made/{shard:05d}.tar", members)
    write_tar(tmp_path / "crawl/0.tar", [(f"{name}.png", png) for name, png in pictures()])
    assert hygiene("keygen", "my.key").exit_code == 0
    return tmp_path


def test_the_commands_of_the_guide_run(folder):
    commands = [line.removeprefix("$ hygiene ") for line in PAGE.splitlines() if line.startswith("$ ")]
    assert len(commands) == 3
    results = [hygiene(*shlex.split(command)) for command in commands]
    assert [result.exit_code for result in results] == [0, 0, 0], [result.output for result in results]
    found = [line.split()[0] for line in results[1].stdout.splitlines() if line.endswith("yes")]
    assert found == [f"0000{i // 2}.tar/{name}.png" for i, (name, _) in enumerate(pictures())]
    with tarfile.open("clean/kept/0.tar") as tar:
        assert tar.getnames() == [f"{name}.png" for name, _ in pictures()]


def test_the_python_of_the_guide_runs(folder, capsys):
    (folder / "loose").mkdir()
    for name, png in pictures():
        (folder / "loose" / f"{name}.png").write_bytes(png)
    shards, batches = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(shards, "shards.md", "exec"), {})
    assert capsys.readouterr().out.startswith("Counts(kept=0, excluded={")
    exec(compile(batches, "shards.md", "exec"), {})
    assert len(json.loads(capsys.readouterr().out)) == 4


def test_parquet_goes_the_same_way(folder):
    table = pa.table({"image": [{"bytes": png, "path": name} for name, png in pictures()], "n": [0, 1, 2, 3]})
    (folder / "rows").mkdir()
    pq.write_table(table, "rows/part-0.parquet")
    assert hygiene("tag", "rows", "tagged", "--key", "my.key").exit_code == 0
    lines = [
        json.loads(line) for line in hygiene("detect", "tagged/part-0.parquet", "--key", "my.key").stdout.splitlines()
    ]
    assert [(line["id"], line["found"]) for line in lines] == [(f"part-0.parquet/{i}", True) for i in range(4)]
    result = hygiene("filter", "tagged", "clean", "--key", "my.key", "--format", "json")
    assert json.loads(result.stdout)["outputs"][0]["excluded"] == 4
    assert pq.read_table("clean/excluded/part-0.parquet")["n"].to_pylist() == [0, 1, 2, 3]


def test_what_is_given_back_does_not_depend_on_how_the_pool_is_divided(folder):
    assert hygiene("tag", "made", "tagged", "--key", "my.key").exit_code == 0
    policy = ("--key", "my.key", "--give-back", "0.5")
    for pool, out in (("tagged", "whole"), ("tagged/00000.tar", "first"), ("tagged/00001.tar", "second")):
        assert hygiene("filter", pool, out, *policy).exit_code == 0
    listed = {out: kept_ids(folder / out) for out in ("whole", "first", "second")}
    assert listed["whole"] == listed["first"] + listed["second"]
    assert 0 < len(listed["whole"]) < 4
    copied = []
    for path in sorted((folder / "whole/kept").glob("*.tar")):
        with tarfile.open(path) as tar:
            copied += tar.getnames()
    assert [name for name in copied if name.endswith("png")] == [id.rpartition("/")[2] for id in listed["whole"]]


def kept_ids(out):
    rows = [json.loads(line) for line in (out / "kept.jsonl").read_text().splitlines()]
    assert all(row["given_back"] for row in rows)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("command", ["tag", "filter"])
def test_a_pattern_that_reaches_its_own_output_is_refused_when_run_again(folder, command):
    pool, out, key = "made/**/*.tar", folder / "made/out", ("--key", "my.key")
    assert hygiene(command, pool, out, *key).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*"))}
    assert "lies in the output folder" in refused(command, pool, out, *key)
    assert {path: path.stat().st_mtime_ns for path in sorted(out.rglob("*"))} == before
    assert hygiene(command, "made/*.tar", folder / "made/beside", *key).exit_code == 0
    assert hygiene(command, "made/*.tar", folder / "made/beside", *key).exit_code == 0  # which it does not reach


def test_the_formats_to_choose_from_are_those_that_are_read():
    (option,) = [each for each in main.get_command(None, "filter").params if each.name == "input_format"]
    assert list(option.type.choices) == [AUTO, *FORMATS]


def test_mistakes_are_told_in_one_line(folder):
    (folder / "crawl/a.png").write_bytes(b"x")
    key = ("--key", "my.key")
    assert refused("filter", "crawl", "out", *key) == (
        "hygiene: crawl holds pictures and tar files: say which are meant (--input-format folder or webdataset)"
    )
    assert "made holds no .parquet files" in refused("detect", "made", *key, "--input-format", "parquet")
    assert "made/00002.tar does not exist" in refused("tag", "made/{00000..00002}.tar", "out", *key)
    assert "picture 'png' is for shards" in refused("detect", "crawl/a.png", *key, "--picture", "png")
    assert "no record that can be read: 00000.tar/astronaut: no picture" in refused(
        "detect", "made", *key, "--picture", "gif"
    )
    (folder / "made/2.tar.gz").write_bytes(b"x")
    assert "is a compressed tar file" in refused("calibrate", "made", "c.json", *key)
    (folder / "torn.tar").write_bytes(b"torn")
    assert "not a whole tar file" in refused("detect", "torn.tar", *key)
    assert refused("filter", "made/00000.tar", "made/00001.tar", "out", *key) == (
        "hygiene: 2 shards were given, such as made/00000.tar, expected one input: put the pattern in quotes, or name "
        "the folder"
    )
    assert not (folder / "out").exists()
