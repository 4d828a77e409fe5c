"""Batches and what comes after them as a type checker sees them. Checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec
import pandas as pd

import msgflux_nb as mf
import msgflux_nb.pandas


class Person(msgspec.Struct):
    name: str


def a_run_goes_on(result: pd.DataFrame, data: pd.DataFrame) -> None:
    assert_type(mf.runs(), pd.DataFrame)
    assert_type(mf.runs("run.sqlite"), pd.DataFrame)
    assert_type(mf.resume(result, max_concurrency=4), pd.DataFrame)
    assert_type(mf.resume("20260101-000000-abcd", data, Person, model="openai/gpt-4.1-nano"), pd.DataFrame)
    mf.resume(result, max_concurency=4)  # type: ignore[call-arg]


def the_accessor_has_types(result: msgflux_nb.pandas.FrameAccessor, column: msgflux_nb.pandas.SeriesAccessor) -> None:
    assert_type(column.extract(Person, model=None, sample=20), pd.DataFrame)
    assert_type(result.retry(states=["truncated"], max_cost=1.0), pd.DataFrame)
    assert_type(result.explain("a").attempts, int | None)
    assert_type(result.explain(position=3).error, str | None)
    column.explain("a")  # type: ignore[attr-defined]
