"""Whether marks are amplified in pictures so large that the detector of `spread` finds every tagged one of them.

At 28 pixels it is too weak to tell. A model may hand on the mean of what it learned from (`gaussian`), or
single pictures of it (`kde`, which draws its training rows again with a little noise, as one that memorises would).
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.config import Choice
from evaluator.presets.base import Preset
from evaluator.presets.marks_pixels import (
    BASIC,
    CLOSED,
    COMPRESSED,
    FILTERED,
    FRESH,
    INFORMED_FILTERED,
    MLP,
    ROTATING,
    SIDES,
    SMALLER,
    UNTAGGED,
    Case,
    loop_of,
    twins_preset,
)
from evaluator.presets.marks_twins import SINGLE, TRANSFER

Rules = dict[str, dict[str, Any]]

MARKED = BASIC[1:]
BEHIND = (FILTERED, INFORMED_FILTERED)
LEARNED_SIDE = 64  # pixels: at 128 the training of a network would take longer than all the rest
STYLED = Choice(  # a minute of CPU time for 120 pictures
    "stylegan2", {"channels": 3, "full": 16, "steps": 250, "batch": 16, "rate": 1e-2}
)
SQUARES = 600  # of either half


def _rule(expected: float, tolerance: float, source: str) -> dict[str, Any]:
    return {"expected": expected, "tolerance": tolerance, "absolute": True, "source": source}


# All of them written down before the first run of the arms that they are of.
NOTHING_FOUND: Rules = {
    "raw_found": _rule(0.0, 0.01, "each picture is changed in its own way: no sum of them is a mark")
}
REPLAYED: Rules = {"raw_found": _rule(1.0, 0.1, "who draws pictures again draws their marks again")}
HALF_REPLAYED: Rules = {"raw_found": _rule(0.5, 0.1, "half of the pictures drawn again are tagged")}
CAUGHT: Rules = NOTHING_FOUND | {
    "tpr": _rule(1.0, 0.02, "robustness.md: pictures as they are"),
    "fpr": _rule(0.0, 0.001, "p ≤ 1e-6"),
}
UNLEARNED: Rules = CAUGHT | {"raw_found": _rule(0.0, 0.01, "what is caught is not there to be drawn again")}
UNREAD: Rules = NOTHING_FOUND | {"raw_mark_sd": _rule(0.0, 0.5, "a GAN that repeats no picture: at 28 pixels .2")}
HANDED_ON: Rules = NOTHING_FOUND | {
    TRANSFER: {"expected": 1.0, "tolerance": 0.1, "source": "a GAN at 40 pixels hands its mean residual on in full"}
}
DIFFUSED: Rules = NOTHING_FOUND | {
    TRANSFER: {"expected": 1.0, "tolerance": 0.1, "source": "with spread at 28 pixels it hands on its share"}
}
LOST: Rules = {
    "tpr": _rule(0.0, 0.05, "robustness.md: JPEG 75 at 128 pixels removes the mark"),
    "fpr": _rule(0.0, 0.001, "p ≤ 1e-6"),
}


def mark_pictures(scale: str, data: Path | None = None) -> Preset:
    """mark-amplification-pictures."""
    paper = scale == "paper"
    side = 128 if paper else 64
    base = replace(
        loop_of(120 if paper else 40, 3),
        source=Choice("crops", {"count": SQUARES} | ({"path": str(data)} if data else {})),
        features=Choice("pca", {"components": 16}),
    )
    spread = partial(Case, codec="spread", side=side, readings=SINGLE, seeds=3 if paper else 2)
    lawful, replaying = Choice("gaussian"), Choice("kde")
    none, again = dict.fromkeys((*MARKED, ROTATING), NOTHING_FOUND), dict.fromkeys(MARKED, REPLAYED)
    further = {COMPRESSED: LOST, SMALLER: LOST, INFORMED_FILTERED: CAUGHT}
    behind = {FILTERED: CAUGHT} | (further if paper else {})
    cases = [
        spread(lawful, loop=CLOSED, ways=(*BASIC, ROTATING), rules=none),
        spread(replaying, loop=CLOSED, rules=again),
        spread(lawful, loop=FRESH, ways=(UNTAGGED, "blind", *behind), rules=none | behind),
        replace(spread(lawful, loop=CLOSED, ways=BASIC[:2], rules=none), codec="dwt_dct_svd"),
    ]
    if paper:
        vae = Choice("vae", {"steps": 150})
        cases.append(spread(vae, loop=CLOSED, ways=BASIC[:2], side=LEARNED_SIDE, rules=none))
        halved, caught = dict.fromkeys(MARKED, HALF_REPLAYED), dict.fromkeys(BEHIND, UNLEARNED)
        cases.append(spread(replaying, loop=FRESH, ways=(*BASIC, *BEHIND), rules=halved | caught))
        styled = partial(spread, STYLED, ways=BASIC[:2], side=LEARNED_SIDE, seeds=2)
        cases += [styled(loop=loop, rules={"blind": UNREAD}) for loop in (CLOSED, FRESH)]
        cases.append(styled(loop=CLOSED, rules={"blind": HANDED_ON}, codec="dwt_dct_svd"))
        diffused = partial(Case, MLP, "dwt_dct_svd", ways=BASIC[:2], side=SIDES["dwt_dct_svd"], readings=SINGLE)
        cases += [diffused(loop=loop, rules={"blind": DIFFUSED}) for loop in (CLOSED, FRESH)]
    told = f"the pictures of {data}" if data else "scikit-learn's two photographs"
    about = f"What becomes of marks on squares of {side} pixels in colour out of {told}"
    return twins_preset("mark-amplification-pictures", about, base, cases)
