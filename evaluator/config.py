"""What one self-consuming loop is: every choice in one frozen, printable record, checked when it is made."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, TypeVar, get_args, get_type_hints

from evaluator.config_checks import check
from evaluator.tables import check_type
from hygiene.errors import ConfigurationError

Record = TypeVar("Record")


@dataclass(frozen=True)
class Choice:
    """One line of a table (a source, a model, a feature network) and the parameters it is built with."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """What stands between the pool and the trainer.

    simulated  drops tagged samples at random with probability `tpr`, real ones with `fpr` (0 when not given). What a
               detector misses is not a random part, and on pictures its loop can end far worse
               (docs/experiments/recall-u-curve-pictures.md)
    detector   reads the mark and drops what scores high: above the threshold that excludes the share `recall`
               of generation 1's tagged samples, or above the one that belongs to the p-value `max_p`. Of what it
               excludes it gives the share `give_back` back, at random: an ideal threshold of a lower recall, whose
               misses are not alike
    """

    mode: str = "none"
    tpr: float | None = None
    fpr: float | None = None
    recall: float | None = None
    max_p: float | None = None
    give_back: float = 0.0


@dataclass(frozen=True)
class Tagging:
    """How what a generation publishes is marked: none, blind or informed.

    strength  of vectors, in standard deviations of the keyed projection over real data; 4 when not given
    key_file  a key made by `hygiene keygen`; without it the key is derived from the seed
    rotate    every generation tags with a subkey of its own; its readers look for that subkey
    adoption  share of what is published that is tagged, 0..1: the share of generators that tag, where all learn from
              one pool
    codec     vectors: a shift along a secret direction, for any rows; spread, dwt_dct_svd, rivagan: hygiene's codecs,
              for pictures (`pixel_codecs`). Blind changes every sample, informed those that lack the mark
    psnr      of spread, in dB; not given: 40 where blind, as strong as it takes where informed
    verify    of spread: every tag is read back, in 8 bits; a sample in which it is not found at p ≤ 1e-6 is not
              published, and another one drawn. (`hygiene tag` asks for 1e-9)
    """

    mode: str = "none"
    strength: float | None = None
    key_file: str | None = None
    rotate: bool = False
    adoption: float = 1.0
    codec: str = "vectors"
    psnr: float | None = None
    verify: bool = False

    @property
    def alpha(self) -> float:
        """The strength, its default filled in."""
        return 4.0 if self.strength is None else self.strength


@dataclass(frozen=True)
class Processing:
    """What happens to published pictures before anyone trains on them.

    format   none: samples stay the floats they are; png: rounded to 8 bits; jpeg
    quality  of the JPEG, 1..95; 75 when not given
    resize   scale that pictures are made smaller to, and large again, before they are stored
    """

    format: str = "none"
    quality: int | None = None
    resize: float | None = None

    @property
    def jpeg_quality(self) -> int:
        """The quality, its default filled in."""
        return 75 if self.quality is None else self.quality


@dataclass(frozen=True)
class LoopConfig:
    """One self-consuming loop (Alemohammad et al. 2023, arXiv:2307.01850, §2).

    G_1 learns from `n_ini` real samples; every later model learns from scratch on the loop's training set, or, in a
    warm start, on from the weights of the last one.

    loop            fully_synthetic: synthetic samples only; synthetic_augmentation: one fixed real set with
                    them; fresh_data: newly drawn real samples with them; rising_tide: `n_s` samples kept
                    from a pool whose real : synthetic odds are `initial_odds`·2^−t for generation t
    pool            previous: what the last generation published; all: what every generation published
    n_ini           real samples of generation 1
    n_r, n_s        real and synthetic samples that the pool offers per generation
    n_measure       samples that metrics see, a set of its own; n_s when not given
    n_reference     real samples that metrics compare with
    sampling_bias   λ in (0, 1], 1 = unbiased; each model family says what it scales
    initial_odds    of the rising tide; 4 when not given
    top_up          fresh_data only: the trainer scrapes on until n_r + n_s samples passed the filter, as it
                    always does in a rising tide
    max_scrape      candidates per kept sample before a top-up through a detector gives up
    keep_samples    raw samples that each generation carries along, for pictures
    warm_start      training goes on from the last generation's weights (fine-tuning) instead of from scratch
    warm_parameters of the model from generation 2 on in a warm start, over its own: fewer steps, for instance
    moment_draws    samples at λ = 1 by which every trained model is brought to the mean and covariance of its training
                    set (`models.matched`), so that training takes no variance; 0: models stay as they were trained
    probe_keys      wrong keys that the mark is also looked for with
    rows            type that the loop keeps its rows in: float64; float32; or float16, whose 11 binary digits are finer
                    than the 8 bits of a picture, for large ones. Whatever is computed of them is not narrowed
    reference       a source of real samples for the metrics; without it `source` is drawn again, of a limited one
                    the half that nothing learns from
    metrics         metric name -> its settings
    """

    loop: str
    n_ini: int
    n_s: int
    n_r: int = 0
    pool: str = "previous"
    generations: int = 10
    seed: int = 0
    sampling_bias: float = 1.0
    n_measure: int | None = None
    n_reference: int = 900
    initial_odds: float | None = None
    top_up: bool = False
    max_scrape: int = 1000
    keep_samples: int = 16
    probe_keys: int = 8
    warm_start: bool = False
    warm_parameters: dict[str, Any] = field(default_factory=dict)
    moment_draws: int = 0
    rows: str = "float64"
    source: Choice = field(default_factory=lambda: Choice("digits_oracle"))
    reference: Choice | None = None
    model: Choice = field(default_factory=lambda: Choice("kde"))
    features: Choice = field(default_factory=lambda: Choice("identity"))
    filter: Filter = field(default_factory=Filter)
    tagging: Tagging = field(default_factory=Tagging)
    processing: Processing = field(default_factory=Processing)
    metrics: dict[str, dict[str, Any]] = field(default_factory=lambda: {"frechet": {}, "manifold": {}})

    def __post_init__(self) -> None:
        check(self)

    @property
    def size(self) -> int:
        """N = n_r + n_s: samples per training set before a filter, and after it when the trainer tops up."""
        return self.n_r + self.n_s

    @property
    def tops_up(self) -> bool:
        """Whether the trainer scrapes on until it has `size` kept samples."""
        return self.top_up or self.loop == "rising_tide"

    @property
    def labels(self) -> int:
        """Classes that rows bring along to a model that is conditioned on them; 0: none."""
        labels: int = self.model.parameters.get("labels", 0)
        return labels

    @property
    def measured(self) -> int:
        """Samples that the metrics see, at every generation."""
        return self.n_s if self.n_measure is None else self.n_measure

    def odds(self, generation: int) -> float:
        """real : synthetic odds of the pool that `generation` ≥ 2 scrapes."""
        if self.loop != "rising_tide":
            return self.n_r / self.n_s
        return float((4.0 if self.initial_odds is None else self.initial_odds) * 2.0**-generation)

    def warnings(self) -> list[str]:
        """What is allowed and probably not meant, one sentence each."""
        found = []
        if self.filter.mode != "none" and self.loop == "fully_synthetic":
            found.append(
                "a filter in a closed, fully synthetic pool has nothing better to keep: it only shrinks n, "
                "so collapse comes faster"
            )
        informed = self.tagging.mode == "informed" and self.tagging.codec == "vectors"
        if self.filter.mode == "detector" and informed and self.filter.recall is not None:
            found.append(
                "informed tagging brings every sample to the same score: a threshold cannot exclude a share "
                f"recall = {self.filter.recall} of them, it excludes all; read the realised tpr"
            )
        if 0 < self.moment_draws < self.size:
            found.append(
                f"moment_draws = {self.moment_draws}, fewer than the {self.size} samples of a training set: by so few "
                f"the map is noisier than what a generation adds by itself; {10 * self.size} are a good number"
            )
        if self.moment_draws and self.tagging.mode != "none":
            found.append(
                "moment_draws with tagging: a model that has the mean of its training set hands a mark's mean on in "
                "full, whatever it learned of it"
            )
        if self.loop in ("fresh_data", "rising_tide") and self.source.parameters.get("repeats") is True:
            found.append(f"the source {self.source.name!r} repeats: its fresh draws share rows between generations")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON and `from_dict` take."""
        values = asdict(self)
        later = (
            (values, "rows", "float64"),
            (values, "moment_draws", 0),
            (values["tagging"], "verify", False),
            (values["filter"], "give_back", 0.0),
        )
        for table, name, usual in later:
            if table[name] == usual:  # run folders are named by these values, and were before there was a choice
                del table[name]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LoopConfig":
        """The configuration that a parsed TOML or JSON file holds; unknown fields are refused by name."""
        return build_record(cls, values, "the configuration")


