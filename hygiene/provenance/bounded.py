"""Foreign data opened with a limit: what a small file unpacks to must not fill the memory."""

import json
import zlib

MOST_BYTES = 1 << 22  # 4 MiB: the largest workflows are a quarter of it


def inflate(data: bytes, wbits: int = zlib.MAX_WBITS) -> bytes:
    """At most 4 MiB of a zlib stream (gzip: `wbits` 31), as far as it goes; nothing of a corrupt one."""
    try:
        return zlib.decompressobj(wbits).decompress(data, MOST_BYTES)
    except zlib.error:
        return b""


def load_object(text: str) -> dict[str, object]:
    """A JSON object; an empty one for anything else, malformed and too deeply nested text included."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def text_of(data: bytes) -> str:
    """UTF-8, or else Latin-1: PNG's tEXt is Latin-1 by the standard, and UTF-8 from many writers."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
