"""What a mark put in at the source is worth in the file, by what the generator returns: the table of docs/tagging.md.

    python -m benchmarks.outputs [--keys 10] [--side 64,128,256]

scikit-image's photographs, in colour where they have some, reduced to a short side, marked as Pillow's pictures or as a
pipeline's tensors in 0..1, rounded to 8 bits as diffusers does, written, and read as `hygiene detect` reads them.
"""

import argparse
import io
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image

from benchmarks import photographs
from benchmarks.robustness import reduced
from hygiene import images
from hygiene.codecs.spread import REQUIRED_LOG10_P, Spread
from hygiene.detectors import KeyedDetector
from hygiene.images import Pixels
from hygiene.keys import Key
from hygiene.looks import Look
from hygiene.outputs import Tagger

RETURNED = ("pictures", "float32", "float16", "bfloat16")
FILES = {"PNG": {"format": "PNG"}, "JPEG 90": {"format": "JPEG", "quality": 90}}


def marked(host: Pixels, returned: str, key: Key) -> Pixels:
    """[H, W, 3] as a user writes it."""
    if returned == "pictures":
        return np.asarray(Tagger(key)(Image.fromarray(host)))
    tensor = (torch.from_numpy(host.copy()).permute(2, 0, 1)[None] / 255).to(getattr(torch, returned))
    levels = (Tagger(key)(tensor)[0].permute(1, 2, 0).float().numpy() * 255).round()
    return np.asarray(levels, dtype=np.uint8)


def log10_p(pixels: Pixels, key: Key, options: dict[str, object]) -> float:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, **options)  # type: ignore[arg-type]
    return KeyedDetector(Spread(), key).detect("", Look(file.getvalue())).log10_p


def row(returned: str, side: int, keys: int) -> str:
    """A line of the table: psnr mean (least), and of each file the share found and the weakest mark."""
    psnr, found = [], {name: [] for name in FILES}
    for host, key in drawn(side, keys):
        pixels = marked(host, returned, key)
        psnr.append(images.psnr(host, pixels))
        for name, options in FILES.items():
            found[name].append(log10_p(pixels, key, options))
    cells = [f"{np.mean(psnr):.1f} ({min(psnr):.1f})"]
    cells += [f"{np.mean(np.array(each) <= REQUIRED_LOG10_P):.3f} ({max(each):.0f})" for each in found.values()]
    return f"| {side} | {returned} | {' | '.join(cells)} |"


def drawn(side: int, keys: int) -> Iterator[tuple[Pixels, Key]]:
    for number, name in enumerate(photographs.PHOTOGRAPHS):
        host = reduced(photographs.opened(name), side)
        for draw in range(keys):
            yield host, Key(np.random.default_rng([number, draw]).bytes(32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--side", default="64,128,256")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| short side | returned | PSNR, dB | {' | '.join(FILES)} |\n|---:|---|---|{'---|' * len(FILES)}")
    for side in map(int, given.side.split(",")):
        for returned in RETURNED:
            print(row(returned, side, given.keys), flush=True)


if __name__ == "__main__":
    main()
