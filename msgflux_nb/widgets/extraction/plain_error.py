"""The error of an answer that does not fit, in plain words: ``count: "a few dozen" is not an integer``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...display.values import readable
from ...tables.dtypes import Column

__all__ = ["plain_error"]

_MISFIT = re.compile(
    r"(?:\w+: )?the answer does not fit [^:]+: (?P<what>.*?)(?: - at `(?P<path>.*?)`)?(?:, which is `(?P<value>.*)`)?"
    r"\. The model's text is in \.raw\.",
    re.DOTALL,
)
_EXPECTED = re.compile(r"Expected `(\w+)(?: \| null)?`, got `\w+`")
_BOUND = re.compile(r"Expected `(?:int|float)(?: \| null)?` ([<>]=?) ([\d.e+-]+)")
_LENGTH = re.compile(r"Expected `(str|array)(?: \| null)?` of length ([<>]=) (\d+)")
_ENCODED = re.compile(
    r"(?:expected a|Invalid RFC3339 encoded) (date|time|datetime)(?: such as .*)?|Invalid (?:(UUID)|.*(decimal) string)"
)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_KINDS = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a text", "array": "a list"}
_KINDS |= {"object": "an object", "date": "a date", "time": "a time", "datetime": "a date and time", "UUID": "a UUID"}
_KINDS |= {"decimal": "a number", "null": "empty"}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_LENGTHS = {("str", ">="): "shorter than {} characters", ("str", "<="): "longer than {} characters"}
_LENGTHS |= {("array", ">="): "shorter than {} items", ("array", "<="): "longer than {} items"}


def plain_error(error: str, found: Sequence[Column]) -> str:
    """Return an error in plain words, with the field and its value first; one of another kind as it is.

    Args:
        error: the error of a row.
        found: the columns of its table, for the choices of a field.
    """
    misfit = _MISFIT.fullmatch(error)
    if misfit is None:
        return error
    what, value = misfit["what"], misfit["value"]
    path = (misfit["path"] or "").removeprefix("$").removeprefix(".")
    if lacks := _MISSING.fullmatch(what):
        return f"{path}.{lacks[1]} is missing" if path else f"{lacks[1]} is missing"
    if value == "null":
        return f"{path} is missing"
    said = _said(what, path, found)
    if said:
        return f"{path or 'the answer'}: {value or 'the value'} {said}"
    said = what.replace("`", "")
    return f"{path}: {said[:1].lower()}{said[1:]}" if path else said


def _said(what: str, path: str, found: Sequence[Column]) -> str:
    """Return the second half of the sentence; empty for an error of another kind."""
    if expected := _EXPECTED.fullmatch(what):
        kind = _KINDS.get(expected[1])
        return f"is not {kind}" if kind else ""
    if bound := _BOUND.fullmatch(what):
        return f"is not {_BOUNDS[bound[1]]} {bound[2]}"
    if length := _LENGTH.fullmatch(what):
        return f"is {_LENGTHS[length[1], length[2]].format(length[3])}"
    if encoded := _ENCODED.fullmatch(what):
        return f"is not {_KINDS[next(filter(None, encoded.groups()))]}"
    if what.startswith("Invalid enum value"):
        levels = next((column.levels for column in found if column.name == path), ())
        return f"is none of {', '.join(map(readable, levels))}" if levels else "is not one of the choices"
    return ""
