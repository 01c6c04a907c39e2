"""Are our dwt_dct, dwt_dct_svd and rivagan the package's? Bit by bit, both ways round, on photographs.

Of rivagan only what is embedded; `benchmarks.compatible_rivagan` compares its bits.

Needs `pip install '.[rivagan]'` and the pictures of `benchmarks.photographs.HELD_OUT`, or folders with others. Every
picture is reduced to a short side of 512 pixels and cut to its middle square. Prints Markdown tables; a few minutes.
"""

import argparse
import io
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks import photographs
from benchmarks.unmarked import compressed
from hygiene.codecs import DwtDct, DwtDctSvd, Rivagan
from hygiene.codecs.bits import PayloadCodec
from hygiene.codecs.blocks import BlockCodec
from hygiene.codecs.low_band import low_band, rounded_blocks
from hygiene.keys import Key

Pixels = NDArray[Any]

METHODS = {"dwt_dct": "dwtDct", "dwt_dct_svd": "dwtDctSvd", "rivagan": "rivaGan"}
"""Our names and the package's."""

BITS = {"dwt_dct": 64, "dwt_dct_svd": 64, "rivagan": 32}


def codec(name: str) -> PayloadCodec:
    if name == "rivagan":
        return Rivagan(threads=1)
    return {"dwt_dct": DwtDct, "dwt_dct_svd": DwtDctSvd}[name](BITS[name])


def package() -> Any:
    try:
        return import_module("imwatermark")
    except ImportError as error:
        raise SystemExit(f"cannot import invisible-watermark ({error}): pip install '.[rivagan]'") from None


def levels(picture: Pixels) -> Pixels:
    """What the package takes: BGR, uint8, or float32 in 0..255 where ours has 0..1."""
    return np.ascontiguousarray((picture if picture.dtype == np.uint8 else picture * np.float32(255))[..., ::-1])


def stock_decode(picture: Pixels, name: str, bits: int) -> Pixels:
    return np.asarray(package().WatermarkDecoder("bits", bits).decode(levels(picture), METHODS[name]))


def stock_embed(picture: Pixels, name: str, payload: Pixels) -> Pixels:
    encoder = package().WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in payload])
    marked = encoder.encode(levels(picture), METHODS[name])[..., ::-1]
    return marked if picture.dtype == np.uint8 else np.clip(marked / np.float32(255), 0, 1)


@contextmanager
def bands_in_place() -> Iterator[None]:
    """Within it the package's swap of two detail bands is undone, and nothing else."""
    pywt = import_module("pywt")
    original = pywt.idwt2
    pywt.idwt2 = lambda bands, wavelet: original((bands[0], (bands[1][1], bands[1][0], bands[1][2])), wavelet)
    try:
        yield
    finally:
        pywt.idwt2 = original


def stored(picture: Pixels, quality: int, subsampling: int) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(compressed(picture, quality, subsampling))).convert("RGB"))


@dataclass
class Equality:
    """Of one codec in one condition. worst: of the differing blocks, the largest distance of a value to what divides
    zeros from ones (a multiple of 18)."""

    pictures: int = 0
    bits: int = 0
    differing: int = 0
    worst: float = 0.0

    def add(self, ours: Pixels, theirs: Pixels, distance: Pixels) -> None:
        off = ours != theirs
        self.pictures += 1
        self.bits += off.size
        self.differing += int(off.sum())
        self.worst = max(self.worst, float(distance[off].max(initial=0.0)))


