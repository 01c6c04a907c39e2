"""What `detect`, `calibrate` and `filter` look for: their common options, and the detectors that these ask for."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import FOLDER, note
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    from hygiene.detectors.base import Detector
    from hygiene.registry import Registry

two_keys_option = click.option(
    "--two-keys", is_flag=True, help="Two independent marks, and both must be found: p is the weaker one's, squared."
)
_OPTIONS = (
    click.option(
        "--detect",
        "names",
        metavar="LIST",
        help="What to look for, by commas: own (the key's mark); sdxl, flux, sd1, sd1-inpainting, sd2, invokeai, or "
        "public for all of these; provenance (what files say of themselves); all.  [default: own]",
    ),
    click.option("--key", "key_file", type=FOLDER, help="Key file made by `hygiene keygen`, for your own mark."),
    click.option(
        "--generator",
        "generators",
        multiple=True,
        metavar="NAME",
        help="Look for the subkey of this generator; may be repeated. The strongest evidence counts and pays for all.",
    ),
    click.option(
        "--search",
        type=click.Choice(["fast", "deep", "exhaustive", "auto"]),
        default="fast",
        show_default=True,
        help="fast: re-encoded, resized. deep: also flipped, turned, cropped, stretched; some 6 times slower. "
        "exhaustive: also rotated, and public marks in crops; slower again. auto: deep where fast found nothing.",
    ),
    two_keys_option,
    click.option(
        "--trust-anchors",
        type=FOLDER,
        metavar="PEM",
        help="With --detect provenance: certificates whose C2PA signatures count as trusted, not only as valid.",
    ),
    click.option(
        "--stealth-alpha",
        is_flag=True,
        help="With --detect provenance: also read what NovelAI hides in alpha, which decodes PNGs that have one. Costs "
        "nearly nothing beside marks, and much where only bytes would be read.",
    ),
)


@dataclass(frozen=True)
class Wanted:
    """The values of the options, in their order."""

    names: str | None
    key_file: Path | None
    generators: Sequence[str]
    search: str
    two_keys: bool
    trust_anchors: Path | None = None
    stealth_alpha: bool = False

    def detectors(self, registry: "Registry | None" = None) -> "list[Detector]":
        """Of public marks there is one detector, which pays for all of them. registry: names for payloads."""
        from hygiene.detectors import PublicMarks

        chosen = _chosen(self.names, self.key_file is not None)
        self._refuse_idle(chosen)
        made: list[Detector] = [*self._own(registry)] if "own" in chosen else []
        if public := tuple(name for name in chosen if name not in ("own", "provenance")):
            made.append(PublicMarks(public, crop=self.search == "exhaustive"))
        return [*made, self._provenance()] if "provenance" in chosen else made

    def _refuse_idle(self, chosen: Sequence[str]) -> None:
        """Refuse options of a detector that is not among the `chosen`: nobody should believe that it looked."""
        own = {"--key": self.key_file, "--generator": self.generators, "--two-keys": self.two_keys}
        files = {"--trust-anchors": self.trust_anchors, "--stealth-alpha": self.stealth_alpha}
        for name, about, options in (
            ("own", "your own mark", own),
            ("provenance", "what files say of themselves", files),
        ):
            idle = [option for option, given in options.items() if given and name not in chosen]
            if idle:
                raise ConfigurationError(f"{idle[0]} is about {about}: add --detect {name}")

    @property
    def max_p(self) -> float:
        """What counts as found where the user does not say: public messages of 32 bits never reach 1e-9."""
        chosen = _chosen(self.names, self.key_file is not None)
        return 1e-9 if set(chosen) <= {"own", "provenance"} else 1e-6

    def _own(self, registry: "Registry | None") -> "Sequence[Detector]":
        """The detectors of the key itself, or of its subkeys for the named generators."""
        from hygiene.codecs.spread import Spread
        from hygiene.detectors import KeyedDetector, TwoKeyDetector
        from hygiene.keys import load_key

        if self.key_file is None:
            raise ConfigurationError("looking for your own mark takes --key; without one, --detect says what else")
        codec, key = Spread(search=self.search), load_key(self.key_file)
        made = [KeyedDetector(codec, key.subkey(name), name, registry) for name in self.generators]
        made = made or [KeyedDetector(codec, key, registry=registry)]
        return [TwoKeyDetector(each) for each in made] if self.two_keys else made

    def _provenance(self) -> "Detector":
        from hygiene.detectors import ProvenanceDetector
        from hygiene.provenance import load_trust_anchors

        anchors = load_trust_anchors(self.trust_anchors) if self.trust_anchors else ""
        if importlib.util.find_spec("c2pa") is None:
            note("C2PA manifests are found but not read: pip install 'hygiene-toolkit[provenance]'")
        return ProvenanceDetector(anchors, self.stealth_alpha)


def detectors_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives `command` the options, and their values as its argument `wanted`."""

    @wraps(command)
    def with_wanted(
        names: str | None,
        key_file: Path | None,
        generators: tuple[str, ...],
        search: str,
        two_keys: bool,
        trust_anchors: Path | None,
        stealth_alpha: bool,
        **others: Any,
    ) -> Any:
        wanted = Wanted(names, key_file, generators, search, two_keys, trust_anchors, stealth_alpha)
        return command(wanted=wanted, **others)

    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), with_wanted)


def _chosen(text: str | None, with_key: bool) -> list[str]:
    """The names in `text`, in a fixed order, groups spelt out."""
    from hygiene.detectors import MARKS

    known = ["own", *MARKS, "provenance"]
    groups = {"public": [*MARKS], "all": known if with_key else known[1:]}
    given = ["own"] if text is None else [name.strip() for name in text.split(",")]
    unknown = [name for name in given if name not in (*known, *groups)]
    if unknown:
        raise ConfigurationError(f"--detect {unknown[0]!r}: choose from {', '.join((*known, *groups))}")
    names = {each for name in given for each in groups.get(name, [name])}
    return [name for name in known if name in names]
