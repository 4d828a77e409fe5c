"""``import msgflux_nb.pandas`` gives DataFrames and Series their ``mf``, whenever pandas was imported."""

from __future__ import annotations

from .tables.accessor import FrameAccessor, SeriesAccessor

__all__ = ["FrameAccessor", "SeriesAccessor"]
