"""What a loop's configuration is refused for: types, ranges, and fields that contradict each other."""

from typing import TYPE_CHECKING, Any, get_type_hints

from evaluator.row_parts import TYPES
from evaluator.tables import check_type
from hygiene.errors import ConfigurationError

if TYPE_CHECKING:
    from evaluator.config import LoopConfig

LOOPS = ("fully_synthetic", "synthetic_augmentation", "fresh_data", "rising_tide")
POOLS = ("previous", "all")
FILTERS = ("none", "simulated", "detector")
TAGGINGS = ("none", "blind", "informed")
CODECS = ("vectors", "spread", "dwt_dct_svd", "rivagan")
FORMATS = ("none", "png", "jpeg")

MOST = 10**9  # samples or generations: more is a slip of the finger
STRONGEST = 1e6  # beyond, sums of squares lose the data beside the mark


def check(config: "LoopConfig") -> None:
    """Raises ConfigurationError with one line that names the field, what it is and what was expected."""
    _check_values(config)
    _check_loop(config)
    _check_filter(config)
    _check_tagging(config)
    _check_processing(config)


def _check_types(record: Any, where: str) -> None:
    for name, hint in get_type_hints(type(record)).items():
        check_type(getattr(record, name), hint, where + name)


def _refuse_unless(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)


def _check_name(value: str, known: tuple[str, ...], what: str) -> None:
    _refuse_unless(value in known, f"{what} is {value!r}: choose one of {', '.join(known)}")


def _check_values(config: "LoopConfig") -> None:
    """Types, names and ranges of single fields."""
    _check_types(config, "")
    _check_types(config.filter, "filter.")
    _check_types(config.tagging, "tagging.")
    _check_types(config.processing, "processing.")
    _check_name(config.loop, LOOPS, "loop")
    _check_name(config.pool, POOLS, "pool")
    _check_name(config.rows, TYPES, "rows")
    _check_name(config.filter.mode, FILTERS, "filter.mode")
    _check_name(config.tagging.mode, TAGGINGS, "tagging.mode")
    _check_name(config.tagging.codec, CODECS, "tagging.codec")
    _check_name(config.processing.format, FORMATS, "processing.format")
    least = {"n_ini": 2, "n_s": 1, "n_r": 0, "generations": 1, "seed": 0, "n_reference": 2}
    least |= {"max_scrape": 1, "keep_samples": 0, "probe_keys": 0, "moment_draws": 0}
    for name, bound in least.items():
        value = getattr(config, name)
        _refuse_unless(value >= bound, f"{name} is {value}, expected at least {bound}")
        _refuse_unless(name == "seed" or value <= MOST, f"{name} is {value}, expected at most {MOST}")
    _refuse_unless(config.measured >= 2, f"{config.measured} samples to measure on, expected at least 2: set n_measure")
    _refuse_unless(config.measured <= MOST, f"n_measure is {config.measured}, expected at most {MOST}")
    _refuse_unless(
        config.moment_draws != 1,
        "moment_draws is 1, expected 0 (moments are not matched) or more, best ten times the training set",
    )
    _refuse_unless(
        0 < config.sampling_bias <= 1,
        f"sampling_bias is {config.sampling_bias}, expected 0 < λ ≤ 1 (1 = unbiased)",
    )
    _refuse_unless(bool(config.metrics), "metrics is empty: name at least one")
    for name, settings in config.metrics.items():
        _refuse_unless(isinstance(settings, dict), f"metrics.{name} is {settings!r}, expected a table of settings")


def _check_loop(config: "LoopConfig") -> None:
    """What a loop needs and what contradicts it."""
    loop, tide = config.loop, config.loop == "rising_tide"
    if loop == "fully_synthetic" or tide:
        _refuse_unless(
            config.n_r == 0,
            f"n_r is {config.n_r} in {loop}, which "
            + ("draws its real samples by the pool's odds" if tide else "has no real samples after generation 1")
            + ": leave n_r out",
        )
    else:
        _refuse_unless(config.n_r > 0, f"n_r is 0 in {loop}: give the real samples per generation")
    _refuse_unless(
        config.size >= 2 or config.generations == 1,
        f"n_s is {config.n_s} in {loop}: a model learns from 2 samples or more, give more",
    )
    _refuse_unless(tide or config.initial_odds is None, f"initial_odds is given in {loop}: only rising_tide has a tide")
    if tide and config.initial_odds is not None:
        _refuse_unless(config.initial_odds > 0, f"initial_odds is {config.initial_odds}, expected more than 0")
    _refuse_unless(
        not config.top_up or loop in ("fresh_data", "rising_tide"),
        f"top_up in {loop}: it has no further real samples to scrape; use fresh_data or rising_tide",
    )
    _refuse_unless(
        not (config.tops_up and config.pool == "all"),
        "pool = all with a top-up: the scraped pool has no end already; use pool = previous",
    )
    _refuse_unless(
        config.source.name != "npz" or config.reference is not None,
        "the source npz needs a [reference]: metrics must not see the rows that models are trained on",
    )


def _check_share(value: float | None, name: str, below_one: bool = False) -> None:
    if value is None:
        return
    bound = "0 or more, less than 1" if below_one else "a share from 0 to 1"
    _refuse_unless(0 <= value < 1 or (value == 1 and not below_one), f"{name} is {value}, expected {bound}")


