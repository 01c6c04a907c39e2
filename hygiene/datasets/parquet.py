"""Parquet files with a picture in each row: Hugging Face's Image feature (struct of bytes, path), or plain binary."""

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hygiene.datasets import sharded
from hygiene.datasets.base import Shard, Sink, Writer
from hygiene.datasets.folder import MAX_FILE_BYTES
from hygiene.detectors.base import Unreadable
from hygiene.errors import ConfigurationError
from hygiene.records import Record

SUFFIX = ".parquet"
BATCH_ROWS = 64
READ_BYTES = 1 << 18  # per column
GROUP_BYTES = 64 << 20
"""Rows are gathered up to this much before they are written as a row group, never over the end of a source's group."""


@dataclass(frozen=True, slots=True)
class Row(sharded.ShardEntry):
    """number: of the row in its file, from 0. One with a flaw stands for a file that cannot be read."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as it was read: `index` in a record batch of row group `group`, with all of its columns."""

    group: int
    batch: Any
    index: int


@dataclass(frozen=True)
class ParquetReader(sharded.ShardReader):
    """Reads Parquet files; a row's id is its file and number. `picture` is the column with the pictures; empty: the one
    that can hold some.
    """

    def _listed(self, path: str) -> tuple[Shard, int]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            status = (self.root / path).stat()
            with pq.ParquetFile(self.root / path) as file:
                schema, metadata = file.schema_arrow, file.metadata
        except (OSError, pa.ArrowException) as error:
            return Shard(path, (Row(path, -1, -1, flaw=_fault(error)),)), 0
        picture_column(schema, self.picture, self.root / path)
        size, mtime_ns = status.st_size, status.st_mtime_ns
        rows = (Row(f"{path}/{i}", size, mtime_ns, number=i) for i in range(metadata.num_rows))
        return Shard(path, tuple(rows), _cuts(metadata)), 0

    def read(self, shard: Shard, sidecars: bool = False) -> Iterator[Record | Unreadable]:
        rows = {row.number: row for row in shard.entries if isinstance(row, Row) and not row.flaw}
        broken = [Unreadable(row.id, row.flaw) for row in shard.entries if isinstance(row, Row) and row.flaw]
        found = self._read(shard, rows, sidecars) if rows else iter(())
        yield from broken or found

    def _read(self, shard: Shard, rows: dict[int, Row], whole: bool) -> Iterator[Record | Unreadable]:
        import pyarrow as pa

        path = self.root / shard.name
        try:
            if path.stat().st_mtime_ns != next(iter(rows.values())).mtime_ns:
                yield from sharded.all_unreadable(shard, "changed: another program wrote the shard during the run")
                return
            file = _opened(path)
        except (OSError, pa.ArrowException) as error:
            yield from sharded.all_unreadable(shard, f"cannot be opened: {error}")
            return
        with file:
            column = picture_column(file.schema_arrow, self.picture, path)
            first = 0
            for group in range(file.num_row_groups):
                after = first + file.metadata.row_group(group).num_rows
                wanted = [rows[number] for number in range(first, after) if number in rows]
                yield from _group(file, group, column, wanted, first, whole)
                first = after

    def writer(self, root: Path) -> Writer:
        return ParquetWriter(root, self)


class ParquetWriter(sharded.ShardWriter):
    """Writes Parquet files of the same schema and compression: rows as they were, or with another picture."""

    suffix = SUFFIX

    def __init__(self, root: Path, reader: ParquetReader) -> None:
        super().__init__(root)
        self._reader = reader

    @contextmanager
    def open(self, shard: Shard, even_empty: bool = False) -> Iterator[Sink]:
        import pyarrow as pa

        source = self._reader.root / shard.name
        with (
            sharded.placed(self.path(shard)) as partial,
            contextlib.closing(RowSink(source, partial, self._reader.picture)) as sink,
        ):
            try:
                if even_empty and sink.form:
                    sink.writer()
                yield sink
                sink.end()
            except pa.ArrowException as error:
                raise ConfigurationError(f"pyarrow cannot write what {source} holds: {error}") from None


