"""The fate of a mark.

Marks are means over a set, in one unit; `transfer` κ is the share of the training set's mean mark that a model
reproduces, `tagged_share` q' its tagged share.
"""

from math import inf

from scipy.stats import norm


def raw_mark(strength: float, tagged_share: float, generation: int, transfer: float = 1.0) -> float:
    """Mark m_t of untagged output under blind tagging: m_1 = 0 (real data only), m_{t+1} = κq'(m_t + α).

    Derived here: tagging adds α to what the samples carry already; the pool dilutes it by q', the model by κ.
    At κq' = 1 it grows without end, by α in every generation.
    """
    kept = transfer * tagged_share
    return strength * sum(kept**k for k in range(1, generation))


def blind_gain(tagged_share: float, transfer: float = 1.0) -> float:
    """Limit of published mark over strength under blind tagging: 1/(1−κq'); infinite at κq' = 1."""
    kept = transfer * tagged_share
    return inf if kept == 1 else 1 / (1 - kept)


def informed_raw_mark(strength: float, tagged_share: float, transfer: float = 1.0) -> float:
    """Mark of untagged output, t ≥ 2, when tagging brings every projection to α: κq'α. The published mark stays α.

    As long as hardly a row passes α by itself: those are left alone and lift the published mark over α.
    """
    return transfer * tagged_share * strength


def adopted_raw_mark(strength: float, tagged_share: float, untagged_share: float, transfer: float = 1.0) -> float:
    """Limit of m under blind tagging by some generators only: κq_t α/(1 − κ(q_t + q_u)).

    tagged_share q_t and untagged_share q_u of the training set after the filter. Derived here:
    m = κ(q_t(m + α) + q_u m): samples that nobody tagged hand on what they have learnt, and pass a filter of marks.
    """
    return transfer * tagged_share * strength / (1 - transfer * (tagged_share + untagged_share))


def rotated_mark(strength: float, tagged_share: float, age: int, transfer: float = 1.0) -> float:
    """Mark of untagged output along the key used `age` ≥ 1 generations ago, keys at right angles: (κq')^age α.

    Derived here: each key is embedded once and diluted from then on; along the newest one output carries nothing
    before it is tagged, so that blind tagging publishes α.
    """
    return float((transfer * tagged_share) ** age * strength)


def false_attribution(threshold: float, mark: float) -> float:
    """Share of untagged output scored above `threshold`, scores N(mark, 1): 1 − Φ(τ − m)."""
    return float(norm.sf(threshold - mark))
