"""Many loops at once: arms × seeds over processes, with what they share prepared once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context

from evaluator.config import LoopConfig
from evaluator.loop import Generation, run_loop
from evaluator.setup import Setup, check_choices, prepare, setup_key
from evaluator.threads import one_thread
from hygiene.errors import ConfigurationError

_setups: dict[str, Setup] = {}  # of a worker process, filled once when it starts


def run_arms(configs: Sequence[LoopConfig], workers: int = 1) -> Iterator[tuple[int, list[Generation]]]:
    """Run every configuration; yield (its index, its generations without state) as each one finishes.

    The order of finishing is free, the results are not: they are the same for any number of `workers`. More than
    one starts processes by "spawn", so a script that calls this needs `if __name__ == "__main__":`.
    """
    if workers < 1:
        raise ConfigurationError(f"workers is {workers}, expected at least 1")
    for config in configs:
        check_choices(config)
    with one_thread():
        setups = {setup_key(config): config for config in configs}
        prepared = {key: prepare(config) for key, config in setups.items()}
        if workers == 1:
            for index, config in enumerate(configs):
                yield index, _generations(config, prepared)
            return
        yield from _spread(configs, workers, prepared)


def _spread(
    configs: Sequence[LoopConfig], workers: int, prepared: dict[str, Setup]
) -> Iterator[tuple[int, list[Generation]]]:
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start, initargs=(prepared,))
    try:
        waiting = {pool.submit(_work, config): index for index, config in enumerate(configs)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(prepared: dict[str, Setup]) -> None:
    _setups.update(prepared)


def _work(config: LoopConfig) -> list[Generation]:
    with one_thread():
        return _generations(config, _setups)


def _generations(config: LoopConfig, prepared: dict[str, Setup]) -> list[Generation]:
    """The states stay behind: nobody resumes an arm, and they are the bulk of the data."""
    return [replace(step, state=None) for step in run_loop(config, prepared[setup_key(config)])]
