"""What all tests of the evaluator share."""

from collections.abc import Iterator

import pytest

from evaluator.threads import one_thread


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As the commands run: OpenMP threads that wait for each other on a busy machine take fifty times as long."""
    with one_thread():
        yield
