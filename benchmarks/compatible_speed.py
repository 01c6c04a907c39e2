"""How many times faster than the package dwt_dct and dwt_dct_svd are, in processor time of one core.

A stopwatch on a busy machine says more of the others on it; processor time leaves them out, but for the caches that
they fill. `python -m pytest benchmarks/test_public_codecs.py` is the stopwatch. Prints a Markdown table; two minutes.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.compatible import METHODS, codec, levels, package
from benchmarks.test_public_codecs import DTYPES, KEY, SIDES, batch, last

ROUNDS = 7


def milliseconds(work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


def compared(ours: Callable[[], Any], theirs: Callable[[], Any]) -> str:
    """The fastest of interleaved rounds and their ratio, after a round to warm up: whatever disturbs only slows."""
    rounds = [(milliseconds(ours), milliseconds(theirs)) for _ in range(ROUNDS + 1)][1:]
    mine, stock = (min(each) for each in zip(*rounds, strict=True))
    return f"{mine:.2f} | {stock:.1f} | {stock / mine:.0f}"


def row(name: str, side: int, dtype: str) -> str:
    """Of four photographs, one after another."""
    ours, pictures = codec(name), batch(side, dtype)
    given, payload = [levels(picture) for picture in pictures], ours.payload(KEY)
    encoder, decoder = package().WatermarkEncoder(), package().WatermarkDecoder("bits", ours.bits)
    encoder.set_watermark("bits", [int(bit) for bit in payload])
    decoding = compared(
        lambda: [ours.decode(each[None]) for each in pictures],
        lambda: [decoder.decode(each, METHODS[name]) for each in given],
    )
    embedding = compared(
        lambda: last(ours.embed_payload(each[None], payload) for each in pictures),
        lambda: last(encoder.encode(each, METHODS[name]) for each in given),
    )
    return f"| {name} | 4 × {side}², {dtype} | {decoding} | {embedding} |"


def main() -> None:
    import_module("cv2").setNumThreads(1)
    print("| codec | pixels | decode: ours, ms | package | ratio | embed: ours, ms | package | ratio |")
    print("|---|---|" + "---:|" * 6)
    for name in ("dwt_dct", "dwt_dct_svd"):
        for dtype in DTYPES:
            for side in SIDES:
                print(row(name, side, dtype), flush=True)


if __name__ == "__main__":
    main()
