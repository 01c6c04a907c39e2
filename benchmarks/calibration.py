"""Are the promises of the policies kept? Tables for docs/calibration.md.

    python -m benchmarks.calibration [FOLDER ...]

Real scores of the `spread` codec on crops of the pictures under the folders (scikit-image's photographs without
one). Recall: how often a threshold calibrated on tagged crops keeps what it promises. False positives: untagged
crops against fresh random keys, counted beside the nominal p.
"""

import argparse
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import special

from benchmarks.photographs import opened, sources
from hygiene import images, statistics
from hygiene.codecs.spread import Spread
from hygiene.errors import InfeasibleError
from hygiene.keys import Key
from hygiene.policies import Calibration, TargetRecall, nominal_fpr

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

CROPS = 40  # per picture
CALIBRATION_SAMPLES = 300
RECALLS = (0.5, 0.8, 0.9, 0.95, 0.99)
DRAWS = 1000
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)


def crops(source: str, side: int, count: int, rng: np.random.Generator) -> Pixels:
    """Random squares of the picture, [count, side, side, 3], from the picture at a short side of 4 × side."""
    image = opened(source)
    image.thumbnail((image.width * 4 * side // min(image.size), image.height * 4 * side // min(image.size)))
    places = [[int(rng.integers(0, each - side + 1)) for each in image.size] for _ in range(count)]
    return np.stack([np.asarray(image.crop((x, y, x + side, y + side))) for x, y in places])


def processed(picture: Pixels) -> Pixels:
    """Stored as JPEG 90, as a detector decodes it."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=90)
    return images.decode_luma(out.getvalue()).luma


def tagged_scores(names: list[str], key: Key, side: int, rng: np.random.Generator) -> Floats:
    """log10 p [pictures, CROPS] of tagged and processed crops."""
    codec = Spread()
    rows = []
    for name in names:
        marked = codec.embed(crops(name, side, CROPS, rng), key)
        rows.append(codec.score(np.stack([processed(picture) for picture in marked]), key).log10_p)
    return np.stack(rows)


def recall_rows(scores: Floats, recall: float, by_picture: bool, rng: np.random.Generator) -> str:
    """How often one of `DRAWS` calibrations promises a recall that its threshold does not have on all of `scores`."""
    true: list[float] = []
    prices: list[float] = []
    for _ in range(DRAWS):
        sample = drawn_pictures(scores, rng) if by_picture else rng.choice(scores.ravel(), CALIBRATION_SAMPLES)
        try:
            limit = TargetRecall(recall, Calibration("spread", tuple(sample))).threshold([]).max_log10_p
        except InfeasibleError:
            continue
        true.append(float(np.mean(scores <= limit)))
        prices.append(nominal_fpr(limit))
    broken, refused = sum(share < recall for share in true), DRAWS - len(true)
    low, high = statistics.clopper_pearson(broken, DRAWS)
    found = f"{np.mean(true):.3f} | {min(true):.3f} | {np.median(prices):.1g}" if true else "– | – | –"
    return f"| {recall:g} | {refused} | {broken / DRAWS:.3f} [{low:.3f}, {high:.3f}] | {found} |"


def drawn_pictures(scores: Floats, rng: np.random.Generator) -> Floats:
    """All crops of a few pictures: as many scores as before, but far from independent."""
    return scores[rng.choice(len(scores), math.ceil(CALIBRATION_SAMPLES / CROPS), replace=False)].ravel()


def false_positive_rows(names: list[str], side: int, keys: int, rng: np.random.Generator) -> Iterator[str]:
    """One untagged crop of each picture against `keys` fresh keys."""
    hosts = np.concatenate([crops(name, side, 1, rng) for name in names])
    codec = Spread()
    log10_p = np.concatenate([codec.score(hosts, Key(rng.bytes(32))).log10_p for _ in range(keys)])
    for level in LEVELS:
        seen, expected = int(np.sum(log10_p <= math.log10(level))), level * log10_p.size
        yield f"| {side} | {level:g} | {log10_p.size:,} | {expected:,.0f} | {seen:,} | {ratio(seen, expected)} |"


def ratio(seen: int, expected: float, digits: int = 2) -> str:
    """seen / expected with the exact 95 % Poisson interval of the count (Garwood 1936)."""
    low = special.gammaincinv(seen, 0.025) if seen else 0.0
    high = special.gammaincinv(seen + 1, 0.975)
    value, low, high = (f"{each / expected:.{digits}f}" for each in (seen, low, high))
    return f"{value} [{low}, {high}]"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--keys", type=int, default=1500, help="fresh keys per untagged picture")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    names = sources(arguments.folders)
    scores = tagged_scores(names, Key(rng.bytes(32)), 256, rng)
    print(
        f"{scores.size:,} tagged crops of {len(names)} pictures; {DRAWS:,} calibrations of {CALIBRATION_SAMPLES} each"
    )
    for by_picture, title in ((False, "drawn at random"), (True, "all crops of a few pictures")):
        print(f"\nCalibration samples {title}:\n")
        print(
            "| promised | refused | broken | mean true recall | least | median nominal FPR |\n|---|---|---|---|---|---|"
        )
        print(*(recall_rows(scores, recall, by_picture, rng) for recall in RECALLS), sep="\n")
    print("\n| short side | nominal p | scores | expected | seen | seen / expected |\n|---|---|---|---|---|---|")
    for side in (64, 256):
        print(*false_positive_rows(names, side, arguments.keys, rng), sep="\n")


if __name__ == "__main__":
    main()
