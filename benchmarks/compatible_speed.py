"""How many times faster than the package dwt_dct and dwt_dct_svd are, in processor time of one core.

A stopwatch on a busy machine says more of the others on it; processor time leaves them out, but for the caches that
they fill. `python -m pytest benchmarks/test_public_codecs.py` is the stopwatch. Prints a profile of dwt_dct
and the ratios as Markdown tables; four minutes.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.compatible import METHODS, Pixels, codec, levels, package
from benchmarks.test_public_codecs import DTYPES, KEY, SIDES, batch
from hygiene.codecs.low_band import low_band

ROUNDS, TIMES = 3, 8
"""Rounds of eight calls of the package and eight of ours: the first five of either side wait for the caches."""


def milliseconds(work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


Work = Callable[[Any], Any]


def compared(ours: Work, theirs: Work, pictures: Pixels) -> str:
    """Of every picture the fastest call in interleaved rounds, summed; their ratio. What disturbs only slows."""
    fastest = np.array([_fastest(ours, theirs, picture) for picture in pictures])
    mine, stock = fastest.sum(axis=0)
    return f"{mine:.2f} | {stock:.1f} | {stock / mine:.0f}"


def _fastest(ours: Work, theirs: Work, picture: Pixels) -> tuple[float, float]:
    one, given = picture[None], levels(picture)
    mine, stock = [], []
    for _ in range(ROUNDS):
        stock += [milliseconds(lambda: theirs(given)) for _ in range(TIMES)]
        mine += [milliseconds(lambda: ours(one)) for _ in range(TIMES)]
    return min(mine), min(stock)


def row(name: str, side: int, dtype: str) -> str:
    """Of four photographs, one after another."""
    ours, pictures = codec(name), batch(side, dtype)
    payload = ours.payload(KEY)
    encoder, decoder = package().WatermarkEncoder(), package().WatermarkDecoder("bits", ours.bits)
    encoder.set_watermark("bits", [int(bit) for bit in payload])
    decoding = compared(ours.decode, lambda given: decoder.decode(given, METHODS[name]), pictures)
    embedding = compared(
        lambda one: ours.embed_payload(one, payload), lambda given: encoder.encode(given, METHODS[name]), pictures
    )
    return f"| {name} | 4 × {side}², {dtype} | {decoding} | {embedding} |"


def profile(side: int, dtype: str) -> str:
    """Of dwt_dct and the first photograph: nanoseconds a pixel, the fastest of 50 rounds."""
    ours, picture = codec("dwt_dct"), batch(side, dtype)[0]
    payload, copy = ours.payload(KEY), np.empty_like(picture)
    works: list[Callable[[], Any]] = [
        lambda: np.copyto(copy, picture),
        lambda: low_band(picture),
        lambda: ours.decode(picture[None]),
        lambda: low_band(picture, copy),
        lambda: ours.embed_payload(picture[None], payload),
    ]
    fastest = [min(milliseconds(work) for _ in range(50)) for work in works]
    return f"| {side}², {dtype} | " + " | ".join(f"{1e6 * each / side**2:.2f}" for each in fastest) + " |"


def main() -> None:
    import_module("cv2").setNumThreads(1)
    print("| pixels | copying | U's low band | all of decoding | copying and the band | all of embedding |")
    print("|---|" + "---:|" * 5)
    for dtype in DTYPES:
        for side in SIDES:
            print(profile(side, dtype))
    print("\n| codec | pixels | decode: ours, ms | package | ratio | embed: ours, ms | package | ratio |")
    print("|---|---|" + "---:|" * 6)
    for name in ("dwt_dct", "dwt_dct_svd"):
        for dtype in DTYPES:
            for side in SIDES:
                print(row(name, side, dtype), flush=True)


if __name__ == "__main__":
    main()