class RowSink:
    """Takes rows of a file in their order, and writes them group by group to another, which the first one makes."""

    def __init__(self, source: Path, path: Path, picture: str) -> None:
        self.form = _form(source)
        self._source, self._path, self._picture = source, path, picture
        self._writer: Any = None
        self._batch: Any = None
        self._group = -1
        self._taken: list[tuple[int, bytes | None]] = []
        self._gathered: list[Any] = []

    def writer(self) -> Any:
        """The file that is written, of the source's schema."""
        import pyarrow.parquet as pq

        if self._writer is None:
            if self.form is None:
                raise ConfigurationError(f"{self._source} changed during the run: run the same command again")
            schema, layout = self.form
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path, schema, write_batch_size=BATCH_ROWS, **layout)
        return self._writer

    def write(self, record: Record, data: bytes | None = None) -> None:
        self.writer()
        stored = record.stored
        assert isinstance(stored, Stored)
        if stored.batch is not self._batch:
            self._take()
            if stored.group != self._group or sum(batch.nbytes for batch in self._gathered) > GROUP_BYTES:
                self._flush()
            self._batch, self._group = stored.batch, stored.group
        self._taken.append((stored.index, data))

    def end(self) -> None:
        if self._writer:
            self._take()
            self._flush()

    def close(self) -> None:
        if self._writer:
            self._writer.close()

    def _take(self) -> None:
        if self._taken:
            self._gathered.append(self._with_pictures(self._batch))
            self._taken = []

    def _flush(self) -> None:
        import pyarrow as pa

        if self._gathered:
            table = pa.Table.from_batches(self._gathered)
            self._writer.write_table(table, row_group_size=len(table))
            self._gathered = []

    def _with_pictures(self, batch: Any) -> Any:
        """The rows that were taken, with their new pictures."""
        rows = _rows(batch, [index for index, _ in self._taken])
        if all(data is None for _, data in self._taken):
            return rows
        at = rows.schema.get_field_index(picture_column(rows.schema, self._picture, self._source))
        old = _pictures(rows.column(at)).to_pylist()
        new = [before if data is None else data for before, (_, data) in zip(old, self._taken, strict=True)]
        return rows.set_column(at, rows.schema.field(at), _replaced(rows.column(at), new))


def _pictures(column: Any) -> Any:
    """The bytes that a column holds, whether by themselves or in a struct."""
    import pyarrow as pa

    return column.flatten()[column.type.get_field_index("bytes")] if pa.types.is_struct(column.type) else column


def _replaced(column: Any, pictures: list[bytes | None]) -> Any:
    """A column of the same type with other pictures; whatever else a struct holds stays."""
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        return pa.array(pictures, column.type)
    at, children = column.type.get_field_index("bytes"), column.flatten()
    children[at] = pa.array(pictures, column.type.field(at).type)
    return pa.StructArray.from_arrays(children, fields=list(column.type), mask=column.is_null())


def _rows(batch: Any, wanted: list[int]) -> Any:
    """Some rows of a batch, in order, in memory of their own. `take` does not know all types."""
    import pyarrow as pa

    if len(wanted) == len(batch):
        return batch
    edges = [i for i in range(len(wanted)) if i == 0 or wanted[i] != wanted[i - 1] + 1] + [len(wanted)]
    runs = [batch.slice(wanted[first], after - first) for first, after in pairwise(edges)]
    return pa.concat_batches(runs)


