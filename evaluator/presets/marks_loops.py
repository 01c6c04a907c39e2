"""The loops of mark-amplification that other models than the mixture go through, and what the laws say of them."""

from dataclasses import dataclass, replace
from functools import partial

from evaluator import theory
from evaluator.config import Filter, LoopConfig
from evaluator.presets.base import Comparison, Estimate, Measured
from evaluator.presets.marks import HALF, LAST_KEY, RAW, adopting, demo_configs, last, rotating, transfer

RECALL = 0.9
UNTAGGED = "none fully_synthetic r=0"
BLIND, INFORMED = "blind fresh_data r=0", "informed fresh_data r=0"
CLOSED, CLOSED_INFORMED = "blind fully_synthetic r=0", "informed fully_synthetic r=0"


@dataclass(frozen=True)
class MarkLoop:
    """A loop, and of what its models learn from: the share that is tagged, and that of generators that do not tag.

    Its laws are those of κ = 1, marks in units of what is embedded.
    """

    config: LoopConfig
    tagged: float
    untagged: float = 0.0

    @property
    def synthetic(self) -> float:
        """Share of what its models learn from, behind the filter on average."""
        return self.tagged + self.untagged

    @property
    def rotates(self) -> bool:
        """Whether every generation has a key of its own."""
        return self.config.tagging.rotate

    @property
    def filtered(self) -> bool:
        return self.config.filter.mode != "none"

    def raw(self, generation: int) -> float:
        """Mark of raw output of a generation ≥ 2, along its own key."""
        if self.rotates:
            return 0.0
        if self.config.tagging.mode == "informed":
            return theory.informed_raw_mark(1.0, self.tagged)
        return self.tagged / self.synthetic * theory.raw_mark(1.0, self.synthetic, generation)

    def published(self, generation: int) -> float:
        """Mean mark of what a generation ≥ 2 publishes, tagged or not."""
        if self.config.tagging.mode == "informed":
            return 1.0
        return self.config.tagging.adoption + self.raw(generation)

    def transfer(self, arm: str, measured: Measured) -> Estimate:
        """κ along the key that the last generation tagged with; behind a filter, of the share that it really left."""
        share = measured[arm]["residual_synthetic"][:, 1:] if self.filtered else self.synthetic
        return transfer(arm, share, measured, LAST_KEY if self.rotates else RAW)


def basic_loops(generations: int) -> dict[str, MarkLoop]:
    """One key, no filter: blind and informed tagging, half fresh data and closed."""
    demo = demo_configs(generations)
    shares = {BLIND: HALF, INFORMED: HALF, CLOSED: 1.0, CLOSED_INFORMED: 1.0}
    return {label: MarkLoop(demo[label], share) for label, share in shares.items()}


def other_loops(generations: int) -> dict[str, MarkLoop]:
    """A key per generation, half of the generators tagging, blind and informed tagging behind a filter."""
    demo = demo_configs(generations)
    turned, some, left = rotating(demo), adopting(demo), theory.residual_synthetic(HALF, RECALL, 0.0)
    behind = Filter("simulated", tpr=RECALL, fpr=0.0)
    return {
        f"rotating keys, {BLIND}": MarkLoop(turned[f"rotating keys, {BLIND}"], HALF),
        f"rotating keys, {CLOSED}": MarkLoop(turned[f"rotating keys, {CLOSED}"], 1.0),
        f"50% tag, {BLIND}": MarkLoop(some[f"50% tag, {BLIND}"], HALF / 2, HALF / 2),
        "blind fresh_data r=0.9": MarkLoop(demo["blind fresh_data r=0.9"], left),
        "informed fresh_data r=0.9": MarkLoop(replace(demo[INFORMED], filter=behind), left),
    }


def damage_row(arm: str, untagged: str, told: str) -> Comparison:
    """What the mark alone adds to the last Fréchet distance: the same seeds with it and without."""
    return Comparison(f"Fréchet distance added by the mark, {told}", partial(_damage, arm, untagged))


def _damage(arm: str, untagged: str, measured: Measured) -> Estimate:
    tagged, plain = (last(measured[each]["frechet_distance"]) for each in (arm, untagged))
    return Estimate.of(tagged - plain)
