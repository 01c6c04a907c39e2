"""How many workers run the same functions over shards. A new engine is a file here with one context manager."""

from hygiene.engines.local import Run, WorkerLost, processes

__all__ = ["Run", "WorkerLost", "processes"]
