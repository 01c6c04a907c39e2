"""Encoded bytes to what they declare. No pixel is decoded; nothing that a file holds makes it crash."""

from collections.abc import Iterator

from hygiene.images import sniff
from hygiene.provenance import c2pa, exif, png_text, xmp
from hygiene.provenance.containers import Block, blocks
from hygiene.provenance.declaration import Declaration, Provenance

MOST_TEXTS = 32  # text chunks unpacked of one file: each may be a decompression bomb


def read_provenance(data: bytes, trust_anchors: str = "") -> Provenance:
    """What a PNG, JPEG or WebP file declares about its picture. Whatever is broken in it is a finding.

    trust_anchors  certificates (PEM) whose C2PA signatures count as trusted, not only as valid
    Raises UnreadableImage for any other format.
    """
    found: list[Declaration] = []
    parts: list[Block] = []
    texts = 0
    for block in blocks(data):
        texts += block.kind == "text" and png_text.is_relevant(block)
        if texts > MOST_TEXTS:
            found.append(Declaration("other", "PNG text", f"over {MOST_TEXTS} notes of generators", block.where))
            break
        if block.kind in ("xmp-extension", "jumbf"):
            parts.append(block)
        else:
            found.extend(_of_block(block))
    if parts:
        found.extend(_of_parts(data, parts, trust_anchors))
    return Provenance(tuple(found))


def _of_block(block: Block) -> Iterator[Declaration]:
    if block.kind == "text":
        inner = png_text.embedded(block)
        if inner is None:
            declaration = png_text.declaration(block)
            yield from [declaration] if declaration else []
            return
        block = inner
    yield from (exif if block.kind == "exif" else xmp).declarations(block.body, block.where)


def _of_parts(data: bytes, parts: list[Block], trust_anchors: str) -> Iterator[Declaration]:
    """What a file may hold in several blocks: extended XMP, and JUMBF."""
    packets = [part for part in parts if part.kind == "xmp-extension"]
    if packets:
        yield from xmp.declarations(xmp.extended([part.body for part in packets]), packets[0].where)
    boxes = [part for part in parts if part.kind == "jumbf"]
    if not boxes:
        return
    format = sniff(data)
    bodies = [part.body for part in boxes]
    store = c2pa.join_segments(bodies) if format == "jpeg" else b"".join(bodies)
    if c2pa.is_manifest(store):
        yield from c2pa.declarations(data, format, store, boxes[0].where, trust_anchors)
