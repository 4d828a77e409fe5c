"""Forks processes from one with all imports done: a new interpreter imports for one or two seconds of CPU time."""

from __future__ import annotations

import multiprocessing

__all__ = ["FORKS", "preload"]

FORKS = multiprocessing.get_context("forkserver")
"""Starts processes, as ``multiprocessing`` does. Their environment is that of the first one's start."""


def preload() -> None:
    """Name the modules that the forking process imports; this has no effect once it runs."""
    ours = ["msgflux_nb.dask", "msgflux_nb.tables.distributed.part", "tests.tables.test_kill"]
    FORKS.set_forkserver_preload(["distributed", "distributed.nanny", "dask.dataframe", *ours])
