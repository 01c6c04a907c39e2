"""Many loops at once: arms × seeds over processes, with what they share prepared once per process."""

import contextlib
import signal
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from evaluator.config import LoopConfig
from evaluator.generation import Generation
from evaluator.loop import run_loop
from evaluator.runs import run_in_folder
from evaluator.setup import Setup, check_choices, prepare, setup_key
from evaluator.threads import one_thread
from hygiene.engines import WorkerLost
from hygiene.errors import ConfigurationError, HygieneError, InfeasibleError

Job = tuple[LoopConfig, Path | None]
"""A loop, and the run folder it goes on in; None keeps it in memory."""

Outcome = list[Generation] | HygieneError
Outcomes = Generator[tuple[int, Outcome], None, None]


def run_arms(
    configs: Sequence[LoopConfig], workers: int = 1, folders: Sequence[Path] | None = None
) -> Iterator[tuple[int, list[Generation]]]:
    """Run every configuration; yield (its index, its generations without state) as each one finishes.

    folders  a run folder for each configuration, where it is stored and goes on after a stop; none: in memory only

    The order of finishing is free, the results are not: they are the same for any number of `workers`. More than
    one starts processes by "spawn", so a script that calls this needs `if __name__ == "__main__":`. Leaving early,
    as on Ctrl-C, ends them at once.

    Raises InfeasibleError, naming the arms, when some could not be run to their end: after every other arm was
    yielded, so that one bad arm costs nobody else's hours. Raises WorkerLost as soon as a process dies.
    """
    if workers < 1:
        raise ConfigurationError(f"workers is {workers}, expected at least 1")
    for config in configs:
        check_choices(config)
    stored = [None] * len(configs) if folders is None else folders
    jobs: list[Job] = list(zip(configs, stored, strict=True))
    failed: dict[int, HygieneError] = {}
    with one_thread():
        outcomes = _spread(jobs, min(workers, len(jobs))) if workers > 1 else _here(jobs)
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


def _here(jobs: Sequence[Job]) -> Outcomes:
    prepared: dict[str, Setup] = {}
    return ((index, _outcome(job, prepared)) for index, job in enumerate(jobs))


def _spread(jobs: Sequence[Job], workers: int) -> Outcomes:
    """One pipe per process rather than an executor: a dead process is an end of file here, a dead parent is one
    there, and no process outlives the loop that reads them. Each prepares its own ground: what is handed to a
    starting process beyond 64 KiB blocks for ever when that process dies early."""
    waiting = iter(enumerate(jobs))
    crew: dict[Connection, BaseProcess] = {}
    try:
        for arm in islice(waiting, workers):
            line, process = _worker()
            crew[line] = process
            _send(line, process, arm)
        while crew:
            ready = wait(list(crew))
            for line in [line for line in crew if line in ready]:
                done = _received(line, crew[line])
                if (following := next(waiting, None)) is None:
                    _end(line, crew.pop(line))
                else:
                    _send(line, crew[line], following)
                yield done
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
    process.start()
    theirs.close()
    return ours, process


def _send(line: Connection, process: BaseProcess, arm: tuple[int, Job]) -> None:
    try:
        line.send(arm)
    except OSError:
        raise _lost(process) from None


def _received(line: Connection, process: BaseProcess) -> tuple[int, Outcome]:
    try:
        index, outcome = line.recv()
    except (EOFError, OSError):
        raise _lost(process) from None
    return index, outcome


def _lost(process: BaseProcess) -> WorkerLost:
    process.join()
    return WorkerLost(
        f"a worker process died (exit code {process.exitcode}; -9 = killed, as when memory runs out): what it printed "
        "stands above; with workers = 1 the loops run in this process"
    )


def _serve(line: Connection) -> None:
    """Run what comes down the line until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides
    prepared: dict[str, Setup] = {}
    with one_thread(), contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            index, job = line.recv()
            line.send((index, _outcome(job, prepared)))


def _outcome(job: Job, prepared: dict[str, Setup]) -> Outcome:
    """The states stay behind: nobody resumes from what is sent, and they are the bulk of the data."""
    config, folder = job
    key = setup_key(config)
    try:
        if key not in prepared:
            prepared[key] = prepare(config)
        ground = prepared[key]
        steps = run_loop(config, ground) if folder is None else run_in_folder(config, folder, ground)
        return [replace(step, state=None) for step in steps]
    except HygieneError as error:
        return error
