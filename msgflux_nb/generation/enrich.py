"""Adds descriptions and limits to msgspec's view of a type, from docstrings and other libraries' ``Annotated``.

``msgspec.inspect`` makes a new tree for each call, so the tree is changed in place here.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from ..errors import SchemaError
from .annotations import is_default_of_another, read_annotated
from .docs import class_doc
from .hints import field_hints, taken_apart
from .nodes import joined
from .value_limits import ValueLimits

__all__ = ["enriched", "value_limits_of"]

_VALUE_LIMITS = "msgflux_value_limits"

_NUMBER = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_TEXT = {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}
_ITEMS = {"min_length": "minItems", "max_length": "maxItems"}
_ENTRIES = {"min_length": "minProperties", "max_length": "maxProperties"}

# The limits that each type can have, with JSON Schema's keywords; None: no keyword, so the limit is said in words.
_KINDS: tuple[tuple[Any, dict[str, str] | None, Iterable[str]], ...] = (
    (inspect.IntType | inspect.FloatType, _NUMBER, _NUMBER),
    (inspect.DecimalType, None, _NUMBER),
    (
        inspect.DateTimeType | inspect.DateType | inspect.TimeType | inspect.TimeDeltaType,
        None,
        ("ge", "gt", "le", "lt"),
    ),
    (inspect.StrType, _TEXT, _TEXT),
    (inspect.BytesType | inspect.ByteArrayType, None, _ITEMS),
    (inspect.CollectionType, _ITEMS, _ITEMS),
    (inspect.DictType, _ENTRIES, _ENTRIES),
)
_IN_WORDS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} bytes",
    "max_length": "at most {} bytes",
}


def value_limits_of(info: inspect.Metadata) -> ValueLimits | None:
    """Return the limits of a value that msgspec does not check; None if it has none."""
    found: ValueLimits | None = (info.extra or {}).get(_VALUE_LIMITS)
    return found


def enriched(info: inspect.Type, type_: Any) -> inspect.Type:
    """Add the texts and limits of docstrings and ``Annotated`` to a tree of types.

    Args:
        info: msgspec's view of ``type_``; it is changed.
        type_: the type as it was written.

    Raises:
        SchemaError: metadata in an ``Annotated`` is not understood, or does not fit its type.
    """
    return _enriched(info, type_, "$", set())


def _enriched(info: inspect.Type, hint: Any, path: str, seen: set[int]) -> inspect.Type:
    bare, added = taken_apart(hint)
    inner = info.type if isinstance(info, inspect.Metadata) else info
    _go_inside(inner, bare, path, seen)
    said = read_annotated(added, path)
    if said.limits:
        inner = _limited(inner, said.limits, path)
    if isinstance(info, inspect.Metadata):
        info.type = inner
        return _with_words(info, said.words)
    return _with_words(inner, said.words)


def _go_inside(info: Any, hint: Any, path: str, seen: set[int]) -> None:
    """Enrich the types that a type is made of."""
    arguments = typing.get_args(hint)
    if hasattr(info, "fields"):
        if id(info) not in seen:
            seen.add(id(info))
            _fields(info, hint, path, seen)
    elif isinstance(info, inspect.UnionType):
        info.types = tuple(_members(info.types, arguments, path, seen))
    elif isinstance(info, inspect.CollectionType) and arguments:
        info.item_type = _enriched(info.item_type, arguments[0], f"{path}[]", seen)
    elif isinstance(info, inspect.TupleType):
        pairs = enumerate(zip(info.item_types, arguments, strict=False))
        info.item_types = tuple(_enriched(item, one, f"{path}[{i}]", seen) for i, (item, one) in pairs)
    elif isinstance(info, inspect.DictType) and len(arguments) == 2:
        info.key_type = _enriched(info.key_type, arguments[0], f"{path}.key", seen)
        info.value_type = _enriched(info.value_type, arguments[1], f"{path}.value", seen)


def _members(types: Iterable[Any], hints: Iterable[Any], path: str, seen: set[int]) -> Iterable[Any]:
    """Enrich the members of a union, matched by kind: msgspec allows two of one kind for tagged Structs only."""
    left = list(hints)
    for member in types:
        same = next((hint for hint in left if _same_kind(member, hint)), None)
        yield member if same is None else _enriched(member, same, path, seen)


def _same_kind(member: Any, hint: Any) -> bool:
    bare, _ = taken_apart(hint)
    read: Any = inspect.type_info(type(None) if bare is None else bare)
    read, member = (one.type if isinstance(one, inspect.Metadata) else one for one in (read, member))
    return type(read) is type(member) and getattr(read, "cls", None) == getattr(member, "cls", None)


def _fields(info: Any, hint: Any, path: str, seen: set[int]) -> None:
    cls = typing.get_origin(info.cls) or info.cls
    hints, doc, metadata = field_hints(info.cls), class_doc(cls), _metadata_of(cls)
    for field in info.fields:
        place = f"{path}.{field.name}"
        if is_default_of_another(field.default):
            raise SchemaError(
                f"{place}: Field(...) of pydantic as a default is not understood. Write "
                f"{field.name}: Annotated[..., Field(...)], or msgspec.Meta in its place."
            )
        if field.name in hints and not isinstance(hints[field.name], Exception):
            field.type = _enriched(field.type, hints[field.name], place, seen)
        words = metadata.get(field.name, {})
        if "description" not in words and field.name in doc.parts:
            words = {**words, "description": doc.parts[field.name]}
        if "description" in _words_of(field.type):  # a description at the type itself wins
            words = {name: text for name, text in words.items() if name != "description"}
        field.type = _with_words(field.type, words)


def _metadata_of(cls: Any) -> dict[str, dict[str, Any]]:
    """Return, by field, the texts in the field metadata of a dataclass or an attrs class."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else getattr(cls, "__attrs_attrs__", ())
    known = {}
    for field in fields:
        words = {name: field.metadata[name] for name in ("title", "description", "examples") if name in field.metadata}
        said = field.metadata.get("doc") or field.metadata.get("help") or getattr(field, "doc", None)
        known[field.name] = {"description": said, **words} if isinstance(said, str) else words
    return known


