"""One thread per process: small matrices gain nothing from more, and results do not depend on the machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from hygiene.engines import one_thread_each


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the linear algebra that is loaded already to one thread, and by the environment what is loaded inside
    and every process started inside."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with one_thread_each(), threadpool_limits(limits=1):
        yield
