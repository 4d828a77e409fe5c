"""``import msgflux_nb.polars`` gives the tables and Series of polars their ``mf``, whenever polars was imported."""

from __future__ import annotations

import polars  # noqa: F401  # whoever asks for its namespace has it, or is told that it is missing

from .tables.frames.namespace import PolarsAccessor, register_polars

__all__ = ["PolarsAccessor"]

register_polars()
