"""Grids and reviews as a type checker sees them. Checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec
import pandas as pd

import msgflux_nb as mf
import msgflux_nb.pandas


class Person(msgspec.Struct):
    name: str


async def a_grid_is_a_frame(texts: pd.Series[str], models: list[mf.ChatCompletion]) -> None:
    assert_type(mf.grid("Who? {text}", texts), pd.DataFrame)
    assert_type(mf.grid({"a": "{text}"}, texts, models=models, schema=Person, n=3, max_cost=1.0), pd.DataFrame)
    assert_type(await mf.agrid(["{text}"], texts, models=models), pd.DataFrame)
    mf.grid("{text}", texts, scores=[])  # type: ignore[call-arg]


def the_views_have_types(result: pd.DataFrame) -> None:
    assert_type(mf.ReviewView(result, budget=60).truth, pd.DataFrame)
    assert_type(mf.ReviewView(result).accuracy, pd.DataFrame)
    assert_type(mf.GridView(result).scores, pd.DataFrame)
    assert_type(mf.GridView(result).ratings, pd.DataFrame)
    mf.ReviewView(result, budgte=60)  # type: ignore[call-arg]


def the_accessor_knows_grids(result: msgflux_nb.pandas.FrameAccessor) -> None:
    assert_type(result.scores(), pd.DataFrame)
    assert_type(result.cells(), pd.DataFrame)
