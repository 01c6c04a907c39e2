"""A grid × seeds of loops: what a sweep's file says, and every configuration that it comes to.

The file is a loop's configuration in which any field may hold a list of values: all combinations are run. What
belongs together (a loop and its sizes) stands in [[arm]] tables, each laid over the fields outside of them.
"""

import copy
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evaluator.config import LoopConfig, build_record
from evaluator.config_files import read_toml
from evaluator.ground_checks import check_unread
from evaluator.metrics import MEASURES
from evaluator.readings import among, names_of
from evaluator.tables import check_type
from hygiene.errors import ConfigurationError

FILTER_FIELDS = ("filter.tpr", "filter.recall")
MOST_RUNS = 100_000  # more is a slip of the finger


@dataclass(frozen=True)
class Goal:
    """What the sweep looks for: the value of field `over` at which `metric` is least, or most (`best`).

    metric  a metric of the loops; the first that they measure when not given
    over    a field of the grid; when not given the filter's recall, where that is in the grid
    last    generations, counted from the end, over which a run's value is averaged
    """

    metric: str | None = None
    best: str = "least"
    over: str | None = None
    last: int = 1


@dataclass(frozen=True)
class Point:
    """One combination. settings: the fields that tell it from the others, by dotted name; `config` has seed 0."""

    settings: dict[str, Any]
    config: LoopConfig


@dataclass(frozen=True)
class Sweep:
    """Every combination with every seed."""

    points: tuple[Point, ...]
    seeds: tuple[int, ...]
    goal: Goal

    @property
    def fields(self) -> list[str]:
        """The dotted names of what varies, seeds apart."""
        return list(self.points[0].settings)

    def runs(self) -> Iterator[tuple[int, LoopConfig]]:
        """(index of its point, configuration) of every run, seed by seed, so that a stopped sweep has whole seeds."""
        for seed in self.seeds:
            for index, point in enumerate(self.points):
                yield index, replace(point.config, seed=seed)


def load_sweep(path: Path) -> Sweep:
    """Read a sweep's TOML file; every combination is checked before anything runs."""
    return sweep_of(read_toml(path))


def sweep_of(values: Mapping[str, Any]) -> Sweep:
    """The sweep that a parsed file holds."""
    rest = dict(values)
    goal = _goal(rest.pop("sweep", {}))
    seeds = _seeds(rest.pop("seeds", None), rest.pop("seed", None))
    arms = rest.pop("arm", [{}])
    if not isinstance(arms, list) or not arms or not all(isinstance(arm, Mapping) for arm in arms):
        raise ConfigurationError(f"arm is {arms!r}, expected [[arm]] tables of fields")
    combinations = [each for arm in arms for each in _combinations(_laid_over(rest, arm), len(seeds))]
    points = _points([_config(each) for each in combinations])
    _check_goal(goal, points)
    return Sweep(points, seeds, goal)


def run_name(config: LoopConfig) -> str:
    """The name of a configuration's run folder; it stays when the grid around it grows."""
    text = json.dumps(config.to_dict(), sort_keys=True)
    return f"{config.loop}-seed{config.seed}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _goal(values: Any) -> Goal:
    goal = build_record(Goal, values, "[sweep]")
    for name, hint in Goal.__annotations__.items():
        check_type(getattr(goal, name), hint, f"sweep.{name}")
    if goal.best not in ("least", "most"):
        raise ConfigurationError(f"sweep.best is {goal.best!r}: choose one of least, most")
    if goal.last < 1:
        raise ConfigurationError(f"sweep.last is {goal.last}, expected at least 1 generation")
    return goal


def _seeds(count: Any, listed: Any) -> tuple[int, ...]:
    if count is not None and listed is not None:
        raise ConfigurationError("both seeds and seed are given: seeds = 5 is short for seed = [0, 1, 2, 3, 4]")
    if count is not None:
        check_type(count, int, "seeds")
        if not 1 <= count <= MOST_RUNS:
            raise ConfigurationError(f"seeds is {count}, expected 1 to {MOST_RUNS}: how many seeds, from 0 on")
        return tuple(range(count))
    seeds = listed if isinstance(listed, list) else [0 if listed is None else listed]
    for seed in seeds:
        check_type(seed, int, "seed")
        if seed < 0:
            raise ConfigurationError(f"seed is {seed}, expected at least 0")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"seed is {seeds}, expected different seeds, one at least")
    return tuple(seeds)


