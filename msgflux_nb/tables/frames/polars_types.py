"""A schema's type → the dtype of its column in polars if one holds every value; else polars' ``Object``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import inspect

from ..dtypes import Column, alternatives, record_fields

__all__ = ["polars_dtype", "polars_series"]

_LISTS = (inspect.ListType, inspect.VarTupleType)


class _NoTypeError(Exception):
    """No type of polars holds these values exactly."""


def polars_series(name: str, cells: Sequence[Any], dtype: Any) -> Any:
    """Return cells as a column of polars: of the dtype if it holds each cell exactly, else of ``Object``."""
    import polars as pl

    if dtype is not None:
        try:
            column = pl.Series(name, cells, dtype=dtype, strict=True)
            if column.to_list() == list(cells):
                return column
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            pass
    return pl.Series(name, cells, dtype=pl.Object)


def polars_dtype(column: Column) -> Any:
    """Return the dtype of a column in polars; None if there is none."""
    import polars as pl

    simple = {
        "integer": pl.Int64,
        "float": pl.Float64,
        "boolean": pl.Boolean,
        "string": pl.String,
        "naive": pl.Datetime("us"),
        "utc": pl.Datetime("us", "UTC"),
        "date": pl.Date,
        "duration": pl.Duration("us"),
    }
    if column.kind == "category":
        return _levels(column.levels)
    if column.kind in simple:
        return simple[column.kind]
    try:
        return None if column.type is None else _type(column.type, ())
    except _NoTypeError:
        return None


def _levels(levels: Sequence[Any]) -> Any:
    """Return an Enum for texts, else the type of the levels: polars has Enums only for texts."""
    import polars as pl

    types = frozenset(map(type, levels))
    if types == {str}:
        return pl.Enum(levels)
    return {frozenset([int]): pl.Int64, frozenset([float]): pl.Float64, frozenset([bool]): pl.Boolean}.get(types)


def _type(kind: inspect.Type, parents: tuple[Any, ...]) -> Any:
    import polars as pl

    members = alternatives(kind)
    if len(members) != 1:
        raise _NoTypeError
    member: Any = members[0]
    if isinstance(member, _LISTS):
        return pl.List(_type(member.item_type, parents))
    fields = record_fields(member)
    if fields and member.cls not in parents:
        tag = {} if getattr(member, "tag", None) is None else {member.tag_field: _levels([member.tag])}
        return pl.Struct(tag | {field.name: _type(field.type, (*parents, member.cls)) for field in fields})
    return _leaf(member)


def _leaf(member: Any) -> Any:
    import polars as pl

    if isinstance(member, inspect.LiteralType | inspect.EnumType):
        values = member.values if isinstance(member, inspect.LiteralType) else [one.value for one in member.cls]
        found = _levels([value for value in values if value is not None])
    elif isinstance(member, inspect.DateTimeType):
        found = None if member.tz is None else pl.Datetime("us", "UTC" if member.tz else None)
    else:
        simple: dict[Any, Any] = {
            inspect.IntType: pl.Int64,
            inspect.FloatType: pl.Float64,
            inspect.BoolType: pl.Boolean,
            inspect.StrType: pl.String,
            inspect.BytesType: pl.Binary,
            inspect.DateType: pl.Date,
            inspect.TimeType: pl.Time,
            inspect.TimeDeltaType: pl.Duration("us"),
        }
        found = simple.get(type(member))
    if found is None:
        raise _NoTypeError
    return found
