"""The fields of a type for display: type, limits, default, description."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from ...display.structure import info_name, type_info
from ...generation.dialect import IN_WORDS
from ...generation.docs import class_doc
from ...generation.enrich import enriched, value_limits_of
from ...generation.generics import with_defaults

__all__ = ["TypeField", "doc_of", "fields"]

_LIMIT = 200
_DEFAULT_CHARACTERS = 60
_VALUES = 12
_EMPTY: dict[Any, str] = {list: "[]", dict: "{}", set: "set()", tuple: "()"}


class TypeField(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of a type.

    Attributes:
        path: its path, such as ``home.city`` or ``steps[].output``.
        name: the last part of the path.
        key: its key in the JSON.
        depth: the number of fields around it.
        holds: its kind: a ``value``, a ``record``, a ``list`` of records, or a ``map`` of them.
        type: its type, as written in Python.
        limits: the limits of its value, in words.
        required: whether it has no default.
        default: its default, as written in Python.
        description: its description.
        unenforced: the limits that the provider does not enforce.
    """

    path: str
    name: str
    key: str
    depth: int
    holds: str
    type: str
    limits: tuple[str, ...] = ()
    required: bool = True
    default: str = ""
    description: str = ""
    unenforced: str = ""


def fields(type_: Any, unenforced: Mapping[str, str] | None = None) -> tuple[list[TypeField], int]:
    """List the fields of a type, with nested fields after the field that holds them.

    Args:
        type_: a type.
        unenforced: the limits that are not enforced, by place in the wire schema (``$.steps[].output``).

    Returns:
        At most 200 fields, and the number of further fields, as far as they were counted.

    Raises:
        SchemaError: the type cannot be read.
    """
    info = enriched(type_info(type_), with_defaults(type_))
    walk = _Walk(unenforced or {})
    if hasattr(info, "fields"):
        walk.record(info, "", "$", 0, ())
    else:
        walk.field("value", "value", info, {"path": "value", "place": "$", "depth": 0}, ())
    return walk.found[:_LIMIT], max(0, len(walk.found) - _LIMIT)


def doc_of(type_: Any) -> str:
    """Return the first paragraph of a class's own docstring; empty without one."""
    cls = getattr(type_, "__origin__", type_)
    return class_doc(cls).text.partition("\n")[0] if isinstance(cls, type) and cls.__module__ != "builtins" else ""


class _Walk:
    def __init__(self, unenforced: Mapping[str, str]) -> None:
        self.found: list[TypeField] = []
        self._unenforced = unenforced

    def record(self, info: Any, path: str, place: str, depth: int, above: tuple[Any, ...]) -> None:
        for field in info.fields:
            if len(self.found) > 10 * _LIMIT:
                return
            at = {"path": f"{path}.{field.name}" if path else field.name, "place": f"{place}.{field.name}"}
            default = "" if field.required else _default(field)
            extra = {"required": field.required, "default": default}
            self.field(field.name, field.encode_name, field.type, {**at, "depth": depth}, (*above, info.cls), **extra)

    def field(self, name: str, key: str, info: Any, at: dict[str, Any], above: tuple[Any, ...], **extra: Any) -> None:
        holds, inner = _inside(info)
        if inner is not None and inner.cls in above:
            holds, inner = "value", None  # recursive
        place = at.pop("place")
        self.found.append(
            TypeField(
                name=name,
                key=key,
                holds=holds,
                type=info_name(info),
                limits=tuple(_limits(info)),
                description=_description(info) or (doc_of(inner.cls) if holds == "record" else ""),
                unenforced=self._unenforced_at(place),
                **at,
                **extra,
            )
        )
        if inner is None:
            return
        suffix, wire = {"record": ("", ""), "list": ("[]", "[]"), "map": ("[]", ".value")}[holds]
        self.record(inner, at["path"] + suffix, place + wire, at["depth"] + 1, above)

    def _unenforced_at(self, place: str) -> str:
        """Return the unenforced limits of a place and of its items, which have no separate line."""
        places = (place, f"{place}[]", f"{place}.key", f"{place}.value")
        return "; ".join(self._unenforced[one] for one in places if one in self._unenforced)


