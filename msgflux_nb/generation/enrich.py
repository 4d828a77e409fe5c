"""What msgspec reads of a type, plus what docstrings and other libraries' ``Annotated`` metadata say about it.

``msgspec.inspect`` makes a new tree for each call, so the tree is changed in place here.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from ..errors import SchemaError
from .annotations import is_default_of_another, said_in
from .docs import class_doc
from .hints import field_hints, taken_apart
from .keep import Keep
from .nodes import joined

__all__ = ["enriched", "keeps"]

_KEEP = "msgflux_keep"

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

# Which limits a type can have, and what JSON Schema calls them; None: it has no keyword, so it is said in words.
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


def keeps(info: inspect.Metadata) -> Keep | None:
    """What a value has to keep that msgspec does not check; None: nothing."""
    found: Keep | None = (info.extra or {}).get(_KEEP)
    return found


def enriched(info: inspect.Type, type_: Any) -> inspect.Type:
    """Add to a tree of types what docstrings and ``Annotated`` say of them.

    Args:
        info: what msgspec reads of ``type_``; it is changed.
        type_: the type as it was written.

    Raises:
        SchemaError: something in an ``Annotated`` is not understood, or does not fit its type.
    """
    return _enriched(info, type_, "$", set())


def _enriched(info: inspect.Type, hint: Any, path: str, seen: set[int]) -> inspect.Type:
    bare, added = taken_apart(hint)
    inner = info.type if isinstance(info, inspect.Metadata) else info
    _go_inside(inner, bare, path, seen)
    said = said_in(added, path)
    if said.limits:
        inner = _limited(inner, said.limits, path)
    if isinstance(info, inspect.Metadata):
        info.type = inner
        return _with_words(info, said.words)
    return _with_words(inner, said.words)


def _go_inside(info: Any, hint: Any, path: str, seen: set[int]) -> None:
    """Enrich what a type is made of."""
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
    """The members of a union with what was said of each; msgspec takes no two of the same kind but tagged Structs."""
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
        if "description" in _words_of(field.type):  # what is said at the type comes first
            words = {name: text for name, text in words.items() if name != "description"}
        field.type = _with_words(field.type, words)


def _metadata_of(cls: Any) -> dict[str, dict[str, Any]]:
    """What a dataclass or an attrs class says in the metadata of its fields, under names that have a meaning here."""
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
    """Add limits to a type, of a union to each member that can have them."""
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
    extra = {**(noted.extra or {}), _KEEP: Keep.of(inner, limits, path)}
    return inspect.Metadata(noted.type, extra_json_schema=noted.extra_json_schema, extra=extra)


def _kind_of(info: Any) -> Any:
    inner = info.type if isinstance(info, inspect.Metadata) else info
    return next(((keywords, names) for kinds, keywords, names in _KINDS if isinstance(inner, kinds)), None)


def _unfit(info: Any, limits: dict[str, Any], path: str) -> SchemaError:
    said = ", ".join(f"{name}={value!r}" for name, value in limits.items())
    kind = type(info).__name__.removesuffix("Type").lower()
    return SchemaError(f"{path}: {said} does not fit a value of this type ({kind}). Remove it, or change the type.")
