"""D^t, what generation t learns from: real and synthetic parts put together as each loop says."""

from dataclasses import dataclass, field

import numpy as np

from evaluator.config import LoopConfig
from evaluator.models.base import Rows
from evaluator.row_parts import RowParts, narrowed
from evaluator.sources import ArraySource, RealSource
from evaluator.streams import stream
from hygiene.errors import ConfigurationError


@dataclass(frozen=True)
class TrainingSet:
    """Rows [n_real + n_synthetic, d] that one model is fitted to, real ones first unless `topped_up`."""

    rows: Rows | RowParts = field(repr=False)
    n_real: int
    n_synthetic: int


def initial_set(config: LoopConfig, source: RealSource) -> TrainingSet:
    """D^1: `n_ini` real samples. Refuses a source that the loop would exhaust before its last generation."""
    _check_supply(config, source)
    return TrainingSet(_first_draw(config, source)[: config.n_ini], config.n_ini, 0)


def real_part(config: LoopConfig, source: RealSource, generation: int) -> Rows:
    """The real samples [n_r, d] that the pool offers to `generation` ≥ 2 (Alemohammad et al. 2023, §2.1).

    synthetic_augmentation: the same rows at every generation, generation 1's first. fresh_data: a new draw.
    """
    if config.loop == "synthetic_augmentation":
        return _first_draw(config, source)[: config.n_r]
    return fresh_rows(config, source, generation, config.n_r)


def fresh_rows(config: LoopConfig, source: RealSource, generation: int, n: int) -> Rows:
    """`n` real rows [n, d] for `generation` ≥ 2 that no generation has drawn before, every one asking for `n`.

    Where the source says that it repeats, and where it has no end, another independent draw.
    """
    if isinstance(source, ArraySource) and not source.repeats:
        rows = source.deal(n, _first_size(config) + (generation - 2) * n, stream(config.seed, 1, "real"))
    else:
        rows = source.draw(n, stream(config.seed, generation, "real"))
    return narrowed(rows, config.rows)


def _first_size(config: LoopConfig) -> int:
    return max(config.n_ini, config.n_r)


def _first_draw(config: LoopConfig, source: RealSource) -> Rows:
    return narrowed(source.draw(_first_size(config), stream(config.seed, 1, "real")), config.rows)


def _check_supply(config: LoopConfig, source: RealSource) -> None:
    """Refuse what would run out of rows that no generation has drawn."""
    if config.loop not in ("fresh_data", "rising_tide") or not isinstance(source, ArraySource) or source.repeats:
        return
    advice = "give the source repeats = true, or use an oracle"
    if config.tops_up and config.filter.mode == "detector":
        raise ConfigurationError(f"a top-up through a detector draws real samples without an end: {advice}")
    each = config.size if config.tops_up else config.n_r
    needed = _first_size(config) + (config.generations - 1) * each
    if needed > len(source.rows):
        raise ConfigurationError(
            f"{config.loop} draws {needed} real samples in {config.generations} generations, none of them twice, and "
            f"the source holds {len(source.rows)}: take fewer, {advice}"
        )


def joined(real: Rows, synthetic: Rows) -> TrainingSet:
    """Both parts, real rows first."""
    return TrainingSet(np.concatenate([real, synthetic]), len(real), len(synthetic))


def kept_odds(odds: float, tpr: float, fpr: float) -> float:
    """real : synthetic odds behind a filter: odds·(1−fpr)/(1−tpr), infinite at tpr = 1.

    Where the odds halve at every generation, the filter buys log2((1−fpr)/(1−tpr)) generations.
    """
    return np.inf if tpr == 1 else odds * ((1 - fpr) / (1 - tpr))


def topped_up(real: Rows, synthetic: Rows, odds: float, origins: np.random.Generator) -> TrainingSet:
    """N kept samples out of a pool with no end, whose kept share is real with the given odds.

    real, synthetic  [N, d] each; one uniform number says from which of them position i takes its row.
    Arms that share `origins` therefore differ only in positions where their odds decide differently.
    """
    share = 1.0 if np.isinf(odds) else odds / (1 + odds)
    is_real = origins.random(len(real)) < share
    n_real = int(is_real.sum())
    return TrainingSet(np.where(is_real[:, None], real, synthetic), n_real, len(real) - n_real)
