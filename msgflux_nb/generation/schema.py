"""A type → the JSON Schema that a provider takes, and the provider's JSON → what msgspec decodes.

The schema is written from :mod:`msgspec.inspect`, not from ``msgspec.json.schema``: strict dialects forbid much of
what the latter emits (a ``$ref`` root, siblings of ``$ref``, ``prefixItems``, ``default``, keys that are not
required), and every change made on the way out has to be undone on the way back. So each type yields a pair, its
schema and its *restore*, a function from the wire's value to msgspec's, or None where they are the same.

What a dialect cannot enforce goes into the description, and is validated after decoding in any case.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError
from . import restore as restores
from .generics import with_defaults
from .restore import Restore

__all__ = ["Dialect", "WireSchema", "wire_schema"]

Pair = tuple[dict[str, Any], Restore | None]

# Lengths of type parameters in names would break the 64 characters that OpenAI allows.
_NAME_LIMIT = 64
_PROPERTY_LIMIT = 5000


class Dialect(enum.Enum):
    """Which keywords a structured output takes beside type, properties, items, enum and anyOf.

    ``OPENAI``: strict mode, as documented for ``response_format`` (pattern, format, number bounds, array bounds).
    ``GRAMMAR``: llama.cpp's conversion to a grammar (integer bounds, lengths, anchored patterns, array bounds).
    """

    OPENAI = "openai"
    GRAMMAR = "grammar"


_KEYWORDS: dict[Dialect, frozenset[str]] = {
    Dialect.OPENAI: frozenset(
        [
            "pattern",
            "format",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minItems",
            "maxItems",
        ]
    ),
    Dialect.GRAMMAR: frozenset(
        ["pattern", "format", "minLength", "maxLength", "minItems", "maxItems", "integer-bounds"]
    ),
}
_BOUNDS = frozenset(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"])
_IN_WORDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matching the pattern {}",
    "format": "as {}",
}


class WireSchema(msgspec.Struct, frozen=True):
    """A type made ready for one dialect.

    Attributes:
        type: the type that answers are decoded to.
        name: a name for it in the letters that providers allow.
        schema: the JSON Schema to send; its root is always an object.
        wrapped: whether the root was no object and so travels under ``"value"``.
        restore: turns a decoded answer into what ``msgspec.convert`` takes for ``type``; None: nothing to do.
    """

    type: Any
    name: str
    schema: dict[str, Any]
    wrapped: bool
    restore: Restore | None


def wire_schema(type_: Any, dialect: Dialect = Dialect.OPENAI) -> WireSchema:
    """Describe ``type_`` for a provider.

    Args:
        type_: a ``msgspec.Struct`` class, or any type that msgspec decodes (dataclass, TypedDict, list, int, …).
        dialect: what the provider understands.

    Raises:
        SchemaError: the type, or one of its fields, has no JSON form; the message names the field.
    """
    type_ = with_defaults(type_)
    try:
        info = inspect.type_info(type_)
    except (TypeError, NameError) as error:
        raise SchemaError(f"{_plain_name(type_)} cannot be a generation_schema: {error}") from None
    writer = _Writer(dialect)
    schema, restore = writer.write(info, "$")
    wrapped = schema.get("type") != "object"
    if wrapped:
        schema = _object({"value": schema})
        restore = restores.unwrap(restore)
    if writer.defs:
        schema = {**schema, "$defs": writer.defs}
    return WireSchema(type=type_, name=_wire_name(type_), schema=schema, wrapped=wrapped, restore=restore)


class _Writer:
    """Walks a type once; holds what is shared on the way: the dialect, definitions and the structs above."""

    def __init__(self, dialect: Dialect) -> None:
        self.keywords = _KEYWORDS[dialect]
        self.defs: dict[str, Any] = {}
        self._above: list[Any] = []
        self._recursive: dict[Any, str] = {}
        self._restores: dict[Any, Restore | None] = {}
        self._properties = 0

    def write(self, info: inspect.Type, path: str) -> Pair:
        """Return schema and restore of one node; ``path`` names it in errors."""
        scalar = self._scalar(info)
        if scalar is not None:
            return scalar, None
        match info:
            case inspect.Metadata():
                return self._metadata(info, path)
            case inspect.UnionType(types=types):
                return self._union(types, path)
            case inspect.TupleType(item_types=items):
                return self._tuple(items, path)
            case inspect.CollectionType():
                return self._collection(info, path)
            case inspect.DictType():
                return self._mapping(info, path)
            case inspect.AnyType() | inspect.RawType():
                raise SchemaError(f"{path}: Any says nothing to a model. Give the field a type, such as str.")
        if hasattr(info, "fields"):
            return self._fields_type(info, path)
        raise SchemaError(f"{path}: {getattr(info, 'cls', type(info)).__name__} has no JSON form; use str or a Struct.")

    def _scalar(self, info: inspect.Type) -> dict[str, Any] | None:
        match info:
            case inspect.NoneType():
                return {"type": "null"}
            case inspect.BoolType():
                return {"type": "boolean"}
            case inspect.IntType() | inspect.FloatType():
                return self._number(info)
            case inspect.StrType():
                return self._limited({"type": "string"}, _string_limits(info))
            case inspect.LiteralType(values=values):
                return _enumeration(list(values))
            case inspect.EnumType(cls=cls):
                return _enumeration([member.value for member in cls])
        for kind, pattern in _TEXT_FORMS:
            if isinstance(info, kind):
                return self._limited({"type": "string"}, {"pattern": pattern})
        return None

    def _metadata(self, info: inspect.Metadata, path: str) -> Pair:
        schema, restore = self.write(info.type, path)
        extra = info.extra_json_schema or {}
        if "$ref" in schema:  # strict mode allows no sibling of $ref
            return schema, restore
        if isinstance(schema.get("type"), str):
            schema = self._limited(dict(schema), {word: extra[word] for word in _IN_WORDS if word in extra})
        if "description" in extra:
            schema = {**schema, "description": _join(extra["description"], schema.get("description"))}
        return schema, restore

    def _number(self, info: inspect.IntType | inspect.FloatType) -> dict[str, Any]:
        kind = "integer" if isinstance(info, inspect.IntType) else "number"
        limits = {"minimum": info.ge, "maximum": info.le, "exclusiveMinimum": info.gt, "exclusiveMaximum": info.lt}
        return self._limited({"type": kind}, {**limits, "multipleOf": info.multiple_of})

    def _limited(self, schema: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
        """Add the limits this dialect enforces as keywords, and the others in words."""
        words = []
        for keyword, value in limits.items():
            if value is None:
                continue
            if self._enforces(schema["type"], keyword, value):
                schema[keyword] = value
            else:
                words.append(_IN_WORDS[keyword].format(value))
        return {**schema, "description": _join(schema.get("description"), *words)} if words else schema

    def _enforces(self, kind: str, keyword: str, value: Any) -> bool:
        if keyword in _BOUNDS and "integer-bounds" in self.keywords:
            return kind == "integer"
        if keyword == "pattern" and "integer-bounds" in self.keywords:
            return str(value).startswith("^") and str(value).endswith("$") and "(?" not in str(value)
        return keyword in self.keywords

    def _collection(self, info: inspect.CollectionType, path: str) -> Pair:
        schema, restore = self.write(info.item_type, f"{path}[]")
        array = self._limited(
            {"type": "array", "items": schema}, {"minItems": info.min_length, "maxItems": info.max_length}
        )
        each = None if restore is None else restores.each(restore)
        if isinstance(info, inspect.SetType | inspect.FrozenSetType):
            array["description"] = _join(array.get("description"), "no item twice")
            return array, restores.without_repeats(each)
        return array, each

    def _tuple(self, items: tuple[inspect.Type, ...], path: str) -> Pair:
        """A tuple travels as an object: OpenAI and llama.cpp both refuse ``prefixItems``."""
        pairs = {f"item_{i}": self.write(item, f"{path}[{i}]") for i, item in enumerate(items)}
        back = {name: restore for name, (_, restore) in pairs.items()}
        return self._counted({name: schema for name, (schema, _) in pairs.items()}), restores.in_order(back)

    def _mapping(self, info: inspect.DictType, path: str) -> Pair:
        """A dict travels as a list of pairs: strict mode has no open objects."""
        key, restore_key = self.write(info.key_type, f"{path}.key")
        value, restore_value = self.write(info.value_type, f"{path}.value")
        array = {"type": "array", "items": self._counted({"key": key, "value": value})}
        limits = {"minItems": info.min_length, "maxItems": info.max_length}
        return self._limited(array, limits), restores.from_pairs(restore_key, restore_value)

    def _union(self, types: tuple[inspect.Type, ...], path: str) -> Pair:
        pairs = [self.write(member, path) for member in types]
        schemas = [schema for schema, _ in pairs]
        if all(set(s) == {"type"} and isinstance(s["type"], str) for s in schemas):
            return {"type": [s["type"] for s in schemas]}, None
        return {"anyOf": schemas}, restores.by_branch([(s, r) for s, r in pairs if r is not None], self.defs)

    def _fields_type(self, info: Any, path: str) -> Pair:
        key = info.cls
        if key in self._above:
            name = self._recursive.setdefault(key, _wire_name(key))
            return {"$ref": f"#/$defs/{name}"}, lambda value: restores.apply(self._restores.get(key), value)
        self._above.append(key)
        schema, restore = self._object_of(info, path)
        self._above.pop()
        self._restores[key] = restore
        if key in self._recursive:
            self.defs[self._recursive[key]] = schema
            if self._above:
                return {"$ref": f"#/$defs/{self._recursive[key]}"}, restore
        return schema, restore

    def _object_of(self, info: Any, path: str) -> Pair:
        properties: dict[str, Any] = {}
        back: dict[str, Restore] = {}
        droppable: set[str] = set()
        tag_field = getattr(info, "tag_field", None)
        if tag_field is not None:
            properties[tag_field] = _enumeration([info.tag])
        for field in info.fields:
            schema, restore = self.write(field.type, f"{path}.{field.name}")
            if not field.required and not _takes_none(field.type):
                # Every key is required on the wire, so absence is null; the default comes back when it is dropped.
                schema, droppable = _nullable(schema), droppable | {field.encode_name}
            properties[field.encode_name] = schema
            if restore is not None:
                back[field.encode_name] = restore
        schema = self._counted(properties)
        doc = _own_doc(info.cls)
        if doc:
            schema["description"] = doc
        as_array = getattr(info, "array_like", False) or isinstance(info, inspect.NamedTupleType)
        return schema, restores.fields(back, droppable, list(properties) if as_array else None)

    def _counted(self, properties: dict[str, Any]) -> dict[str, Any]:
        self._properties += len(properties)
        if self._properties > _PROPERTY_LIMIT:
            raise SchemaError(f"more than {_PROPERTY_LIMIT:,} properties in the schema; split the task")
        return _object(properties)


_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{2}:[0-9]{2}:[0-9]{2}$"
_DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z?$"
# msgspec gives a naive datetime no format, and a grammar without one lets a model write anything: hence patterns.
_TEXT_FORMS: tuple[tuple[type, str], ...] = (
    (inspect.DateTimeType, _DATETIME),
    (inspect.DateType, _DATE),
    (inspect.TimeType, _TIME),
    (inspect.TimeDeltaType, r"^-?P([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$"),
    (inspect.UUIDType, r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    (inspect.DecimalType, r"^-?[0-9]+(\.[0-9]+)?$"),
    (inspect.BytesType, r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"),
    (inspect.ByteArrayType, r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"),
)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _enumeration(values: list[Any]) -> dict[str, Any]:
    """An enum with its type said; null leaves the enum, because a typed enum cannot hold it."""
    branches: list[dict[str, Any]] = []
    for kind, python in (("string", str), ("integer", int)):
        members = [value for value in values if isinstance(value, python)]
        if members:
            branches.append({"type": kind, "enum": members})
    if None in values:
        branches.append({"type": "null"})
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    description = {"description": schema["description"]} if "description" in schema else {}
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"anyOf": [bare, {"type": "null"}], **description}


def _takes_none(info: inspect.Type) -> bool:
    match info:
        case inspect.Metadata(type=inner):
            return _takes_none(inner)
        case inspect.UnionType(types=types):
            return any(_takes_none(member) for member in types)
        case inspect.LiteralType(values=values):
            return None in values
    return isinstance(info, inspect.NoneType | inspect.AnyType)


def _string_limits(info: inspect.StrType) -> dict[str, Any]:
    return {"pattern": info.pattern, "minLength": info.min_length, "maxLength": info.max_length}


def _own_doc(cls: Any) -> str | None:
    """The first line of a docstring that somebody wrote for this very class."""
    cls = getattr(cls, "__origin__", cls)
    doc = cls.__dict__.get("__doc__")
    # dataclasses write their signature into __doc__ when there is none.
    if not doc or doc.startswith(f"{cls.__name__}("):
        return None
    return str(doc).strip().splitlines()[0]


def _join(*texts: str | None) -> str:
    return "; ".join(text for text in texts if text)


def _plain_name(type_: Any) -> str:
    return getattr(type_, "__name__", None) or str(type_)


def _wire_name(type_: Any) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in _plain_name(type_))
    return name[:_NAME_LIMIT] or "answer"
