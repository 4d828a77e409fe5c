"""``import msgflux_nb.dask`` registers ``mf`` for Dask's DataFrames and Series."""

from __future__ import annotations

try:
    import dask.dataframe as _frames
except ImportError as error:
    raise ImportError(
        f'Dask is not installed ({error}). Install it with: pip install "dask[dataframe,distributed]>=2025.1"'
    ) from error

from .tables.distributed.dask import DaskAccessor, register

__all__ = ["DaskAccessor"]

assert _frames is not None
register()
