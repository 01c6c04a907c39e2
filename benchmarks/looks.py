"""One pass over a JPEG for keyed and public marks: what it costs, and what a keyed mark loses or gains by its luma.

    python -m benchmarks.looks scores
    python -m benchmarks.looks times --pictures 8

Held-out photographs, the middle square of each, brought to every side and stored as JPEG. scores: marked or not, and
scored as a run for keyed marks alone decodes them, and as one that looks for public marks too. times: of decoding, in
processor time, which other processes on the machine add little to; the least of several rounds.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from PIL import Image

from benchmarks import marks, photographs
from benchmarks.unmarked import compressed
from hygiene.codecs.spread import Spread
from hygiene.looks import Look

SUBSAMPLINGS = {"4:2:0": 2, "4:4:4": 0}
LEVEL = -9.0
KEY = 2
ROUNDS = 15
Lumas = tuple[np.ndarray, np.ndarray]


def square(source: str, side: int) -> np.ndarray:
    """The middle of a photograph, at `side`, uint8 [side, side, 3]."""
    picture = photographs.opened(source)
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    middle = picture.crop((left, top, left + edge, top + edge))
    return np.asarray(middle.resize((side, side), Image.Resampling.LANCZOS))


def lumas(file: bytes) -> Lumas:
    """Of a run for keyed marks alone, and of one that looks at colour too."""
    return Look(file).picture.luma, Look(file, both=True).picture.luma


def log10_p(luma: np.ndarray) -> float:
    return float(Spread().score(luma[None], marks.key(KEY)).log10_p[0])


def measured(source: str, sides: Sequence[int], qualities: Sequence[int]) -> Iterator[tuple[tuple, float, float]]:
    """Of one photograph: (side, subsampling, quality, marked), and log10 p from either luma."""
    for side in sides:
        pixels = square(source, side)
        marked = Spread().embed(pixels[None], marks.key(KEY))[0]
        for name, quality, tagged in product(SUBSAMPLINGS, qualities, (True, False)):
            alone, both = lumas(compressed(marked if tagged else pixels, quality, SUBSAMPLINGS[name]))
            first = log10_p(alone)
            yield (side, name, quality, tagged), first, first if np.array_equal(alone, both) else log10_p(both)


def row(case: tuple, pairs: np.ndarray) -> str:
    """pairs: log10 p [n, 2], keyed alone and beside colour."""
    side, name, quality, tagged = case
    change = pairs[:, 1] - pairs[:, 0]
    found = (pairs <= LEVEL).sum(axis=0)
    spread = f"{np.median(change):+.2f} | {change.min():+.2f} … {change.max():+.2f}"
    medians = f"{np.median(pairs[:, 0]):.1f} | {np.median(pairs[:, 1]):.1f}"
    kind = "marked" if tagged else "unmarked"
    return f"| {side} | {name} | {quality} | {kind} | {found[0]} | {found[1]} | {medians} | {spread} |"


def scores(chosen: Sequence[str], sides: Sequence[int], qualities: Sequence[int]) -> None:
    found: dict[tuple, list[tuple[float, float]]] = {}
    for source in chosen:
        for case, alone, both in measured(source, sides, qualities):
            found.setdefault(case, []).append((alone, both))
    print(f"{len(chosen)} photographs; found: log10 p ≤ {LEVEL:g}; change: beside colour less alone\n")
    print("| side | JPEG | quality | | found, alone | beside colour | median log10 p, alone | beside colour "
          "| median change | least … most |")  # fmt: skip
    print("|---" * 10 + "|")
    for case, pairs in sorted(found.items(), key=lambda item: (not item[0][3], item[0])):
        print(row(case, np.array(pairs)))


def milliseconds(decode: Callable[[bytes], object], files: Sequence[bytes]) -> float:
    """Of processor time for a file, the least of ROUNDS."""
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for file in files:
            decode(file)
        spent.append(time.process_time() - start)
    return 1000 * min(spent) / len(files)


def together(file: bytes) -> object:
    look = Look(file, both=True)
    return look.picture, look.chroma


def times(chosen: Sequence[str], sides: Sequence[int], qualities: Sequence[int]) -> None:
    print("| side | JPEG | quality | luma alone, ms | colour alone | both in one pass | two passes / one |")
    print("|---" * 7 + "|")
    for side, name, quality in product(sides, SUBSAMPLINGS, qualities):
        files = [compressed(square(source, side), quality, SUBSAMPLINGS[name]) for source in chosen]
        luma = milliseconds(lambda file: Look(file).picture, files)
        colour = milliseconds(lambda file: Look(file).chroma, files)
        both = milliseconds(together, files)
        print(
            f"| {side} | {name} | {quality} | {luma:.2f} | {colour:.2f} | {both:.2f} | {(luma + colour) / both:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scores", "times"])
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--sides", type=int, nargs="+", default=[300, 512, 701, 768, 1024])
    parser.add_argument("--qualities", type=int, nargs="+", default=[90, 50])
    options = parser.parse_args()
    listed = photographs.listed(photographs.HELD_OUT)
    chosen = [listed[i] for i in np.linspace(0, len(listed) - 1, options.pictures).astype(int)]
    {"scores": scores, "times": times}[options.what](chosen, options.sides, options.qualities)


if __name__ == "__main__":
    main()