@dataclass
class Exchange:
    """Of one codec and one kind of pixels, picture by picture: shares of right bits by embedder and reader; PSNR."""

    right: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    psnr: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def distances(picture: Pixels, name: str) -> Pixels:
    """[blocks]: how far each block's value is from the nearest multiple of 18."""
    if picture.dtype == np.uint8:
        blocks = rounded_blocks(picture, np.ones([side // 8 for side in picture.shape[:2]], dtype=bool))
    else:
        low = low_band(picture)
        blocks = low.reshape(len(low) // 4, 4, -1, 4).swapaxes(1, 2).reshape(-1, 4, 4)
    if name == "dwt_dct":
        value = np.abs(blocks.reshape(-1, 16)[:, 1:]).max(axis=1)
    else:
        value = np.linalg.svd(blocks.astype(np.float64), compute_uv=False)[:, 0]
    return np.abs(np.mod(value + 9, 18) - 9)


def conditions(host: Pixels, marked: Pixels) -> Iterator[tuple[str, Pixels]]:
    """What is decoded, uint8 and float32."""
    yield "unmarked", host
    yield "unmarked, JPEG 90 4:4:4", stored(host, 90, 0)
    yield "marked by the package", marked
    yield "marked by the package, JPEG 95 4:4:4", stored(marked, 95, 0)
    yield "marked by the package, JPEG 75 4:2:0", stored(marked, 75, 2)
    yield "unmarked, float32", host / np.float32(255)
    yield "marked by the package, float32", marked / np.float32(255)


def compare_blocks(host: Pixels, name: str, payload: Pixels, found: dict[str, Equality]) -> None:
    """Every block decides one bit, so that no majority hides a difference."""
    codec_ = codec(name)
    assert isinstance(codec_, BlockCodec)
    for condition, picture in conditions(host, stock_embed(host, name, payload)):
        ours = codec_.ones(picture).ravel()
        found[condition].add(ours, stock_decode(picture, name, ours.size), distances(picture, name))


def exchange(host: Pixels, name: str, payload: Pixels, found: Exchange) -> None:
    reader = codec(name)
    for embedder, marked in {
        "ours": reader.embed_payload(host[None], payload)[0],
        "package": stock_embed(host, name, payload),
    }.items():
        for by, bits in {
            "ours": reader.decode(marked[None])[0],
            "package": stock_decode(marked, name, len(payload)),
        }.items():
            found.right[f"{embedder} read by {by}"].append(float((bits == payload).mean()))
        found.psnr[embedder].append(psnr(marked, host))
    if name != "rivagan":
        with bands_in_place():
            found.psnr["bands"].append(psnr(stock_embed(host, name, payload), host))


def psnr(marked: Pixels, host: Pixels) -> float:
    scale = 255 if host.dtype == np.uint8 else 1
    error = np.mean((marked.astype(np.float64) - host.astype(np.float64)) ** 2)
    return float(10 * np.log10(scale**2 / error))


def equality_table(name: str, found: dict[str, Equality]) -> Iterator[str]:
    for condition, each in found.items():
        share = f"{100 * (1 - each.differing / each.bits):.4f} %"
        worst = f"{each.worst:.1e}" if each.differing else ""
        yield f"| {name} | {condition} | {each.pictures} | {each.bits:,} | {each.differing} | {share} | {worst} |"


def exchange_row(name: str, kind: str, found: Exchange) -> str:
    ours, theirs, bands = (np.array(found.psnr[embedder]) for embedder in ("ours", "package", "bands"))
    better = np.percentile(ours - theirs, [0, 10, 50, 90, 100])
    rights = " | ".join(f"{np.mean(each):.4f}" for each in found.right.values())
    gain = " / ".join(f"{each:+.1f}" for each in better)
    means = " | ".join(f"{each.mean():.2f}" if each.size else "" for each in (ours, theirs, bands))
    return f"| {name} | {kind} | {len(ours)} | {rights} | {means} | {gain} |"


def squares(folders: list[Path], side: int, count: int) -> list[Pixels]:
    names = photographs.sources(folders) if folders else photographs.listed(photographs.HELD_OUT)
    chosen = names[:: max(len(names) // count, 1)][:count]
    return [
        np.asarray(ImageOps.fit(photographs.opened(name), (side, side), Image.Resampling.LANCZOS)) for name in chosen
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compatible", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="pictures, at any depth")
    parser.add_argument("--codec", action="append", choices=METHODS, help="one of them, may be repeated")
    parser.add_argument("--pictures", type=int, default=171)
    parser.add_argument("--side", type=int, default=512, help="of the squares, in pixels")
    options = parser.parse_args()
    hosts = squares(options.folders, options.side, options.pictures)
    names = options.codec or ["dwt_dct", "dwt_dct_svd"]
    equal: dict[str, dict[str, Equality]] = {name: defaultdict(Equality) for name in names}
    exchanged: dict[tuple[str, str], Exchange] = defaultdict(Exchange)
    for name in names:
        if name == "rivagan":
            package().WatermarkEncoder.loadModel()
        for index, host in enumerate(hosts):
            payload = codec(name).payload(Key(index.to_bytes(32, "big")))
            if name != "rivagan":
                compare_blocks(host, name, payload, equal[name])
                exchange(host / np.float32(255), name, payload, exchanged[name, "float32"])
            exchange(host, name, payload, exchanged[name, "uint8"])
    print("| codec | pixels | pictures | bits | differing | equal | farthest from a boundary |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name in names:
        print(*equality_table(name, equal[name]), sep="\n")
    print("\n| codec | pixels | pictures | " + " | ".join(exchanged[names[0], "uint8"].right), end="")
    print(" | PSNR, ours | PSNR, package | PSNR, package with bands in place", end="")
    print(" | ours − package: least / 10 % / median / 90 % / most |")
    print("|---|---|" + "---:|" * 9)
    for (name, kind), found in exchanged.items():
        print(exchange_row(name, kind, found))


if __name__ == "__main__":
    main()
