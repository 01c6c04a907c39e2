"""One picture by one codec, measured; and a file of such lines, from which a run that was broken off goes on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

Case = tuple[str, int, str, str, str]


@dataclass(frozen=True)
class Row:
    """One picture at one short side by one codec. log10_p and seconds (decoding and scoring): by processing.

    psnr is infinite where no mark could be kept invisible and the picture came back unchanged.
    """

    picture: str
    side: int
    shape: str
    codec: str
    version: str
    psnr: float
    ssim: float
    embedding: float
    log10_p: dict[str, float]
    seconds: dict[str, float]

    @property
    def case(self) -> Case:
        return self.picture, self.side, self.shape, self.codec, self.version


def joined(rows: Iterable[Row]) -> dict[Case, Row]:
    """One row per case; what later ones measured is added to the earlier."""
    found: dict[Case, Row] = {}
    for row in rows:
        known = found.setdefault(row.case, row)
        known.log10_p.update(row.log10_p)
        known.seconds.update(row.seconds)
    return found


def read(path: Path | None) -> list[Row]:
    """The rows of a file, none where there is no file yet."""
    if path is None or not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]


def append(path: Path, row: Row) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(row)) + "\n")
