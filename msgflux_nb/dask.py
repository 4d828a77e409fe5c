"""``import msgflux_nb.dask`` gives Dask's DataFrames and Series their ``mf``, whenever Dask was imported."""

from __future__ import annotations

import dask.dataframe  # noqa: F401  # loaded, so that there is something to register with

from .tables.dask import DaskAccessor, register

__all__ = ["DaskAccessor"]

register()
