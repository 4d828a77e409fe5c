"""The confidence of a model in each field of a structure, from the probabilities of its tokens.

* The confidence of a value is the product of its tokens' probabilities. Braces, keys and quotes do not count.
* A choice (``Literal``, ``Enum``, ``bool``) is compared with the other legal values. At each token where they differ,
  the probability of the tokens that lead to this value is divided by that of the tokens that lead to any of them.
* A field of several values (a list, a dict) has the lowest confidence of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from ...generation.decode import json_texts
from ...protocol.events import TokenLogprob
from ..dtypes import Column, alternatives, columns, record_fields
from .places import ValuePlace, places_of
from .tokens import token_text

__all__ = ["FieldMeter"]


class FieldMeter:
    """Measures answers of one schema.

    Args:
        schema: the type that they are decoded to.
    """

    def __init__(self, schema: Any) -> None:
        info = inspect.type_info(schema)
        self._is_record = bool(record_fields(_only(info)))
        self._fields: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        for column in columns(schema):
            path, kind = _json_path(info, column)
            self._fields.append((column.name, path, _legal(column, kind)))

    def measured(self, answer: bytes | None, text: str | None) -> dict[str, float]:
        """Return the confidence of each field, from 0 to 1; fields whose confidence is unknown are left out.

        Args:
            answer: the provider's bytes.
            text: the text of the structure in it, perhaps with words and fences around it.
        """
        if answer is None or text is None:
            return {}
        every = (self._measured_in(answer, one) for one in json_texts(text))
        return next(filter(None, every), {})

    def chances(self, answer: bytes | None, text: str | None) -> dict[str, dict[str, float]]:
        """Return for each choice the probability of its legal values, as JSON; arguments as in :meth:`measured`.

        Values that the listed tokens do not tell apart, and choices whose tokens list no alternatives, are left out.
        """
        if answer is None or text is None:
            return {}
        for one in json_texts(text):
            found = {
                name: _chances(literal, tokens, start, legal)
                for name, literal, tokens, start, _, legal in self._values(answer, one)
                if literal in legal
            }
            if found:
                return {name: chances for name, chances in found.items() if chances}
        return {}

    def _measured_in(self, answer: bytes, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, literal, tokens, start, end, legal in self._values(answer, text):
            sure = _sureness(literal, tokens, start, end, legal)
            if sure is not None:
                found[name] = min(sure, found.get(name, 1.0))
        return found

    def _values(
        self, answer: bytes, text: str
    ) -> Iterator[tuple[str, str, list[tuple[int, TokenLogprob]], int, int, tuple[str, ...]]]:
        """Yield the values in a text: the field, the value's JSON, its tokens, its bytes, the field's legal values."""
        places = places_of(text)
        tokens = token_text(answer, text) if places else None
        if tokens is None:
            return
        for place, start, end in _in_bytes(text, places):
            path = place.path[1:] if self._is_wrapped(place) else place.path
            for name, wanted, legal in self._fields:
                if path[: len(wanted)] == wanted:
                    alone = legal if len(path) == len(wanted) else ()
                    yield name, text[place.start : place.end], tokens.within(start, end), start, end, alone

    def _is_wrapped(self, place: ValuePlace) -> bool:
        return not self._is_record and place.path[:1] == ("value",)


def _sureness(
    literal: str, tokens: list[tuple[int, TokenLogprob]], start: int, end: int, legal: Sequence[str]
) -> float | None:
    if literal in legal:
        return _among(literal, tokens, start, legal)
    if literal.startswith('"') and end - start > 2:  # the quotes around a text do not count
        start, end = start + 1, end - 1
        tokens = [(at, token) for at, token in tokens if at < end and at + _length(token) > start]
    return math.exp(min(0.0, sum(token.logprob for _, token in tokens))) if tokens else None


def _among(literal: str, tokens: list[tuple[int, TokenLogprob]], start: int, legal: Sequence[str]) -> float | None:
    """Return the confidence of a legal value compared with the others; all are compared as bytes of JSON."""
    written, sure = literal.encode(), 1.0
    others = [one.encode() for one in legal]
    for at, token in tokens:
        done = max(0, at - start)
        left = [one[done:] for one in others if one.startswith(written[:done])]
        if len(left) < 2:
            break
        lead = token.token.encode("utf-8", "replace")[: max(0, start - at)]
        share = _share(token, lead, written[done:], left)
        if share is None:
            return None
        sure *= share
    return sure if tokens else None


def _chances(
    literal: str, tokens: list[tuple[int, TokenLogprob]], start: int, legal: Sequence[str]
) -> dict[str, float]:
    """Return the probability of each legal value, as far as the listed tokens tell; empty if one lists no others."""
    written, reached = literal.encode(), 1.0
    chances: dict[str, float] = {}
    mixed: set[str] = set()
    for at, token in tokens:
        done = max(0, at - start)
        left = {one.encode()[done:]: one for one in legal if one.encode().startswith(written[:done])}
        if len(left) < 2:
            break
        leading = _leading(token, token.token.encode("utf-8", "replace")[: max(0, start - at)], [*left])
        every = sum(leading.values())
        if not token.top and set(left) <= {value for values in leading for value in values}:
            continue  # a quote, which all values have
        if not token.top or every <= 0.0:
            return {}
        own = 0.0
        for values, weight in leading.items():
            if written[done:] in values:
                own += weight
            elif len(values) == 1:
                chances[left[values[0]]] = chances.get(left[values[0]], 0.0) + reached * weight / every
            else:
                mixed.update(left[value] for value in values)
        reached *= own / every
    return {one: chance for one, chance in ({**chances, literal: reached}).items() if one not in mixed}


def _share(token: TokenLogprob, lead: bytes, mine: bytes, legal: Sequence[bytes]) -> float | None:
    """Return the probability of the tokens that lead to one value, divided by that of the tokens that lead to any."""
    leading = _leading(token, lead, legal)
    own = sum(weight for values, weight in leading.items() if mine in values)
    if not token.top:  # no alternatives are listed: the token's own probability, if it excludes a value
        return own if set(legal) - {value for values in leading for value in values} else 1.0
    every = sum(leading.values())
    return own / every if every > 0.0 else None


def _leading(token: TokenLogprob, lead: bytes, legal: Sequence[bytes]) -> dict[tuple[bytes, ...], float]:
    """Return the probability of the tokens in one place, by the values to which they lead.

    A value to which none of the listed tokens leads is at most as likely as the least likely of them, and gets that
    probability.
    """
    found: dict[tuple[bytes, ...], float] = {}
    for text, logprob in (dict(token.top) | {token.token: token.logprob}).items():
        rest = text.encode("utf-8", "replace")
        rest = rest[len(lead) :] if rest.startswith(lead) else rest.lstrip() if not lead.strip() else b""
        values = tuple(one for one in legal if _agree(rest, one)) if rest else ()
        if values:
            found[values] = found.get(values, 0.0) + math.exp(min(0.0, logprob))
    if token.top:
        least = math.exp(min(0.0, min(logprob for _, logprob in token.top)))
        seen = {value for values in found for value in values}
        found |= {(one,): least for one in legal if one not in seen}
    return found


def _agree(token: bytes, value: bytes) -> bool:
    return value.startswith(token) or token.startswith(value)


def _in_bytes(text: str, places: Sequence[ValuePlace]) -> Iterator[tuple[ValuePlace, int, int]]:
    """Yield the values with their ranges in bytes."""
    seen = size = 0
    for place in places:
        start = size + len(text[seen : place.start].encode("utf-8", "replace"))
        end = start + len(text[place.start : place.end].encode("utf-8", "replace"))
        seen, size = place.end, end
        yield place, start, end


def _legal(column: Column, kind: inspect.Type) -> tuple[str, ...]:
    """Return the legal values of a choice as JSON; empty if the column is not a choice."""
    null = ("null",) if _takes_null(kind) else ()
    if column.kind == "boolean":
        return ("true", "false", *null)
    if column.kind != "category":
        return ()
    return (*(msgspec.json.encode(level).decode() for level in column.levels), *null)


def _takes_null(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _takes_null(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_takes_null, kind.types))
    return isinstance(kind, inspect.NoneType) or (isinstance(kind, inspect.LiteralType) and None in kind.values)


def _json_path(info: inspect.Type, column: Column) -> tuple[tuple[str, ...], inspect.Type]:
    """Return the JSON keys that lead to a column, since fields may be renamed in JSON, and its type."""
    found: list[str] = []
    for name in column.path:
        fields = [field for member in alternatives(info) for field in record_fields(member)]
        field = next((field for field in fields if field.name == name), None)
        if field is None:
            return (*found, name), inspect.AnyType()
        found.append(field.encode_name)
        info = field.type
    if column.tags:  # a tag is never null
        found.append(next(str(member.tag_field) for member in alternatives(info) if getattr(member, "tag_field", None)))  # type: ignore[attr-defined]  # has it
        info = inspect.AnyType()
    return tuple(found), info


def _only(info: inspect.Type) -> inspect.Type:
    members = alternatives(info)
    return members[0] if len(members) == 1 else inspect.AnyType()


def _length(token: TokenLogprob) -> int:
    return len(token.token.encode("utf-8", "replace")) if token.bytes is None else len(token.bytes)
