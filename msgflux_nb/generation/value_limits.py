"""Checks limits that msgspec does not know on decoded values, with errors like msgspec's own."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError

__all__ = ["ValueLimits"]


def _is_multiple(value: Any, of: Any) -> bool:
    share = value / of
    return bool(abs(share - round(share)) <= 1e-9 * max(1, abs(share)))


_CHECKS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "ge": (operator.ge, ">= {}"),
    "gt": (operator.gt, "> {}"),
    "le": (operator.le, "<= {}"),
    "lt": (operator.lt, "< {}"),
    "multiple_of": (_is_multiple, "that's a multiple of {}"),
    "min_length": (lambda value, least: len(value) >= least, "of length >= {}"),
    "max_length": (lambda value, most: len(value) <= most, "of length <= {}"),
    "pattern": (lambda value, pattern: re.search(pattern, value), "matching regex {!r}"),
}

_PYTHON: tuple[tuple[Any, Any, str], ...] = (
    (inspect.IntType, int, "int"),
    (inspect.FloatType, float, "float"),
    (inspect.StrType, str, "str"),
    (inspect.CollectionType, list, "array"),
    (inspect.DictType, dict, "object"),
)


class ValueLimits(msgspec.Struct, frozen=True):
    """The limits of one value that msgspec does not check.

    Attributes:
        type: the type to which a value is converted before it is compared.
        noun: JSON's name for the type, for error messages.
        limits: the limits by the names of ``msgspec.Meta``.
        path: the place of the value, for error messages.
    """

    type: Any
    noun: str
    limits: dict[str, Any]
    path: str

    @classmethod
    def of(cls, info: Any, limits: dict[str, Any], path: str) -> ValueLimits:
        """Build the limits for msgspec's view of a type.

        Raises:
            SchemaError: a limit cannot be compared with values of this type.
        """
        found = next(((type_, noun) for kind, type_, noun in _PYTHON if isinstance(info, kind)), None)
        type_, noun = found or (_type_of(info), type(info).__name__.removesuffix("Type").lower())
        for name, limit in limits.items():
            expected: Any = {"pattern": str, "min_length": int, "max_length": int}.get(name)
            try:
                _CHECKS[name][0](_sample(info) if expected is None else ("" if expected is str else []), limit)
            except (TypeError, ArithmeticError, ValueError, re.error) as error:
                raise SchemaError(f"{path}: {name}={limit!r} cannot be a limit here: {error}") from None
        return cls(type_, noun, limits, path)

    def check(self, value: Any) -> None:
        """Check a JSON value.

        Raises:
            msgspec.ValidationError: the value breaks a limit. A value of the wrong type is left to msgspec.
        """
        try:
            converted = msgspec.convert(value, self.type, strict=False, str_keys=True)
        except (msgspec.ValidationError, TypeError):
            return
        for name, limit in self.limits.items():
            holds, said = _CHECKS[name]
            try:
                kept = holds(converted, limit)
            except TypeError:  # a time with a zone was compared to one without
                kept = False
            if not kept:
                place = self.path.replace("[]", "[...]")
                raise msgspec.ValidationError(f"Expected `{self.noun}` {said.format(limit)} - at `{place}`")


def _type_of(info: Any) -> Any:
    import datetime
    import decimal

    types: dict[Any, Any] = {
        inspect.DecimalType: decimal.Decimal,
        inspect.DateTimeType: datetime.datetime,
        inspect.DateType: datetime.date,
        inspect.TimeType: datetime.time,
        inspect.TimeDeltaType: datetime.timedelta,
        inspect.BytesType: bytes,
        inspect.ByteArrayType: bytearray,
    }
    return types[type(info)]


def _sample(info: Any) -> Any:
    """Return a value of a type, to test whether a limit can be compared with such values."""
    import datetime

    type_ = {inspect.IntType: int, inspect.FloatType: float}.get(type(info)) or _type_of(info)
    if type_ is datetime.datetime:
        zone = datetime.UTC if info.tz else None
        return datetime.datetime(2000, 1, 1, tzinfo=zone)
    if type_ is datetime.date:
        return datetime.date(2000, 1, 1)
    return type_()
