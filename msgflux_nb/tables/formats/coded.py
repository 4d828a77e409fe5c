"""A Python value ⇄ a JSON text that keeps it exactly, for formats that have no type for it.

JSON's own types are written as usual, so that others can read them. Other types are written as an object with one key
that begins with ``$`` and names the type: ``{"$decimal": "1.10"}``. A Struct or another record becomes its dict, an
Enum's member its value, and an object of any other class its text.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from ..fields import plain

__all__ = ["decoded", "encoded", "json_cell"]

_SET, _MAP = "$set", "$dict"


def encoded(value: Any) -> str:
    """Return a value as JSON text.

    Raises:
        ValueError: it is nested too deep.
    """
    try:
        return json.dumps(_packed(value), ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    except RecursionError:
        raise ValueError("a cell is nested too deep to be written; write a flatter field of it.") from None


def decoded(text: str) -> Any:
    """Return the value of a text that :func:`encoded` made."""
    return json.loads(text, object_hook=_unpacked)


def json_cell(cell: Any) -> Any:
    """Return a value that pandas' ``to_json`` can write for a cell, in msgspec's form, such as base64 for bytes.

    An integer beyond 64 bits becomes text, and a lone surrogate becomes U+FFFD.
    """
    return _writable(msgspec.to_builtins(plain(cell), str_keys=True, enc_hook=str))


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_encodable(value) else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return list(map(_writable, value))
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return str(value) if type(value) is int and not -(2**63) <= value < 2**63 else value


def _packed(value: Any) -> Any:
    kind = type(value)
    if kind in (int, bool) or value is None:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is str:
        return value if _is_encodable(value) else {"$utf16": _base64(value.encode("utf-16-le", "surrogatepass"))}
    if kind is list:
        return list(map(_packed, value))
    if kind is dict:
        return _packed_dict(value)
    if kind in _NAMES:
        name, write = _NAMES[kind]
        return {name: write(value)}
    return _packed_other(value)


def _packed_dict(value: dict[Any, Any]) -> Any:
    if all(type(key) is str and _is_encodable(key) for key in value) and not _looks_packed(value):
        return {key: _packed(item) for key, item in value.items()}
    return {_MAP: [[_packed(key), _packed(item)] for key, item in value.items()]}


def _packed_other(value: Any) -> Any:
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        return _packed(value.tolist())
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        return _packed(value.item())
    simpler = plain(value)
    if simpler is not value:
        return _packed(dict(simpler) if isinstance(simpler, Mapping) else simpler)
    for base in (str, bool, int, float, datetime.datetime, datetime.timedelta):
        if isinstance(value, base):
            return _packed(_of_base(value, base))
    return _packed(str(value))


def _of_base(value: Any, base: type) -> Any:
    """Return a value of a subclass, such as pandas' Timestamp, as one of Python's own class."""
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "to_pytimedelta"):
        return value.to_pytimedelta()
    return str.__str__(value) if base is str else base(value)


def _looks_packed(value: dict[Any, Any]) -> bool:
    return len(value) == 1 and next(iter(value))[:1] == "$"


def _unpacked(value: dict[str, Any]) -> Any:
    if len(value) != 1:
        return value
    name, inner = next(iter(value.items()))
    return _READERS[name](inner) if name in _READERS else value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _timedelta(value: datetime.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


_NAMES: dict[type, tuple[str, Callable[[Any], Any]]] = {
    tuple: ("$tuple", lambda value: list(map(_packed, value))),
    set: (_SET, lambda value: list(map(_packed, value))),
    frozenset: ("$frozenset", lambda value: list(map(_packed, value))),
    bytes: ("$bytes", _base64),
    bytearray: ("$bytes", _base64),
    decimal.Decimal: ("$decimal", str),
    uuid.UUID: ("$uuid", str),
    datetime.datetime: ("$datetime", lambda value: value.isoformat()),
    datetime.date: ("$date", lambda value: value.isoformat()),
    datetime.time: ("$time", lambda value: value.isoformat()),
    datetime.timedelta: ("$timedelta", _timedelta),
    complex: ("$complex", lambda value: [_packed(value.real), _packed(value.imag)]),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$utf16": lambda inner: base64.b64decode(inner).decode("utf-16-le", "surrogatepass"),
    "$tuple": tuple,
    _SET: set,
    "$frozenset": frozenset,
    "$bytes": base64.b64decode,
    "$decimal": decimal.Decimal,
    "$uuid": uuid.UUID,
    "$datetime": datetime.datetime.fromisoformat,
    "$date": datetime.date.fromisoformat,
    "$time": datetime.time.fromisoformat,
    "$timedelta": lambda inner: datetime.timedelta(*inner),
    "$complex": lambda inner: complex(*inner),
    _MAP: lambda inner: dict(map(tuple, inner)),
}
