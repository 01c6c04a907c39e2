"""How far many loops are, counted in generations: of loops side by side none is done until nearly all are."""

from collections.abc import Callable, Iterable

from evaluator.config import LoopConfig
from hygiene.datasets import Progress

Count = Callable[[int], None]
"""Called with how many generations are done that were not before."""


def generations_of(configs: Iterable[LoopConfig], progress: Progress | None) -> Count:
    """Tells `progress` of every count, among all generations of `configs`."""
    total, done = sum(config.generations for config in configs), 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress("generations", done, total)

    return count


def uncounted(_: int) -> None:
    """Where nobody looks."""
