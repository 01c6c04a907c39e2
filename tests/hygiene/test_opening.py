import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hygiene.datasets import open_reader
from hygiene.datasets.folder import FolderReader
from hygiene.datasets.parquet import ParquetReader
from hygiene.datasets.webdataset import WebdatasetReader
from hygiene.errors import ConfigurationError


def png():
    file = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(file, "png")
    return file.getvalue()


def tar(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        header = tarfile.TarInfo("a.png")
        header.size = len(png())
        archive.addfile(header, io.BytesIO(png()))


def table(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": [png()]}), path)


def names(reader):
    return [shard.name for shard in reader.listing().shards]


def test_what_lies_there_tells_the_format(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(png())
    table(tmp_path / "pictures/metadata.parquet")  # Hugging Face's ImageFolder has one
    assert isinstance(open_reader(tmp_path / "pictures"), FolderReader)
    tar(tmp_path / "img2dataset/00000.tar")
    table(tmp_path / "img2dataset/00000.parquet")
    (tmp_path / "img2dataset/00000_stats.json").write_text("{}")
    reader = open_reader(tmp_path / "img2dataset")
    assert isinstance(reader, WebdatasetReader)
    assert reader.listing().passed_over == 2
    table(tmp_path / "hub/data/train-00000-of-00001.parquet")
    (tmp_path / "hub/README.md").write_text("a card")
    reader = open_reader(tmp_path / "hub")
    assert isinstance(reader, ParquetReader)
    assert names(reader) == ["data/train-00000-of-00001.parquet"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="holds no pictures"):
        open_reader(tmp_path / "empty").listing()


def test_a_file_is_told_by_its_content(tmp_path):
    tar(tmp_path / "shard.bin")
    table(tmp_path / "rows")
    (tmp_path / "picture.tar.png").write_bytes(png())
    assert isinstance(open_reader(tmp_path / "shard.bin"), WebdatasetReader)
    assert isinstance(open_reader(tmp_path / "rows"), ParquetReader)
    assert isinstance(open_reader(tmp_path / "picture.tar.png"), FolderReader)


def test_pictures_beside_shards_are_a_question(tmp_path):
    tar(tmp_path / "a.tar")
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(ConfigurationError, match=r"pictures and tar files: say which are meant \(--input-format"):
        open_reader(tmp_path)
    assert isinstance(open_reader(tmp_path, "folder"), FolderReader)
    assert isinstance(open_reader(tmp_path, "webdataset"), WebdatasetReader)
    with pytest.raises(ConfigurationError, match=r"holds no .parquet files"):
        open_reader(tmp_path, "parquet")


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_compressed_shards_are_refused_and_not_passed_over(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    tar(tmp_path / "b.tar")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ConfigurationError, match="is a compressed tar file"):
            open_reader(path)


def test_patterns_name_shards_as_in_webdataset(tmp_path):
    for i in range(4):
        tar(tmp_path / f"x/{i:03d}.tar")
    tar(tmp_path / "y/000.tar")
    assert names(open_reader(tmp_path / "x/{000..002}.tar")) == ["000.tar", "001.tar", "002.tar"]
    assert names(open_reader(tmp_path / "{x,y}/000.tar")) == ["x/000.tar", "y/000.tar"]
    assert names(open_reader(tmp_path / "x/*.tar")) == ["000.tar", "001.tar", "002.tar", "003.tar"]
    assert names(open_reader(tmp_path / "?/00[01].tar")) == ["x/000.tar", "x/001.tar", "y/000.tar"]
    with pytest.raises(ConfigurationError, match=r"x/004.tar does not exist: expected files that the pattern"):
        open_reader(tmp_path / "x/{000..004}.tar")
    with pytest.raises(ConfigurationError, match=r"z\*\.tar does not exist"):
        open_reader(tmp_path / "z*.tar")
    with pytest.raises(ConfigurationError, match=r"braces in .* do not match"):
        open_reader(tmp_path / "x/{000..002.tar")
    table(tmp_path / "x/000.parquet")
    with pytest.raises(ConfigurationError, match=r"several formats \(parquet, webdataset\)"):
        open_reader(tmp_path / "x/000.*")
    (tmp_path / "x/a.png").write_bytes(png())
    with pytest.raises(ConfigurationError, match="names pictures"):
        open_reader(tmp_path / "x/*.png")


def test_a_name_with_wildcards_in_it_is_that_name(tmp_path):
    tar(tmp_path / "{000..001}[x].tar")
    assert names(open_reader(tmp_path / "{000..001}[x].tar")) == ["{000..001}[x].tar"]


def test_hidden_files_are_passed_over_and_empty_shards_are_nothing_to_read(tmp_path):
    tar(tmp_path / ".cache/0.tar")
    tar(tmp_path / ".0.tar")
    tar(tmp_path / "1.tar")
    assert names(open_reader(tmp_path)) == ["1.tar"]
    (tmp_path / "1.tar").write_bytes(bytes(tarfile.RECORDSIZE))  # an archive of nothing
    with pytest.raises(ConfigurationError, match="its shards are empty"):
        open_reader(tmp_path).listing()


def test_a_picture_is_named_in_shards_only(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(ConfigurationError, match="picture 'jpg' is for shards"):
        open_reader(tmp_path, picture="jpg")
