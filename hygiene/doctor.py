"""What is installed and what really works: each check tries the thing, none trusts a version number."""

import importlib
import importlib.metadata
import importlib.util
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hygiene.errors import HygieneError

DISTRIBUTION = "hygiene-toolkit"
BASE = ("array-api-compat", "click", "numpy", "pillow", "pyarrow", "rich", "scipy", "simplejpeg")
CONFLICTS = (
    ("onnxruntime", "onnxruntime-gpu"),
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ("pillow", "pillow-simd"),
)


@dataclass(frozen=True)
class Check:
    """One finding. status: ok; missing (optional, not there); failed (something is wrong)."""

    area: Literal["package", "extra", "conflict", "device", "codec", "self-check"]
    name: str
    status: Literal["ok", "missing", "failed"]
    detail: str


def examine() -> list[Check]:
    """All checks, a few seconds. Nothing is downloaded or written."""
    checks = [Check("package", "python", "ok", platform.python_version())]
    for part in (_packages, _conflicts, _devices, _image_codecs, _self_check):
        checks.extend(part())
    return checks


def _packages() -> Iterator[Check]:
    """Every requirement of this distribution, with the version found, and each extra as a whole."""
    try:
        required = importlib.metadata.requires(DISTRIBUTION) or []
        yield Check("package", DISTRIBUTION, "ok", importlib.metadata.version(DISTRIBUTION))
    except importlib.metadata.PackageNotFoundError:
        yield Check("package", DISTRIBUTION, "missing", "run from its source folder, not installed as a package")
        required = list(BASE)
    extras: dict[str, list[str]] = {}
    for line in required:
        name, wanted, extra = _requirement(line)
        if name == DISTRIBUTION:
            continue
        found = _version(name)
        enough = found is not None and _at_least(found, wanted)
        absent: Literal["missing", "failed"] = "missing" if extra else "failed"
        detail = f"{found or 'not installed'}, needs {wanted or 'any version'}"
        yield Check("package", name, "ok" if enough else absent, detail)
        extras.setdefault(extra, []).extend([] if enough else [name])
    for extra, short in sorted(extras.items()):
        if extra:
            detail = f"install '{DISTRIBUTION}[{extra}]' for {', '.join(short)}" if short else "complete"
            yield Check("extra", extra, "missing" if short else "ok", detail)


def _requirement(line: str) -> tuple[str, str, str]:
    """(name, lowest version or "", extra or "") of a line such as: torch>=2.4; extra == "evaluate"."""
    name = re.match(r"[\w.-]+", line)
    wanted = re.search(r">=\s*([\d.]+)", line)
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", line)
    return (name[0] if name else line), (wanted[1] if wanted else ""), (extra[1] if extra else "")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _at_least(found: str, wanted: str) -> bool:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]

    return not wanted or numbers(found) >= numbers(wanted)


def _conflicts() -> Iterator[Check]:
    """Distributions that overwrite each other's files."""
    for group in CONFLICTS:
        there = [name for name in group if _version(name)]
        if len(there) > 1:
            detail = f"{' and '.join(there)} overwrite each other: uninstall all, then install one"
            yield Check("conflict", " / ".join(there), "failed", detail)


def _devices() -> Iterator[Check]:
    yield Check("device", "cpu", "ok", platform.machine())
    if importlib.util.find_spec("torch") is None:
        yield Check("device", "cuda (torch)", "missing", "torch is not installed")
        return
    try:
        yield _cuda()
    except Exception as error:  # a broken driver can raise anything; the finding is what matters
        yield Check("device", "cuda (torch)", "failed", str(error).splitlines()[0])


def _cuda() -> Check:
    """A sum computed on the device, compared with what it must be."""
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return Check("device", "cuda (torch)", "missing", f"torch {torch.__version__} finds no CUDA device")
    total = float(torch.arange(1000, device="cuda", dtype=torch.float32).sum().cpu())
    status: Literal["ok", "failed"] = "ok" if total == 499500.0 else "failed"
    return Check("device", "cuda (torch)", status, f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}")


def _image_codecs() -> Iterator[Check]:
    """A picture written and read back in each format."""
    from hygiene import images

    picture = _picture()
    for format in ("png", "jpeg", "webp"):

        def there_and_back(format: str = format) -> str:
            data = images.encode(images.Raster(picture, None, format), picture)
            back = images.decode_raster(data)
            return f"{images.psnr(picture, back.pixels):.1f} dB" if format != "png" else _same(picture, back.pixels)

        yield _tried("codec", format, there_and_back)


def _self_check() -> Iterator[Check]:
    """A generated picture is tagged, written as JPEG, and found with its key and not with another."""

    def tag_and_detect() -> str:
        from hygiene import images
        from hygiene.codecs.spread import Spread
        from hygiene.detectors.keyed import KeyedDetector
        from hygiene.keys import Key
        from hygiene.looks import Look

        picture = _picture()
        key, other = Key(b"1" * 32), Key(b"2" * 32)
        marked = Spread().embed(picture[None], key)[0]
        seen = Look(images.encode(images.Raster(picture, None, "jpeg"), marked))
        right, wrong = (KeyedDetector(Spread(), each).detect("check", seen).log10_p for each in (key, other))
        if right > -9 or wrong < -6:
            raise HygieneError(f"log10 p is {right:.1f} with the key and {wrong:.1f} with another")
        return f"tagged, written as JPEG, found: log10 p {right:.1f}, with another key {wrong:.1f}"

    def declare_and_read() -> str:
        from hygiene import images
        from hygiene.provenance import declare, read_provenance

        picture = _picture()
        file = declare(images.encode(images.Raster(picture, None, "jpeg"), picture))
        verdict = read_provenance(file).verdict
        if verdict != "generated":
            raise HygieneError(f"a file that says it is generated was read as {verdict}")
        return "a file says that it is generated, and is read so"

    yield _tried("self-check", "tag and detect", tag_and_detect)
    yield _tried("self-check", "declare and read", declare_and_read)


def _tried(area: Literal["codec", "self-check"], name: str, trial: Callable[[], str]) -> Check:
    try:
        return Check(area, name, "ok", trial())
    except Exception as error:  # whatever it is, it is the finding
        return Check(area, name, "failed", f"{type(error).__name__}: {error}")


def _same(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> str:
    if not np.array_equal(a, b):
        raise HygieneError("reads back other pixels than were written")
    return "exact"


def _picture(size: int = 256) -> NDArray[np.uint8]:
    """Smooth noise with a gradient, uint8 [size, size, 3]: something with texture, from a fixed seed."""
    noise = np.random.default_rng(0).standard_normal((size, size, 3)).cumsum(axis=0).cumsum(axis=1)
    levels: NDArray[np.uint8] = np.round(255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)
    return levels
