"""What generation t carries of a mark that nobody embedded in it, and what it publishes.

Everything is measured along the key, in standard deviations of the projection over real data, against real
rows that no model was trained on. "The model carries the mark" is a statement about a set: beside the
single-row AUC stands the z of a hundred rows.
"""

from collections.abc import Sequence

import numpy as np

from evaluator.cleaning import MarkReader
from evaluator.models.base import Rows

SET_SIZE = 100
FPR = 0.01


def mark_probes(
    raw: Rows, marked: Rows, real: Rows, codec: MarkReader, strength: float, wrong: Sequence[MarkReader]
) -> dict[str, float]:
    """The mark in raw output [n, d] (before tagging) and in published output [n, d].

    raw_mark, published_mark        mean shift against real rows, in units of `strength`; *_sd in deviations
    raw_auc, published_auc          P(a row scores above a real row), .5 = no mark
    raw_tpr, published_tpr          share of rows above the real rows' 99th percentile
    raw_z, published_z              z of the first 100 rows' mean against real rows; 0 = no mark
    wrong_key_z, wrong_key_auc      mean |z| (√(2/π) ≈ .8 when nothing drifts) and mean AUC of the raw rows
                                    under wrong keys; absent without wrong keys
    """
    reference = codec.project(real)
    values: dict[str, float] = {}
    for name, rows in (("raw", raw), ("published", marked)):
        scores = codec.project(rows)
        shift = float(scores.mean() - reference.mean())
        values |= {
            f"{name}_mark_sd": shift,
            f"{name}_mark": shift / strength,
            f"{name}_auc": auc(scores, reference),
            f"{name}_tpr": float((scores > np.quantile(reference, 1 - FPR)).mean()),
            f"{name}_z": set_z(scores[:SET_SIZE], reference),
        }
    return values | wrong_key_probes(raw, real, wrong)


def carried_mark(raw: Rows, real: Rows, codec: MarkReader, strength: float) -> float:
    """Mean shift of raw output [n, d] against real rows along a key that earlier output was tagged with, in units of
    `strength`: what rotating keys leave behind of each other."""
    return float(codec.project(raw).mean() - codec.project(real).mean()) / strength


def wrong_key_probes(raw: Rows, real: Rows, wrong: Sequence[MarkReader]) -> dict[str, float]:
    """What the same readings are under keys that were never used: the null, drift of the model included."""
    if not wrong:
        return {}
    pairs = [(codec.project(raw), codec.project(real)) for codec in wrong]
    return {
        "wrong_key_z": float(np.mean([abs(set_z(scores[:SET_SIZE], reference)) for scores, reference in pairs])),
        "wrong_key_auc": float(np.mean([auc(scores, reference) for scores, reference in pairs])),
    }


def auc(scores: Rows, reference: Rows) -> float:
    """P(score > reference) + ½ P(equal), 0..1 (Mann & Whitney 1947), of [n] against [m]."""
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return float(below.mean() / (2 * len(ordered)))


def set_z(scores: Rows, reference: Rows) -> float:
    """z of the mean of `scores` [n] against real `reference` [m], with the real rows' variance on both sides."""
    spread = reference.std(ddof=1) * np.sqrt(1 / len(scores) + 1 / len(reference))
    return float((scores.mean() - reference.mean()) / spread)