def _check_filter(config: "LoopConfig") -> None:
    """The fields of [filter] that its mode takes, and no others."""
    chosen = config.filter
    takes: tuple[str, ...] = {"none": (), "simulated": ("tpr", "fpr"), "detector": ("recall", "max_p")}[chosen.mode]
    given = [name for name in ("tpr", "fpr", "recall", "max_p") if getattr(chosen, name) is not None]
    wrong = [name for name in given if name not in takes]
    _refuse_unless(
        not wrong,
        f"filter.{', filter.'.join(wrong)} with filter.mode = {chosen.mode}, "
        f"which takes {' and '.join(takes) or 'nothing'}",
    )
    if chosen.mode == "simulated":
        _refuse_unless("tpr" in given, "filter.mode = simulated needs filter.tpr, the share of tagged samples dropped")
        _check_share(chosen.tpr, "filter.tpr")
        _check_share(chosen.fpr, "filter.fpr", below_one=True)
        _refuse_unless(
            config.loop != "fully_synthetic" or chosen.tpr != 1,
            "filter.tpr = 1 in fully_synthetic leaves nothing to train on: give less than 1",
        )
    _refuse_unless(
        0 <= chosen.give_back < 1, f"filter.give_back is {chosen.give_back}, expected 0 or more, less than 1"
    )
    if chosen.mode == "detector":
        _check_detector(config, given)
    else:
        _refuse_unless(
            chosen.give_back == 0,
            f"filter.give_back with filter.mode = {chosen.mode}: it is of what a detector excludes"
            + (", a simulated filter drops at random anyhow: lower filter.tpr" if chosen.mode == "simulated" else ""),
        )


def _check_detector(config: "LoopConfig", given: list[str]) -> None:
    chosen = config.filter
    _refuse_unless(len(given) == 1, "filter.mode = detector needs either filter.recall or filter.max_p, not both")
    _refuse_unless(config.tagging.mode != "none", "filter.mode = detector finds nothing with tagging.mode = none")
    if chosen.max_p is not None:
        _refuse_unless(0 < chosen.max_p < 1, f"filter.max_p is {chosen.max_p}, expected a p-value between 0 and 1")
    if chosen.recall is not None:
        _refuse_unless(0 < chosen.recall < 1, f"filter.recall is {chosen.recall}, expected more than 0, less than 1")
        # The floor((1-r)(n+1))-th smallest score must exist.
        _refuse_unless(
            (1 - chosen.recall) * (config.n_s + 1) >= 1,
            f"filter.recall = {chosen.recall} cannot be calibrated on n_s = {config.n_s} tagged samples: "
            f"it needs at least {round(1 / (1 - chosen.recall)) - 1}",
        )


def _check_tagging(config: "LoopConfig") -> None:
    tagging = config.tagging
    if tagging.mode == "none":
        given = [name for name in ("strength", "psnr", "key_file") if getattr(tagging, name) is not None]
        defaults = (("codec", "vectors"), ("rotate", False), ("adoption", 1), ("verify", False))
        given += [name for name, default in defaults if getattr(tagging, name) != default]
        _refuse_unless(not given, f"tagging.{', tagging.'.join(given)} with tagging.mode = none, which marks nothing")
    _check_share(tagging.adoption, "tagging.adoption")
    _refuse_unless(
        not (config.tops_up and tagging.adoption < 1),
        f"tagging.adoption is {tagging.adoption} in a pool that is scraped until it is full, whose odds count every "
        "synthetic sample as tagged: leave top_up out, or use fresh_data",
    )
    _refuse_unless("\0" not in (tagging.key_file or ""), f"tagging.key_file is {tagging.key_file!r}, no name of a file")
    _refuse_unless(
        0 < tagging.alpha <= STRONGEST,
        f"tagging.strength is {tagging.alpha}, expected more than 0, at most {STRONGEST:g} standard deviations",
    )
    _refuse_unless(
        tagging.strength is None or tagging.codec == "vectors",
        f"tagging.strength with tagging.codec = {tagging.codec}: it is in deviations of vectors; spread takes a psnr",
    )
    _refuse_unless(
        tagging.psnr is None or (tagging.codec == "spread" and 30 <= tagging.psnr <= 60),
        f"tagging.psnr is {tagging.psnr} with tagging.codec = {tagging.codec}: expected 30 to 60 dB, of spread alone",
    )
    _refuse_unless(
        not tagging.verify or tagging.codec == "spread",
        f"tagging.verify with tagging.codec = {tagging.codec}: it is of spread alone, which tells what it can mark",
    )


def _check_processing(config: "LoopConfig") -> None:
    chosen = config.processing
    if chosen.quality is not None:
        _refuse_unless(
            chosen.format == "jpeg" and 1 <= chosen.quality <= 95,
            f"processing.quality is {chosen.quality} with processing.format = {chosen.format}: expected 1 to 95, with "
            "jpeg",
        )
    if chosen.resize is not None:
        _refuse_unless(
            chosen.format != "none" and 0 < chosen.resize < 1,
            f"processing.resize is {chosen.resize} with processing.format = {chosen.format}: expected a scale between "
            "0 and 1, of png or jpeg",
        )
