"""Shards on the processors of this machine: processes to compute, threads to copy."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import resource_tracker
from typing import Protocol, TypeVar

from hygiene.errors import HygieneError

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerLost(HygieneError):
    """A worker process died under its work; what the others finished is stored."""

    exit_code = 4


class Run(Protocol):
    """Calls a function on every task, possibly elsewhere, and yields the results in the order of the tasks."""

    def __call__(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]: ...


@contextlib.contextmanager
def processes(workers: int = 1) -> Iterator[Run]:
    """An engine for the length of the block: with one worker this process, else `workers` others.

    Tasks are handed out a few ahead, so they may be many or lazy. When the block is left early, as on Ctrl-C,
    shards under way are finished and stored, and no new one starts. Functions and tasks must be picklable; `str`
    of a task is what WorkerLost calls it. Workers are spawned, so a script that asks for several needs
    `if __name__ == "__main__":`.
    """
    if workers <= 1:
        yield _here
        return
    with one_thread_each():
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent)
        try:
            yield partial(_in_order, pool, workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def threads(workers: int = 1) -> Iterator[Run]:
    """As `processes`, for work that waits for disks and not for processors: nothing has to start or be pickled."""
    if workers <= 1:
        yield _here
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield partial(_in_order, pool, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _here(function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    return map(function, tasks)


def _in_order(
    pool: Executor, workers: int, function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[Result]:
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    try:
        for task in tasks:
            with deaf_starts():
                waiting.append((task, pool.submit(function, task)))
            if len(waiting) > 2 * workers:
                yield waiting[0][1].result()
                waiting.popleft()
        while waiting:
            yield waiting[0][1].result()
            waiting.popleft()
    except BrokenProcessPool:
        # Tasks start in order: whatever was under way is among the first that have no result.
        lost = [str(task) for task, future in waiting if not future.done() or future.exception()][:workers]
        raise WorkerLost(
            f"a worker process died (out of memory, or killed) at work on {' or '.join(lost)}; finished shards are "
            "stored: run the same command again to continue, with fewer --workers if memory was short; "
            "if it dies there again, take those pictures out"
        ) from None


def follow_parent() -> None:
    """Stop when the parent is gone, however it ended, and not before."""
    # Ctrl-C reaches the whole process group; the parent alone decides, so that no shard is torn.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()


@contextlib.contextmanager
def deaf_starts() -> Iterator[None]:
    """Processes started inside do not hear Ctrl-C before they `follow_parent`: while they import, it would end them
    with a traceback each. Here it is heard when the block ends."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # whose own start would end what follows
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started inside inherit the environment: each computes on one thread, or all their threads compete."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
