"""Reading what somebody else wrote, or what a disk has damaged."""

from collections.abc import Iterator
from contextlib import contextmanager

from hygiene.errors import ConfigurationError


@contextmanager
def refused(complaint: str) -> Iterator[None]:
    """ConfigurationError "complaint (reason)" for whatever json, zipfile and numpy raise inside the block.

    For bytes that are not what they should be that is nearly anything, up to errors of Python's tokeniser.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).partition(". ")[0].split())  # numpy goes on to recommend unsafe loading
        raise ConfigurationError(f"{complaint} ({reason})") from None
