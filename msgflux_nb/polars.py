"""``import msgflux_nb.polars`` registers ``mf`` for DataFrames, LazyFrames and Series of polars."""

from __future__ import annotations

import polars  # noqa: F401  # raises if polars is missing

from .tables.frames.namespace import PolarsAccessor, register_polars

__all__ = ["PolarsAccessor"]

register_polars()
