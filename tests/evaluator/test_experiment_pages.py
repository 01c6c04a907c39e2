"""The experiments' pages hold every row of every experiment, and their index and README count what these say."""

import math
import re
from pathlib import Path

import pytest

from evaluator.presets import PRESETS, make_preset
from evaluator.presets.base import Estimate
from evaluator.presets.runner import cells

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SMALL_ONLY = ("mad-mnist-ddpm", "mad-mnist-wgan", "mad-ffhq-stylegan2")  # the paper's sizes of these take a GPU


def page(name: str) -> str:
    return (DOCS / "experiments" / f"{name}.md").read_text("utf-8")


def rows(name: str) -> list[list[str]]:
    """Cells of the page's table: figure, measured, interval, expected, rule, holds, expectation from."""
    (table,) = re.findall(r"^\| figure \| measured .*\n\|[ -|]*\n((?:\|.*\n)+)", page(name), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def figure(measured: str, interval: str) -> Estimate:
    """What two cells say."""
    told, found, reason = measured.partition("not defined: ")
    if found:
        assert (told, interval) == ("", "")
        return Estimate(math.nan, math.nan, math.nan, reason)
    return Estimate(float(measured), *map(float, interval.split(" to ")))


def counts(name: str) -> tuple[int, int]:
    """How many of the rows with a rule hold, and how many there are."""
    verdicts = [row[5] for row in rows(name) if row[4]]
    assert set(verdicts) <= {"yes", "no"}
    return verdicts.count("yes"), len(verdicts)


def index() -> dict[str, tuple[int, int, str]]:
    """Experiment -> rules that hold, all rules, scale: of the index's table."""
    line = r"^\| \[([\w-]+)\]\(experiments/\1\.md\) \| .* \| (\d+) of (\d+) \| `--scale (\w+)` \| .* \|$"
    found = re.findall(line, (DOCS / "experiments.md").read_text("utf-8"), re.MULTILINE)
    return {name: (int(holding), int(ruled), scale) for name, holding, ruled, scale in found}


@pytest.mark.parametrize("name", PRESETS)
def test_a_page_holds_every_row_of_its_experiment(name):
    """At the paper's size, but for those that were measured at the small one only; a verdict is that of the figures."""
    scale = "small" if name in SMALL_ONLY else "paper"
    assert f"hygiene experiment {name} {'--scale paper ' * (scale == 'paper')}--out" in page(name)
    comparisons = make_preset(name, scale).comparisons
    found = rows(name)
    assert [row[0] for row in found] == [each.what for each in comparisons]
    for comparison, row in zip(comparisons, found, strict=True):
        estimate = figure(*row[1:3])
        measured = None if estimate.undefined else estimate.value
        told = {"what": comparison.what, "measured": measured, "ci_low": estimate.low, "ci_high": estimate.high}
        told |= {"expected": comparison.expected, "rule": comparison.rule, "holds": comparison.holds(estimate)}
        assert row == [*cells(told | {"undefined": estimate.undefined}), comparison.source]


def test_the_index_counts_what_the_pages_say():
    assert index() == {name: (*counts(name), "small" if name in SMALL_ONLY else "paper") for name in PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_a_page_that_counts_its_rules_counts_them_right(name):
    holding, ruled = counts(name)
    told = r"(\d+) of (\d+) rules hold|of all (\d+) rules (\d+) hold|of (\d+) rules do not"
    for numbers in re.findall(told, page(name)):
        assert {int(each) for each in numbers if each} <= {holding, ruled}


def test_readme_counts_the_signs_of_the_pictures():
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    found = [counts(name) for name in SMALL_ONLY]
    holding, ruled = (sum(column) for column in zip(*found, strict=True))
    assert f"{holding} of {ruled} expected signs" in readme
    assert [told for told in found if f"{told[0]} of {told[1]} for" not in readme] == []
