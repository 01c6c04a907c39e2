"""What the `spread` mark survives: a table for docs/robustness.md.

    python -m benchmarks.robustness [--search deep] [FOLDER ...]

Every picture under the folders (scikit-image's photographs without one) is brought to each short side, marked with
a key of its own, processed, and scored the way `hygiene detect` scores it. Pictures are reduced, never enlarged.
"""

import argparse
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from hygiene import engines, images, statistics
from hygiene.codecs.spread import SEARCHES, Spread
from hygiene.errors import HygieneError
from hygiene.keys import Key

Pixels = NDArray[np.uint8]
SIDES = (64, 256, 512, 1024)
STRENGTHS: tuple[float | None, ...] = (None, 45.0)
MAX_LOG10_P = -9.0
PHOTOGRAPHS = ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "brick", "grass", "gravel")


def stored(format: str, quality: int) -> Callable[[Image.Image], Image.Image | bytes]:
    def save(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.save(out, format, quality=quality)
        return out.getvalue()

    return save


def scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    def resize(image: Image.Image) -> Image.Image:
        width, height = (max(28, round(side * factor)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    return resize


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    def crop(image: Image.Image) -> Image.Image:
        left, top = (round(side * (1 - share) / 2) for side in image.size)
        return image.crop((left, top, image.width - left, image.height - top))

    return crop


def noisy(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 10, np.asarray(image).shape)
    return Image.fromarray(np.clip(np.round(np.asarray(image) + noise), 0, 255).astype(np.uint8))


def gamma(image: Image.Image) -> Image.Image:
    return image.point([round(255 * (level / 255) ** 1.4) for level in range(256)] * len(image.getbands()))


PROCESSING: dict[str, Callable[[Image.Image], Image.Image | bytes]] = {
    "none": lambda image: image,
    "JPEG 90": stored("JPEG", 90),
    "JPEG 75": stored("JPEG", 75),
    "JPEG 50": stored("JPEG", 50),
    "JPEG 30": stored("JPEG", 30),
    "WebP 80": stored("WEBP", 80),
    "resize × 0.5": scaled(0.5),
    "resize × 0.75": scaled(0.75),
    "resize × 1.5": scaled(1.5),
    "resize × 0.5, JPEG 75": lambda image: stored("JPEG", 75)(scaled(0.5)(image)),
    "noise σ 10": noisy,
    "blur σ 1": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "blur σ 2": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "brightness + 20 %": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "brightness − 20 %": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "contrast + 20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "contrast − 20 %": lambda image: ImageEnhance.Contrast(image).enhance(0.8),
    "greyscale": lambda image: image.convert("L"),
    "gamma 1.4": gamma,
    "shift by 7, 5 pixels": lambda image: image.crop((7, 5, image.width, image.height)),
    "crop 5 % of each side": cropped(0.95),
    "crop 5 %, back to size": lambda image: cropped(0.95)(image).resize(image.size, Image.Resampling.BICUBIC),
    "squash width × 0.9": lambda image: image.resize((round(image.width * 0.9), image.height)),
    "horizontal flip": ImageOps.mirror,
    "rotate 2°": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
}


@dataclass(frozen=True)
class Task:
    """One picture (a file, or the name of a photograph in scikit-image) with the number that its key derives from."""

    source: str
    number: int
    search: str


@dataclass(frozen=True)
class Measured:
    """One picture at one short side and strength. log10_p: per processing, in the order of PROCESSING.

    psnr is infinite where no mark could be kept invisible and the picture came back unchanged.
    """

    side: int
    strength: float | None
    psnr: float
    ssim: float
    log10_p: tuple[float, ...]


def measure(task: Task) -> list[Measured]:
    image, key = opened(task.source), Key(np.random.default_rng(task.number).bytes(32))
    sides = [side for side in SIDES if side <= min(image.size)]
    return [row for side in sides for row in measured(reduced(image, side), side, key, task.search)]


def opened(source: str) -> Image.Image:
    if os.sep in source:
        return Image.open(source).convert("RGB")
    from skimage import data

    return Image.fromarray(getattr(data, source)()).convert("RGB")


def reduced(image: Image.Image, side: int) -> Image.Image:
    width, height = (round(each * side / min(image.size)) for each in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def measured(host: Image.Image, side: int, key: Key, search: str) -> Iterator[Measured]:
    pixels = np.asarray(host)
    for strength in STRENGTHS:
        marked = Spread(strength).embed(pixels[None], key)[0]
        image = Image.fromarray(marked)
        scores = tuple(score(process(image), key, search) for process in PROCESSING.values())
        yield Measured(side, strength, images.psnr(pixels, marked), images.ssim(pixels, marked), scores)


def score(processed: Image.Image | bytes, key: Key, search: str) -> float:
    pixels = images.decode_luma(processed).luma if isinstance(processed, bytes) else np.asarray(processed)
    return float(Spread(search=search).score(pixels[None], key).log10_p[0])


def sources(folders: list[Path]) -> list[str]:
    if not folders:
        return list(PHOTOGRAPHS)
    files = sorted({path.resolve() for folder in folders for path in folder.rglob("*") if path.is_file()})
    return [str(path) for path in files if is_picture(path)]


def is_picture(path: Path) -> bool:
    try:
        picture = images.decode_luma(path.read_bytes())
    except HygieneError:
        return False
    return min(picture.width, picture.height) >= SIDES[0]


def table(rows: list[Measured], strength: float | None) -> Iterator[str]:
    """Markdown: a row per processing, a column per short side."""
    columns = {side: [row for row in rows if (row.side, row.strength) == (side, strength)] for side in SIDES}
    columns = {side: found for side, found in columns.items() if found}
    yield "| processing | " + " | ".join(f"{side} px (n = {len(found)})" for side, found in columns.items()) + " |"
    yield "|---" * (1 + len(columns)) + "|"
    marked = [[row for row in found if np.isfinite(row.psnr)] for found in columns.values()]
    yield "| could be marked | " + " | ".join(str(len(found)) for found in marked) + " |"
    yield (
        "| their mean PSNR, dB | "
        + " | ".join(f"{np.mean([row.psnr for row in found]):.1f}" for found in marked)
        + " |"
    )
    yield "| their mean SSIM | " + " | ".join(f"{np.mean([row.ssim for row in found]):.4f}" for found in marked) + " |"
    for i, name in enumerate(PROCESSING):
        cells = (cell(np.array([row.log10_p[i] for row in found])) for found in columns.values())
        yield f"| {name} | " + " | ".join(cells) + " |"


def cell(log10_p: NDArray[np.float64]) -> str:
    hits = int((log10_p <= MAX_LOG10_P).sum())
    low, high = statistics.clopper_pearson(hits, log10_p.size)
    return f"{hits / log10_p.size:.3f} [{low:.2f}, {high:.2f}] · {np.median(log10_p):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--search", choices=SEARCHES, default="fast", help="how far the detector looks")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    tasks = [Task(source, number, arguments.search) for number, source in enumerate(sources(arguments.folders))]
    with engines.processes(arguments.workers) as run:
        rows = [row for found in run(measure, tasks) for row in found]
    print("Each cell: TPR at p ≤ 1e-9 [95 % Clopper–Pearson interval] · median log10 p.")
    for strength in STRENGTHS:
        print(f"\n### {'Adaptive strength' if strength is None else f'{strength:g} dB'}\n")
        print(*table(rows, strength), sep="\n")


if __name__ == "__main__":
    main()
