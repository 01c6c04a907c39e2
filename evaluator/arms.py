"""Many loops at once: arms × seeds over processes, with what they share prepared once per process."""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.ground_checks import check_unread
from evaluator.progress import Count, uncounted
from evaluator.setup import Setup, prepare, setup_key
from evaluator.side_by_side import Outcome, grouped, run_side_by_side
from evaluator.threads import one_thread
from hygiene.engines import WorkerLost, deaf_starts, follow_parent
from hygiene.errors import ConfigurationError, HygieneError, InfeasibleError

Job = tuple[int, LoopConfig, Path | None]
"""The index of a loop, the loop, and the run folder it goes on in; None keeps it in memory."""

Group = Sequence[Job]
"""Loops that one process runs side by side."""

Outcomes = Generator[tuple[int, Outcome], None, None]


def run_arms(
    configs: Sequence[LoopConfig], workers: int = 1, folders: Sequence[Path] | None = None, count: Count = uncounted
) -> Iterator[tuple[int, list[Generation]]]:
    """Run every configuration; yield (its index, its generations without state) as each one finishes.

    folders  a run folder for each configuration, where it is stored and goes on after a stop; none: in memory only
    count    told of generations as they are done, or found in their folder

    Loops with one kind of model are trained side by side where that changes nothing (`side_by_side`). The
    order of finishing is free, the results are not: they are the same for any number of `workers`. More than one
    starts processes by "spawn", so a script that calls this needs `if __name__ == "__main__":`. Leaving early, as on
    Ctrl-C, ends them at once.

    Raises InfeasibleError, naming the arms, when some could not be run to their end: after every other arm was
    yielded, so that one bad arm costs nobody else's hours. Raises WorkerLost as soon as a process dies.
    """
    if workers < 1:
        raise ConfigurationError(f"workers is {workers}, expected at least 1")
    for config in configs:
        check_unread(config, new=True)
    stored = [None] * len(configs) if folders is None else folders
    jobs: list[Job] = list(zip(range(len(configs)), configs, stored, strict=True))
    groups = [[jobs[index] for index in group] for group in grouped(configs, workers)]
    failed: dict[int, HygieneError] = {}
    with one_thread():
        outcomes = _spread(groups, min(workers, len(groups)), count) if workers > 1 else _here(groups, count)
        with contextlib.closing(outcomes):
            for index, outcome in outcomes:
                if isinstance(outcome, HygieneError):
                    failed[index] = outcome
                else:
                    yield index, outcome
    if failed:
        raise InfeasibleError(_told(configs, failed))


def _told(configs: Sequence[LoopConfig], failed: dict[int, HygieneError]) -> str:
    first = min(failed)
    arm = configs[first]
    more = f"; {len(failed)} of {len(configs)} arms failed" if len(failed) > 1 else ""
    return f"arm {first} ({arm.loop}, seed {arm.seed}) could not be run: {failed[first]}{more}"


def _here(groups: Sequence[Group], count: Count) -> Outcomes:
    prepared: dict[str, Setup] = {}
    return (done for group in groups for done in _outcomes(group, prepared, count))


def _spread(groups: Sequence[Group], workers: int, count: Count) -> Outcomes:
    """One pipe per process rather than an executor: a dead process is an end of file here, and no process outlives
    the loop that reads them. Each prepares its own ground: what is handed to a
    starting process beyond 64 KiB blocks for ever when that process dies early."""
    waiting = iter(groups)
    crew: dict[Connection, BaseProcess] = {}
    try:
        for group in islice(waiting, workers):
            line, process = _worker()
            crew[line] = process
            _send(line, process, group)
        while crew:
            ready = wait(list(crew))
            for line in [line for line in crew if line in ready]:
                done = _received(line, crew[line])
                if isinstance(done, int):
                    count(done)
                    continue
                if (following := next(waiting, None)) is None:
                    _end(line, crew.pop(line))
                else:
                    _send(line, crew[line], following)
                yield from done
    finally:
        for line, process in crew.items():
            _end(line, process)


def _end(line: Connection, process: BaseProcess) -> None:
    line.close()
    process.kill()
    process.join()


def _worker() -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    with deaf_starts():
        process.start()
    theirs.close()
    return ours, process


def _send(line: Connection, process: BaseProcess, group: Group) -> None:
    try:
        line.send(group)
    except OSError:
        raise _lost(process) from None


def _received(line: Connection, process: BaseProcess) -> list[tuple[int, Outcome]] | int:
    """What a group came to; before that, how many of its generations are done since the last time."""
    try:
        done: list[tuple[int, Outcome]] | int = line.recv()
    except (EOFError, OSError):
        raise _lost(process) from None
    return done


def _lost(process: BaseProcess) -> WorkerLost:
    process.join()
    return WorkerLost(
        f"a worker process died (exit code {process.exitcode}; -9 = killed, as when memory runs out): what it printed "
        "stands above; with workers = 1 the loops run in this process"
    )


def _serve(line: Connection) -> None:
    """Run what comes down the line until it is closed."""
    follow_parent()
    prepared: dict[str, Setup] = {}
    with one_thread(), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            line.send(_outcomes(line.recv(), prepared, line.send))


def _outcomes(group: Group, prepared: dict[str, Setup], count: Count) -> list[tuple[int, Outcome]]:
    """What each loop came to. The states stay behind: nobody resumes from what is sent, and they are the bulk of it."""
    indices, configs, folders = zip(*group, strict=True)
    key = setup_key(configs[0])
    try:
        if key not in prepared:
            prepared[key] = prepare(configs[0])
    except HygieneError as error:
        return [(index, error) for index in indices]
    return list(zip(indices, run_side_by_side(configs, folders, prepared[key], count), strict=True))
