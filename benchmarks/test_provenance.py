"""Declared provenance: files that declare nothing have to be let through fast."""

import io
from functools import cache

import pytest
from PIL import ExifTags, Image
from skimage import data

from hygiene.provenance import read_provenance

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"/></rdf:RDF></x:xmpmeta>' + b" " * 2000
)


@cache
def files(kind: str) -> tuple[bytes, ...]:
    """Photographs of scikit-image in their own size. camera: a JPEG with EXIF, XMP and a colour profile."""
    return tuple(_encoded(Image.fromarray(getattr(data, name)()), kind) for name in PHOTOGRAPHS)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    if kind != "camera":
        picture.save(out, kind)
        return out.getvalue()
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model], exif[ExifTags.Base.Software] = "Canon", "EOS", "Lightroom"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details |= {ExifTags.Base.ISOSpeedRatings: 100, ExifTags.Base.MakerNote: bytes(8000)}
    details |= {ExifTags.Base.UserComment: b"ASCII\0\0\0" + b" " * 100}
    picture.save(out, "jpeg", exif=exif, xmp=XMP, icc_profile=bytes(3000))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "camera", "png", "webp"])
def test_declared_nothing(compare, kind):
    found, metadata = compare(
        lambda: [read_provenance(file) for file in files(kind)],
        lambda: [_pillow(file) for file in files(kind)],
        "other work: Pillow opening the file and reading its EXIF; of a PNG it decodes the pixels for that",
        len(files(kind)),
        "files",
    )
    assert not any(each.declarations for each in found)
    assert [bool(each) for each in metadata] == [kind == "camera"] * len(metadata)


def _pillow(file: bytes) -> dict[int, object]:
    with Image.open(io.BytesIO(file)) as image:
        return dict(image.getexif())
