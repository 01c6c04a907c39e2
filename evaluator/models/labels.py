"""Classes that travel with their rows through the loop: a row's label is one more number, its last.

What mixes, filters, stores and draws rows so moves each label with its row, and need not know of it. Models that are
conditioned on labels take them off, and give rows with the label that each was made for.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluator.models.base import Rows
from evaluator.row_parts import RowParts
from hygiene.errors import ConfigurationError

Labels = NDArray[np.int64]
Kept = TypeVar("Kept", Rows, RowParts, Rows | RowParts)


def with_labels(rows: Rows, labels: Labels) -> Rows:
    """Rows [n, d + 1] of rows [n, d] and their labels [n]."""
    return np.hstack([rows, labels[:, None].astype(rows.dtype)])


def parted(rows: Kept, classes: int) -> tuple[Kept, Labels]:
    """Rows [n, d] and labels [n] of rows [n, d + 1]; without classes the rows as they are, and all labels 0.

    Refuses labels other than 0 … classes − 1.
    """
    if not classes:
        return rows, np.zeros(len(rows), dtype=np.int64)
    if isinstance(rows, RowParts):
        pairs = [parted(part, classes) for part in rows.parts]
        return RowParts(tuple(part for part, _ in pairs)), np.concatenate([labels for _, labels in pairs])
    last = rows[:, -1]
    strange = last[(last != np.floor(last)) | (last < 0) | (last >= classes)]
    if len(strange):
        raise ConfigurationError(
            f"a row has the label {strange[0]:g}, labels = {classes} takes whole numbers from 0 to {classes - 1}"
        )
    return rows[:, :-1], last.astype(np.int64)
