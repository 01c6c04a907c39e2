"""How many workers run the same functions over shards. A new engine is a file here with a context manager."""

from hygiene.engines.local import Run, WorkerLost, deaf_starts, follow_parent, one_thread_each, processes, threads

__all__ = ["Run", "WorkerLost", "deaf_starts", "follow_parent", "one_thread_each", "processes", "threads"]