def _opened(path: Path) -> Any:
    """Read page by page: row groups may be larger than the memory."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, buffer_size=READ_BYTES)


def picture_column(schema: Any, asked: str, path: Path) -> str:
    """The name of the column with the pictures; ConfigurationError where it is not to be told."""
    able = [field.name for field in schema if _can_hold(field.type)]
    if asked in able:
        return asked
    if asked:
        kind = f"of type {schema.field(asked).type}" if asked in schema.names else "not there"
        raise ConfigurationError(f"the column {asked!r} of {path} is {kind}: expected {_expected(able, schema)}")
    found = [name for name in _declared(schema) if name in able] or able
    if len(found) > 1:
        raise ConfigurationError(
            f"{path} may have its pictures in each of {', '.join(found)}: say which (--picture {found[0]})"
        )
    if not found:
        raise ConfigurationError(f"{path} has no column of pictures: expected {_expected(able, schema)}")
    return found[0]


def _expected(able: list[str], schema: Any) -> str:
    there = ", ".join(able) or ", ".join(f"{field.name} ({_short(field.type)})" for field in schema) or "no column"
    return f"encoded pictures (binary, or a struct with bytes); there {'are' if schema.names else 'is'} {there}"


def _short(type: Any) -> str:
    text = str(type)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _can_hold(type: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(type):
        at = type.get_field_index("bytes")
        return at >= 0 and _can_hold(type.field(at).type) and not pa.types.is_struct(type.field(at).type)
    if pa.types.is_dictionary(type):
        return _can_hold(type.value_type)
    return bool(pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_binary_view(type))


def _declared(schema: Any) -> list[str]:
    """The columns that Hugging Face's description of the data set in a file's metadata calls pictures."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _group(
    file: Any, group: int, column: str, wanted: list[Row], first: int, whole: bool
) -> Iterator[Record | Unreadable]:
    """The wanted rows of one row group, whose first row is `first`. Damage costs what lies behind it in the group.

    whole: with all of their columns; a row of which another column cannot be read is unreadable too.
    """
    import pyarrow as pa

    waiting = iter(wanted)
    row = next(waiting, None)
    try:
        if row is not None:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=None if whole else [column]):
                pictures = _pictures(batch.column(column))
                while row is not None and row.number < first + len(batch):
                    index = row.number - first
                    data = pictures[index].as_py()
                    flaw = _flaw(data, batch.column(column), index)
                    if whole:
                        yield Record(row.id, b"" if flaw else data, flaw=flaw, stored=Stored(group, batch, index))
                    else:
                        yield Unreadable(row.id, flaw) if flaw else Record(row.id, data)
                    row = next(waiting, None)
                first += len(batch)
    except (OSError, pa.ArrowException) as error:
        reason = _fault(error)
        while row is not None:
            yield Unreadable(row.id, reason)
            row = next(waiting, None)


def _flaw(data: bytes | None, column: Any, index: int) -> str:
    """Why a row has no picture to look at; empty where it has one."""
    if data is None:
        return f"no picture: the row holds {_path(column, index) or 'none'}"
    return f"too large: {len(data)} bytes, the limit is {MAX_FILE_BYTES}" if len(data) > MAX_FILE_BYTES else ""


def _path(column: Any, index: int) -> str:
    """Where a row without bytes says that its picture lies: nobody follows it."""
    import pyarrow as pa

    at = column.type.get_field_index("path") if pa.types.is_struct(column.type) else -1
    path = column.flatten()[at][index].as_py() if at >= 0 else None
    return f"the path {path!r}" if path else ""


def _form(source: Path) -> tuple[Any, dict[str, Any]] | None:
    """The schema and the layout of a file; None for one that cannot be read."""
    import pyarrow as pa

    try:
        with _opened(source) as file:
            return file.schema_arrow, _layout(file)
    except (OSError, pa.ArrowException):
        return None


def _cuts(metadata: Any) -> tuple[int, ...]:
    """The first rows of row groups, where at least PART_RECORDS rows lie between: a group is read from its start."""
    cuts = [0]
    first = 0
    for group in range(metadata.num_row_groups):
        if first >= cuts[-1] + sharded.PART_RECORDS:
            cuts.append(first)
        first += metadata.row_group(group).num_rows
    return tuple(cuts[1:])


def _layout(file: Any) -> dict[str, Any]:
    """Compression and dictionaries of each column, as the source's first row group has them."""
    if not file.num_row_groups:
        return {}
    group = file.metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    return {
        "compression": {
            each.path_in_schema: each.compression.lower().replace("uncompressed", "none") for each in columns
        },
        "use_dictionary": [
            each.path_in_schema for each in columns if {"RLE_DICTIONARY", "PLAIN_DICTIONARY"} & set(each.encodings)
        ],
    }


def _fault(error: Exception) -> str:
    return f"not a whole Parquet file: {' '.join(str(error).split())[:200]}"