def build_record(record: type[Record], values: Any, where: str) -> Record:
    """`record`(**values), nested records included."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where} is {values!r}, expected a table of fields")
    hints = get_type_hints(record)
    unknown = [name for name in values if name not in hints]
    if unknown:
        raise ConfigurationError(f"{where} has no field {', '.join(unknown)}: it has {', '.join(hints)}")
    missing = [f.name for f in fields(record) if _is_required(f) and f.name not in values]  # type: ignore[arg-type]
    if missing:
        raise ConfigurationError(f"{where} lacks {', '.join(missing)}")
    return record(**{name: _value(value, hints[name], name) for name, value in values.items()})


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _value(value: Any, hint: Any, name: str) -> Any:
    """One field, as its record or as the plain value it is."""
    nested = next((kind for kind in (hint, *get_args(hint)) if kind in (Choice, Filter, Tagging, Processing)), None)
    if nested is None or value is None:
        return value
    if nested is Choice:
        return _choice(value, name)
    return build_record(nested, value, f"[{name}]")


def _choice(value: Any, name: str) -> Choice:
    """`model = "kde"`, or a table with the name and the parameters, as TOML or as `to_dict` writes it."""
    if isinstance(value, str):
        return Choice(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ConfigurationError(f"[{name}] is {value!r}, expected a name, or a table with a name and parameters")
    rest = {key: inner for key, inner in value.items() if key != "name"}
    parameters = rest.pop("parameters", {})
    check_type(parameters, dict[str, Any], f"{name}.parameters")
    return Choice(value["name"], {**parameters, **rest})