def _inside(info: Any) -> tuple[str, Any]:
    """Return the kind of a field, and the record whose fields to list; a union of records counts as a value."""
    record = _record(info)
    if record is not None:
        return "record", record
    for member in _members(info):
        kind, item = ("map", member.value_type) if isinstance(member, inspect.DictType) else ("list", None)
        if isinstance(member, inspect.CollectionType):
            item = member.item_type
        record = None if item is None else _record(item)
        if record is not None:
            return kind, record
    return "value", None


def _record(info: Any) -> Any:
    records = [member for member in _members(info) if hasattr(member, "fields")]
    others = [member for member in _members(info) if not hasattr(member, "fields") and not _is_none(member)]
    return records[0] if len(records) == 1 and not others else None


def _is_none(info: Any) -> bool:
    return isinstance(info, inspect.NoneType)


def _members(info: Any) -> list[Any]:
    """Return the members of a union, without metadata."""
    if isinstance(info, inspect.Metadata):
        return _members(info.type)
    if isinstance(info, inspect.UnionType):
        return [inner for member in info.types for inner in _members(member)]
    return [info]


def _limits(info: Any) -> Iterator[str]:
    yield from _wishes(info)
    for member in _members(info):
        match member:
            case inspect.IntType() | inspect.FloatType():
                yield from _bounds(member)
            case inspect.StrType():
                yield from _lengths(member, "character")
                if member.pattern is not None:
                    yield f"pattern {member.pattern}"
            case inspect.EnumType(cls=cls):
                yield _choice([item.value for item in cls])
            case inspect.DictType():
                yield from _lengths(member, "entry", "entries")
                yield from (f"each {limit}" for limit in _limits(member.value_type))
            case inspect.CollectionType():
                yield from _lengths(member, "item")
                yield from (f"each {limit}" for limit in _limits(member.item_type))
            case inspect.DateTimeType(tz=bool()) | inspect.TimeType(tz=bool()):
                yield "with its offset" if member.tz else "without an offset"


def _wishes(info: Any) -> Iterator[str]:
    """Return limits shown next to the type; no decoder enforces those of ``Meta(extra_json_schema=...)``."""
    if isinstance(info, inspect.Metadata):
        extra, wish = info.extra_json_schema or {}, " (a wish)" if value_limits_of(info) is None else ""
        yield from (words.format(extra[word]) + wish for word, words in IN_WORDS.items() if word in extra)
        yield from _wishes(info.type)
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _wishes(member)


def _bounds(info: inspect.IntType | inspect.FloatType) -> Iterator[str]:
    if info.ge is not None and info.le is not None:
        yield f"{info.ge:,} to {info.le:,}"
    else:
        signs = (("≥", info.ge), (">", info.gt), ("≤", info.le), ("<", info.lt))
        yield from (f"{sign} {bound:,}" for sign, bound in signs if bound is not None)
    if info.multiple_of is not None:
        yield f"a multiple of {info.multiple_of}"


def _lengths(info: Any, one: str, many: str = "") -> Iterator[str]:
    least, most, many = info.min_length, info.max_length, many or f"{one}s"
    if least is not None and most is not None:
        yield f"{least:,} {many if least != 1 else one}" if least == most else f"{least:,} to {most:,} {many}"
    elif least is not None:
        yield f"at least {least:,} {one if least == 1 else many}"
    elif most is not None:
        yield f"at most {most:,} {one if most == 1 else many}"


def _choice(values: list[Any]) -> str:
    left = len(values) - _VALUES
    return " | ".join(map(repr, values[:_VALUES])) + (f" | … {left:,} more" if left > 0 else "")


def _description(info: Any) -> str:
    """Return the description of ``Meta(description=...)``, for a union also those of its members."""
    if isinstance(info, inspect.Metadata):
        said = (info.extra_json_schema or {}).get("description")
        return said if isinstance(said, str) and said else _description(info.type)
    if isinstance(info, inspect.UnionType):
        return "; ".join(filter(None, map(_description, info.types)))
    return ""


def _default(field: inspect.Field) -> str:
    if isinstance(field.default, enum.Enum):
        text = str(field.default)
    elif field.default is not NODEFAULT:
        text = repr(field.default)
    else:
        made = field.default_factory
        text = _EMPTY.get(made) or f"{getattr(made, '__name__', 'made anew')}()"
    return text if len(text) <= _DEFAULT_CHARACTERS else f"{text[:_DEFAULT_CHARACTERS]}…"
