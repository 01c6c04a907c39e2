"""What was done, with what, to which bytes: scores, the manifest, and whose a folder is. Resuming reads it."""

import contextlib
import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import hygiene
from hygiene import files, images
from hygiene.datasets.base import Shard
from hygiene.datasets.folder import PICTURE_SUFFIXES
from hygiene.datasets.opening import SHARD_SUFFIXES
from hygiene.detectors.base import Detection, Unreadable
from hygiene.errors import ConfigurationError
from hygiene.filtering import Evidence

MANIFEST = "manifest.json"
OWN = ".hygiene"  # hidden folder of an output: the lock, and what `tag` resumes from
_META = b"hygiene.fingerprint"
_COLUMNS = ("id", "detector", "log10_p", "statistic", "finding", "declared", "reason")


def fingerprint(shard: Shard, settings: Mapping[str, Any]) -> str:
    """Names what a shard's result depends on: its listing, the settings, and the software that decodes and scores."""
    software = {"hygiene": hygiene.__version__, "decoder": images.BACKEND}
    facts = {"listing": shard.digest, "settings": settings, "software": software}
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def versions() -> dict[str, str]:
    """What the manifest says about the software."""
    import scipy

    return {
        "hygiene": hygiene.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "decoder": images.BACKEND,
    }


def write_scores(path: Path, rows: Sequence[Evidence], mark: str) -> None:
    """One Parquet row per record, in order: id, detector, log10_p, statistic, finding (JSON), declared, reason.

    An unreadable record has a reason and no score; a scored one has no reason. `mark` is the `fingerprint`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": pa.array([_printable(row.id) for row in rows], pa.string()),
            "detector": pa.array([getattr(row, "detector", None) for row in rows], pa.string()),
            "log10_p": pa.array([getattr(row, "log10_p", None) for row in rows], pa.float64()),
            "statistic": pa.array([getattr(row, "statistic", None) for row in rows], pa.float64()),
            "finding": pa.array(
                [json.dumps(row.finding) if row.finding or isinstance(row, Detection) else None for row in rows],
                pa.string(),
            ),
            "declared": pa.array([getattr(row, "declared", None) for row in rows], pa.string()),
            "reason": pa.array([getattr(row, "reason", None) for row in rows], pa.string()),
        }
    ).replace_schema_metadata({_META: mark.encode()})
    files.renamed(path, lambda partial: pq.write_table(table, partial))


def read_scores(path: Path, mark: str) -> list[Evidence] | None:
    """What `write_scores` stored under this `mark`; None when it is absent, torn, or of something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read(use_threads=False)
    except (OSError, pa.ArrowException):
        return None
    if (table.schema.metadata or {}).get(_META) != mark.encode():
        return None
    columns = [_values(table[name]) for name in _COLUMNS]
    return [_evidence(*values) for values in zip(*columns, strict=True)]


def read_log10_p(path: Path) -> NDArray[np.float64]:
    """The evidence of the readable records of one score file, [n]."""
    import pyarrow.parquet as pq

    column = pq.ParquetFile(path).read(columns=["log10_p"])["log10_p"]
    return np.asarray(column.drop_null().to_numpy(), dtype=np.float64)


def _values(column: Any) -> list[Any]:
    """A column as a list. Most of its strings repeat, and one scalar of Arrow for each value takes long."""
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        values: list[Any] = column.to_numpy().tolist()  # where there is none: NaN, which nobody asks for
        return values
    encoded = column.combine_chunks().dictionary_encode()
    unique = [*encoded.dictionary.to_pylist(), None]
    return [unique[i] for i in encoded.indices.fill_null(len(unique) - 1).to_numpy(zero_copy_only=False).tolist()]


def _evidence(
    id: str,
    detector: str,
    log10_p: float,
    statistic: float,
    finding: str | None,
    declared: Any,
    reason: str | None,
) -> Evidence:
    found = json.loads(finding) if finding not in (None, "{}") else {}
    if reason is not None:
        return Unreadable(_original(id), reason, declared or "", found)
    return Detection(_original(id), detector, log10_p, statistic, found, declared)


def _printable(id: str) -> str:
    """File names may hold bytes that are no UTF-8 (surrogates in Python), which Parquet strings cannot."""
    return id.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode()


def _original(printable: str) -> str:
    if "\\" not in printable:
        return printable
    return printable.encode("latin-1", "backslashreplace").decode("unicode_escape")


def claim(source: Path, out: Path, command: str) -> dict[str, Any]:
    """Make sure that `out` may be written by `command`; the manifest of its earlier run, or an empty one.

    Refuses an `out` that is, holds or lies in `source`, and a folder with content that this command did not
    make. An interrupted run is told by its manifest, which is written first and says complete: false.
    """
    here, there = source.resolve(), out.resolve()
    if there == here or here in there.parents or there in here.parents:
        raise ConfigurationError(f"{out} and {source} lie in each other: choose an output folder outside the input")
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"{out} is a file: expected a folder to write to")
    if not out.exists() and out.suffix.lower() in PICTURE_SUFFIXES | SHARD_SUFFIXES:
        what = "shard" if out.suffix.lower() in SHARD_SUFFIXES else "picture"
        raise ConfigurationError(f"{out} is named like a {what}: expected a folder, where {what}s keep their names")
    earlier = files.read_json(out / MANIFEST)
    if isinstance(earlier, dict) and earlier.get("tool") == "hygiene" and earlier.get("command") == command:
        if earlier.get("source") != str(here):
            raise ConfigurationError(
                f"{out} holds the output for {earlier.get('source')}, not for {here}: choose another output folder"
            )
        return earlier
    if out.exists() and {path.name for path in out.iterdir()} - {OWN, files.partial_name(out / MANIFEST).name}:
        raise ConfigurationError(
            f"{out} is not empty and no output of `hygiene {command}`: choose a new folder, nothing in it is touched"
        )
    return {}


def check_apart(root: Path, shards: Iterable[Shard], out: Path) -> None:
    """Refuse shards of `root` that lie in `out`: a pattern that names them takes an earlier run's output for input."""
    there = out.resolve()
    found = next((shard.name for shard in shards if there in (root / shard.name).resolve().parents), None)
    if found is not None:
        raise ConfigurationError(
            f"{root / found} lies in the output folder {out}, and the input's pattern names it too: "
            "choose an output folder that the pattern does not reach, or a narrower pattern"
        )


@contextlib.contextmanager
def locked(out: Path, earlier: Mapping[str, Any]) -> Iterator[None]:
    """Keep other runs out of `out` for the length of the block; `earlier` is what `claim` returned.

    The operating system drops the lock with the process, however that ends: none is ever stale.
    """
    (out / OWN).mkdir(parents=True, exist_ok=True)
    with (out / OWN / "lock").open("w") as file:
        if not _lock(file) or (files.read_json(out / MANIFEST) or {}) != earlier:
            raise ConfigurationError(f"another run is writing to {out}: wait for its end, or choose another folder")
        yield


def _lock(file: IO[str]) -> bool:
    """False if another process holds it. Where file locks cannot be had, nothing is locked."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def manifest(command: str, source: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The frame that every manifest shares; `facts` follow it."""
    return {"tool": "hygiene", "command": command, "source": str(source.resolve()), "versions": versions()} | dict(
        facts
    )
