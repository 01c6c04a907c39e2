"""`hygiene tag`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import common
from cli.detectors import two_keys_option
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    from hygiene.provenance import Signer


@click.command(cls=common.OneInput)
@click.argument("source", metavar="IN", type=common.FOLDER)
@click.argument("out", metavar="OUT", type=common.FOLDER)
@common.key_option
@click.option("--generator", metavar="NAME", help="Mark with the subkey of this generator.")
@click.option(
    "--psnr", type=click.FloatRange(30, 60), help="Strength in dB; higher is fainter.  [default: adaptive, 40 to 48]"
)
@two_keys_option
@common.payload_option
@common.registry_option
@click.option(
    "--declare",
    is_flag=True,
    help="Also say in each file that it is generated: IPTC Digital Source Type trainedAlgorithmicMedia.",
)
@click.option(
    "--certificate",
    type=common.FOLDER,
    metavar="FILE",
    help="With --declare: also sign a C2PA manifest; PEM, the signing certificate first. Needs --certificate-key.",
)
@click.option("--certificate-key", type=common.FOLDER, metavar="FILE", help="Private key of --certificate, PEM.")
@click.option("--copy-refused", is_flag=True, help="Also copy, unmarked, the pictures that cannot be tagged.")
@common.input_format_option
@common.picture_option
@common.workers_option
@common.max_pixels_option
@common.max_unreadable_option
@common.format_option
def tag(
    source: Path,
    out: Path,
    key_file: Path,
    generator: str | None,
    psnr: float | None,
    two_keys: bool,
    payload: str | None,
    registry: Path | None,
    declare: bool,
    certificate: Path | None,
    certificate_key: Path | None,
    copy_refused: bool,
    input_format: str,
    picture: str,
    workers: int,
    max_pixels: int,
    max_unreadable: "int | float | None",
    form: str,
) -> None:
    """Write the pictures of IN, marked with the key, to the same paths under the folder OUT.

    IN is a folder of pictures, one picture, or shards: tar files as webdataset writes them, or Parquet files; a folder
    of them, one, or a pattern in quotes ('made/{000..031}.tar'). Shards are written as shards of the same names, and
    what lies beside a picture in its sample or row stays as it was.

    PNG, JPEG and WebP, told by content, keep their format, metadata, transparency and sidecars (.json, .txt of the
    same stem). PNG and lossless WebP are written losslessly, JPEG and WebP at quality 95. Every written picture is
    read back and scored. A picture that carries the mark already is copied byte for byte.

    --payload puts bits that name the generator beside the mark, where there is room for them: the mark comes first.
    tags.jsonl has the payload of each picture in which it reads back.

    Pictures that cannot be tagged without visible change or loss (CMYK, animations, too small for their texture)
    are refused, and left out of OUT unless --copy-refused. OUT/tags.jsonl has a line for each picture, and
    OUT/manifest.json the counts. Run the same command again after a stop: it continues.

    \b
    Example:
      hygiene keygen my.key
      hygiene tag generated tagged --key my.key
      hygiene tag 'made/{000..031}.tar' tagged --key my.key
    """
    from hygiene.pipeline import tag_dataset

    key = common.load_subkey(key_file, generator)
    signer = _signer(declare, certificate, certificate_key)
    with common.progress() as progress:
        report = tag_dataset(
            source,
            out,
            key,
            psnr=psnr,
            payload=common.load_payload(payload, registry),
            two_keys=two_keys,
            declare=declare,
            signer=signer,
            copy_refused=copy_refused,
            input_format=input_format,
            picture=picture,
            max_pixels=max_pixels,
            workers=workers,
            progress=progress,
        )
    if form == "json":
        common.print_json(report.manifest)
    else:
        rows = [("tagged", report.tagged), ("already tagged", report.already)]
        if "with_payload" in report.manifest:
            rows.append(("of them with this payload", report.manifest["with_payload"]))
        rows += [(f"refused: {reason}", n) for reason, n in report.refused.items()]
        rows += [(f"unreadable: {reason}", n) for reason, n in report.unreadable.items()]
        common.print_table(("outcome", "pictures"), [*rows, ("seen", report.seen)])
    common.note_passed_over(report.manifest["passed_over"])
    common.check_unreadable(sum(report.unreadable.values()), report.seen, max_unreadable)


def _signer(declare: bool, certificate: Path | None, key: Path | None) -> "Signer | None":
    if certificate is None and key is None:
        return None
    if not declare or certificate is None or key is None:
        raise ConfigurationError("a C2PA manifest takes all of --declare, --certificate and --certificate-key")
    from hygiene.provenance import load_signer

    return load_signer(certificate, key)