def _laid_over(base: Mapping[str, Any], arm: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `arm` says in its place, table by table."""
    merged = dict(base)
    for name, value in arm.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _laid_over(merged[name], value) if both else value
    return merged


def _combinations(values: Mapping[str, Any], seeds: int) -> list[dict[str, Any]]:
    """Every choice of one value out of every list, however deep it lies."""
    lists = list(_lists(values, ()))
    count = seeds
    for path, choices in lists:
        if not choices:
            raise ConfigurationError(f"{'.'.join(path)} is an empty list: give it a value at least")
        count *= len(choices)
        if count > MOST_RUNS:
            raise ConfigurationError(f"the sweep has more than {MOST_RUNS} runs: leave values out")
    return [
        _with(values, [path for path, _ in lists], chosen)
        for chosen in itertools.product(*(choices for _, choices in lists))
    ]


def _lists(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for name, value in values.items():
        if isinstance(value, list):
            yield (*above, name), value
        elif isinstance(value, Mapping):
            yield from _lists(value, (*above, name))


def _with(values: Mapping[str, Any], paths: Sequence[tuple[str, ...]], chosen: Sequence[Any]) -> dict[str, Any]:
    """`values` with one choice in the place of every list."""
    result = copy.deepcopy(dict(values))
    for path, value in zip(paths, chosen, strict=True):
        table = result
        for name in path[:-1]:
            table = table[name]
        table[path[-1]] = value
    return result


def _config(values: dict[str, Any]) -> LoopConfig:
    config = LoopConfig.from_dict(values)
    check_unread(config, new=False)
    return config


def _points(configs: Sequence[LoopConfig]) -> tuple[Point, ...]:
    """Named by the fields in which they differ."""
    flat = [_flat(asdict(config)) for config in configs]
    fields = list(dict.fromkeys(name for each in flat for name in each))
    varied = [name for name in fields if any(each.get(name) != flat[0].get(name) for each in flat)]
    points = tuple(
        Point({name: each.get(name) for name in varied}, config) for each, config in zip(flat, configs, strict=True)
    )
    known: set[str] = set()
    for point in points:
        if (name := run_name(point.config)) in known:
            told = ", ".join(f"{field} = {value}" for field, value in point.settings.items()) or "all alike"
            raise ConfigurationError(f"two combinations of the sweep are the same loop ({told}): leave one of them out")
        known.add(name)
    return points


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted names as a file's user writes them: model, model.components, filter.tpr."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if name == "parameters" and isinstance(value, Mapping):
            flat |= _flat(value, above)
        elif name == "name" and above:
            flat[above.removesuffix(".")] = value
        elif isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{name}.") or {f"{above}{name}": True}
        else:
            flat[f"{above}{name}"] = value
    return flat


def _check_goal(goal: Goal, points: Sequence[Point]) -> None:
    _check_metric(goal, [point.config for point in points])
    shortest = min(point.config.generations for point in points)
    if goal.last > shortest:
        raise ConfigurationError(f"sweep.last is {goal.last}, a loop has {shortest} generations: expected no more")
    fields = list(points[0].settings)
    if goal.over is None:
        return
    if goal.over not in fields:
        known = ", ".join(fields) or "none does"
        raise ConfigurationError(f"sweep.over is {goal.over!r}, expected a field that varies: {known}")
    for point in points:  # one that has none, as of a filter that is off, is not compared
        if (value := point.settings[goal.over]) is not None:
            check_type(value, float, f"sweep.over = {goal.over!r}: a value of it")


def _check_metric(goal: Goal, configs: Sequence[LoopConfig]) -> None:
    """Refuse a metric that no loop can have measured in each of the generations that count."""
    if goal.metric is None:
        return
    known = list(dict.fromkeys(name for each in configs for name in names_of(each, each.generations - goal.last + 1)))
    if among(goal.metric, known):
        return
    able = [f"[metrics.{name}]" for name, measured in MEASURES.items() if among(goal.metric, list(measured))]
    advice = f", or add {able[0]}" if able else ""
    where = f"the last {goal.last} generations of its loops" if goal.last > 1 else "the last generation of its loops"
    raise ConfigurationError(
        f"sweep.metric is {goal.metric!r}, which {where} will not have: choose one of {', '.join(known)}{advice}"
    )


def searched_field(sweep: Sweep) -> str | None:
    """The field over which the best value is looked for; None where there is none."""
    return sweep.goal.over or next((name for name in FILTER_FIELDS if name in sweep.fields), None)
