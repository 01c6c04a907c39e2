"""Full precision for methods on batches, whatever the caller's code around them runs in."""

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from array_api_compat import is_torch_array

F = TypeVar("F", bound=Callable[..., Any])


def full_precision(method: F) -> F:
    """`method(self, batch, …)` outside of `torch.autocast`: evidence made of half precision would be other evidence."""

    @wraps(method)
    def called(self: Any, batch: Any, *arguments: Any, **options: Any) -> Any:
        with _without_autocast(batch):
            return method(self, batch, *arguments, **options)

    return called  # type: ignore[return-value]


def _without_autocast(batch: Any) -> contextlib.AbstractContextManager[Any]:
    if not is_torch_array(batch):
        return contextlib.nullcontext()
    import torch

    kind = batch.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else contextlib.nullcontext()
