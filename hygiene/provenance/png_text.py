"""PNG text chunks: tEXt, zTXt, iTXt (W3C PNG 3rd edition §11.3.3), and the raw profiles that ImageMagick puts there."""

from collections.abc import Callable

from hygiene.provenance import gb45438, generators
from hygiene.provenance.bounded import MOST_BYTES, inflate, text_of
from hygiene.provenance.containers import EXIF, XMP, Block
from hygiene.provenance.declaration import Declaration

Finder = Callable[[str, str], Declaration | None]

XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW = "Raw profile type "

FINDERS: dict[str, Finder] = {
    "parameters": generators.automatic1111,
    "prompt": generators.comfyui_prompt,
    "workflow": generators.comfyui_workflow,
    "invokeai_metadata": generators.invokeai_metadata,
    "sd-metadata": generators.invokeai_sd_metadata,
    "Dream": generators.invokeai_dream,
    "Software": generators.software,
    "AIGC": gb45438.label,
}


def keyword(block: Block) -> str:
    """The chunk's keyword, at most 79 characters; "" where none ends in time."""
    name, end, _ = block.body[:80].partition(b"\0")
    return name.decode("latin-1") if end else ""


def is_relevant(block: Block) -> bool:
    """Whether its keyword is one that this module reads."""
    name = keyword(block)
    return name in FINDERS or name == XMP_KEYWORD or name.startswith(_RAW)


def declaration(block: Block) -> Declaration | None:
    """What the chunk declares by itself. Chunks that no generator writes are not decompressed."""
    name = keyword(block)
    finder = FINDERS.get(name)
    return finder(text_of(content(block)), f"{block.where} {name}") if finder else None


def embedded(block: Block) -> Block | None:
    """The XMP packet or the EXIF stream that a text chunk holds, as a block of its own."""
    name = keyword(block)
    if name == XMP_KEYWORD:
        return Block("xmp", f"{block.where} XMP", content(block))
    if not name.startswith(_RAW):
        return None
    profile = _raw_profile(content(block))
    if profile.startswith(EXIF):
        return Block("exif", f"{block.where} raw EXIF", profile[len(EXIF) :])
    return Block("xmp", f"{block.where} raw XMP", profile.removeprefix(XMP)) if b"<" in profile[:100] else None


def content(block: Block) -> bytes:
    """The text itself, decompressed, at most 4 MiB."""
    body = block.body.partition(b"\0")[2]
    kind = block.where[-4:]
    if kind == "tEXt":
        return body[:MOST_BYTES]
    if kind == "zTXt":
        return inflate(body[1:]) if body[:1] == b"\0" else b""
    compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]  # after the language tag and the translated keyword
    return inflate(text) if compressed else text[:MOST_BYTES]


def _raw_profile(text: bytes) -> bytes:
    """ImageMagick's form: a name, a length and the profile in hexadecimal, over many lines."""
    digits = b"".join(text.split()[2:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""
