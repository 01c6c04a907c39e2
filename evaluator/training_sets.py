"""D^t, what generation t learns from: real and synthetic parts put together as each loop says."""

from dataclasses import dataclass, field

import numpy as np

from evaluator.config import LoopConfig
from evaluator.models.base import Rows
from evaluator.sources import RealSource
from evaluator.streams import stream


@dataclass(frozen=True)
class TrainingSet:
    """Rows [n_real + n_synthetic, d] that one model is fitted to."""

    rows: Rows = field(repr=False)
    n_real: int
    n_synthetic: int


def initial_set(config: LoopConfig, source: RealSource) -> TrainingSet:
    """D^1: `n_ini` real samples."""
    return TrainingSet(_first_draw(config, source)[: config.n_ini], config.n_ini, 0)


def real_part(config: LoopConfig, source: RealSource, generation: int) -> Rows:
    """The real samples [n_r, d] that the pool offers to `generation` ≥ 2 (Alemohammad et al. 2023, §2.1).

    synthetic_augmentation: the same rows at every generation, generation 1's first. fresh_data: a new draw.
    """
    if config.loop == "synthetic_augmentation":
        return _first_draw(config, source)[: config.n_r]
    return source.draw(config.n_r, stream(config.seed, generation, "real"))


def _first_draw(config: LoopConfig, source: RealSource) -> Rows:
    return source.draw(max(config.n_ini, config.n_r), stream(config.seed, 1, "real"))


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