def _words_of(info: Any) -> dict[str, Any]:
    return (info.extra_json_schema or {}) if isinstance(info, inspect.Metadata) else {}


def _with_words(info: inspect.Type, words: dict[str, Any]) -> inspect.Type:
    if not words:
        return info
    before = _words_of(info)
    after = {**before, **words}
    if "description" in before and "description" in words:
        after["description"] = joined(*dict.fromkeys([words["description"], before["description"]]))
    if not isinstance(info, inspect.Metadata):
        return inspect.Metadata(info, extra_json_schema=after)
    return inspect.Metadata(info.type, extra_json_schema=after, extra=info.extra)


def _limited(info: Any, limits: dict[str, Any], path: str) -> inspect.Type:
    """Add limits to a type; in a union, to each member that can have them."""
    if isinstance(info, inspect.UnionType):
        fitting = [_kind_of(member) is not None and set(limits) <= set(_kind_of(member)[1]) for member in info.types]
        if not any(fitting):
            raise _unfit(info, limits, path)
        pairs = zip(info.types, fitting, strict=True)
        return inspect.UnionType(tuple(_limited(one, limits, path) if fits else one for one, fits in pairs))
    inner = info.type if isinstance(info, inspect.Metadata) else info
    kind = _kind_of(inner)
    if kind is None or not set(limits) <= set(kind[1]):
        raise _unfit(inner, limits, path)
    keywords, _ = kind
    said: dict[str, Any] = {}
    if keywords is not None:
        said = {keywords[name]: value for name, value in limits.items()}
    else:
        said["description"] = joined(*(_IN_WORDS[name].format(value) for name, value in limits.items()))
    noted: Any = _with_words(info, said)
    extra = {**(noted.extra or {}), _VALUE_LIMITS: ValueLimits.of(inner, limits, path)}
    return inspect.Metadata(noted.type, extra_json_schema=noted.extra_json_schema, extra=extra)


def _kind_of(info: Any) -> Any:
    inner = info.type if isinstance(info, inspect.Metadata) else info
    return next(((keywords, names) for kinds, keywords, names in _KINDS if isinstance(inner, kinds)), None)


def _unfit(info: Any, limits: dict[str, Any], path: str) -> SchemaError:
    said = ", ".join(f"{name}={value!r}" for name, value in limits.items())
    kind = type(info).__name__.removesuffix("Type").lower()
    return SchemaError(f"{path}: {said} does not fit a value of this type ({kind}). Remove it, or change the type.")
