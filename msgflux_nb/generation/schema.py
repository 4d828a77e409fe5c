"""Turns a type into the JSON Schema that a provider accepts, and the provider's JSON into what msgspec decodes.

The schema is built from :mod:`msgspec.inspect`, not from ``msgspec.json.schema``: strict dialects forbid much of what
the latter emits (a ``$ref`` root, siblings of ``$ref``, ``prefixItems``, ``default``, optional keys), and each change
for the wire has to be undone in the answer. So each type yields a pair: its schema, and its *restore*, a function from
the wire's value to msgspec's. The restore is None if the two are the same.

Limits that a dialect cannot enforce go into the description, and are validated after decoding in any case.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

from ..errors import SchemaError
from . import nodes
from . import restore as restores
from .dialect import IN_WORDS, RULES, Dialect, Rules
from .docs import class_doc
from .enrich import enriched, value_limits_of
from .faults import REFUSALS, refusal
from .generics import with_defaults
from .leaves import Leaves
from .limits import check_limits
from .nodes import Node
from .restore import Restore

__all__ = ["Dialect", "WireSchema", "wire_schema"]

Pair = tuple[Node, Restore | None]

_NAME_LIMIT = 64
# Properties in one schema. A type that is used many times is written out each time; more than this fits no context.
_CEILING = 50_000


class WireSchema(msgspec.Struct, frozen=True):
    """A type prepared for one dialect.

    Attributes:
        type: the type to which answers are decoded.
        name: the type's name in the letters that providers allow.
        schema: the JSON Schema to send; its root is always an object.
        wrapped: whether the root is not an object, and is therefore sent under ``"value"``.
        restore: turns a decoded answer into what ``msgspec.convert`` takes for ``type``; None: nothing to do.
        checked: the same for a complete answer; it raises ``msgspec.ValidationError`` for a value that breaks a limit
            that msgspec does not know, such as one of pydantic's ``Field``.
        strict: whether the dialect can enforce the whole schema. False if the schema has ``Any`` or ``msgspec.Raw``, or
            a cycle in a dialect without cycles; the schema is then sent without strict mode.
        unenforced: the limits that the dialect does not enforce, one line per field (``"$.price: at least 0"``). They
            are in the description instead, and an answer that breaks one is refused after decoding. Two exceptions: a
            repeated item of a set is dropped, and limits of ``extra_json_schema`` are not checked.
    """

    type: Any
    name: str
    schema: dict[str, Any]
    wrapped: bool
    restore: Restore | None
    checked: Restore | None = None
    strict: bool = True
    unenforced: tuple[str, ...] = ()


def wire_schema(type_: Any, dialect: Dialect = Dialect.OPENAI) -> WireSchema:
    """Describe ``type_`` for a provider.

    In a dialect that requires every key, null means None in a TypedDict's optional key that may be None, and in a field
    that may be None or ``UNSET``; absent and null cannot be told apart there.

    Args:
        type_: a ``msgspec.Struct`` class, or any type that msgspec decodes (dataclass, TypedDict, list, int, …).
        dialect: the dialect that the provider understands.

    Raises:
        SchemaError: the type or one of its fields has no JSON form, or the type is too large for the dialect; the
            message names the field.
    """
    type_ = with_defaults(type_)
    rules = RULES[dialect]
    writer, schema, restore = _written(type_, rules)
    checked = _written(type_, rules, checking=True)[2] if writer.has_value_limits else restore
    wrapped = schema.get("type") != "object"
    if wrapped:
        schema = writer.object({"value": schema}, "$")
        restore, checked = restores.unwrap(restore), restores.unwrap(checked)
    if writer.defs:
        schema = {**schema, "$defs": writer.defs}
    if rules.limits is not None and writer.strict:
        check_limits(schema, rules.limits)
    unenforced = tuple(f"{path}: {nodes.joined(*words)}" for path, words in writer.leaves.unenforced.items())
    return WireSchema(
        type=type_,
        name=_wire_name(type_),
        schema=schema,
        wrapped=wrapped,
        restore=restore,
        checked=checked,
        strict=writer.strict,
        unenforced=unenforced,
    )


def _written(type_: Any, rules: Rules, *, checking: bool = False) -> tuple[_Writer, Node, Restore | None]:
    try:
        info = inspect.type_info(type_)
    except REFUSALS as error:
        path, reason = refusal(type_) or ("$", str(error))
        raise SchemaError(f"{path}: {_plain_name(type_)} cannot be sent as a schema. {reason}") from None
    writer = _Writer(rules, checking=checking)
    return writer, *writer.write(enriched(info, type_), "$")


class _Writer:
    """Walks a type once, with the state of the walk: the rules, the definitions, and the enclosing structs."""

    def __init__(self, rules: Rules, *, checking: bool = False) -> None:
        self.rules = rules
        self.has_value_limits = False
        self._checking = checking
        self.defs: dict[str, Node] = {}
        self.leaves = Leaves(rules)
        self.strict = True
        self._above: list[Any] = []
        self._recursive: dict[Any, str] = {}
        self._restores: dict[Any, Restore | None] = {}
        self._properties = 0

    def write(self, info: inspect.Type, path: str) -> Pair:
        """Return the schema and the restore of one node; ``path`` names it in errors."""
        leaf = self.leaves.leaf(info, path)
        if leaf is not None:
            return leaf, None
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
                return self._anything(raw=isinstance(info, inspect.RawType))
        if hasattr(info, "fields"):
            return self._fields_type(info, path)
        raise SchemaError(f"{path}: {_without_form(getattr(info, 'cls', type(info)))}")

    def _anything(self, *, raw: bool) -> Pair:
        self.strict = False
        if self.rules.any_json == "text":
            schema = {"type": "string", "description": "any JSON value, written as JSON inside this text"}
            return schema, (lambda value: restores.as_raw(restores.from_text(value))) if raw else restores.from_text
        name = None
        if self.rules.any_json == "cycle":
            name = self._recursive.setdefault(Any, self._definition_name(Any))
            self.defs[name] = nodes.anything(name)
        return nodes.anything(name), restores.as_raw if raw else None

    def _metadata(self, info: inspect.Metadata, path: str) -> Pair:
        schema, restore = self.write(info.type, path)
        limits = value_limits_of(info)
        if limits is not None:
            self.has_value_limits = True
            restore = restores.checked(restore, limits.check) if self._checking else restore
        extra = info.extra_json_schema or {}
        words = nodes.words_of(extra)
        if "$ref" in schema and words and not self.rules.measured:
            schema = self._outside(schema)
        if "$ref" in schema:  # strict mode forbids siblings of $ref
            return ({"anyOf": [schema], "description": words} if words else schema), restore
        if isinstance(schema.get("type"), str):
            schema = self.leaves.limited(dict(schema), {word: extra[word] for word in IN_WORDS if word in extra}, path)
        if words:
            schema = {**schema, "description": nodes.joined(words, schema.get("description"))}
        return schema, restore

    def _outside(self, reference: Node) -> Node:
        """Return the definition behind a reference, unless it is recursive."""
        name = reference["$ref"].removeprefix("#/$defs/")
        inside = any(self._recursive.get(key) == name for key in self._above)
        return reference if inside else self.defs[name]

    def _collection(self, info: inspect.CollectionType, path: str) -> Pair:
        schema, restore = self.write(info.item_type, f"{path}[]")
        distinct = isinstance(info, inspect.SetType | inspect.FrozenSetType)
        limits = {"minItems": info.min_length, "maxItems": info.max_length, "uniqueItems": distinct or None}
        array = self.leaves.limited({"type": "array", "items": schema}, limits, path)
        each = None if restore is None else restores.each(restore)
        return array, restores.without_repeats(each) if distinct else each

    def _tuple(self, items: tuple[inspect.Type, ...], path: str) -> Pair:
        """Write a tuple as an object, since ``prefixItems`` is refused; as an array if bounds are enough."""
        if self.rules.even_tuples and items and all(item == items[0] for item in items):
            schema, restore = self.write(items[0], f"{path}[]")
            array = {"type": "array", "items": schema, "minItems": len(items), "maxItems": len(items)}
            return array, None if restore is None else restores.each(restore)
        pairs = {f"item_{i}": self.write(item, f"{path}[{i}]") for i, item in enumerate(items)}
        back = {name: restore for name, (_, restore) in pairs.items()}
        return self.object({name: schema for name, (schema, _) in pairs.items()}, path), restores.in_order(back)

    def _mapping(self, info: inspect.DictType, path: str) -> Pair:
        """Write a dict as a list of pairs if the dialect lacks open objects, or if its keys are not text."""
        key_type = inspect.StrType() if isinstance(info.key_type, inspect.AnyType) else info.key_type
        key, restore_key = self.write(key_type, f"{path}.key")
        value, restore_value = self.write(info.value_type, f"{path}.value")
        if self.rules.maps == "object" and _is_text(key_type):
            names = nodes.key_names(key)
            schema: Node = {"type": "object", "additionalProperties": value}
            limits = {"minProperties": info.min_length, "maxProperties": info.max_length}
            schema |= {} if names is None else {"propertyNames": names}
            restore = None
            if restore_key is not None or restore_value is not None:
                restore = restores.each_value(restore_key, restore_value)
            return self.leaves.limited(schema, limits, path), restore
        array = {"type": "array", "items": self.object({"key": key, "value": value}, path)}
        limits = {"minItems": info.min_length, "maxItems": info.max_length}
        return self.leaves.limited(array, limits, path), restores.from_pairs(restore_key, restore_value)

    def _union(self, types: tuple[inspect.Type, ...], path: str) -> Pair:
        for member in types:  # a member that takes anything makes the others redundant
            if isinstance(member, inspect.AnyType | inspect.RawType):
                return self.write(member, path)
        branches = [self.write(member, path) for member in types]
        if not self.rules.measured and sum(schema.get("type") == "array" for schema, _ in branches) > 1:
            branches = [self._entries(*zipped, path) for zipped in zip(types, branches, strict=True)]
        schemas = [schema for schema, _ in branches]
        if restores.look_alike(schemas, self.defs):
            raise SchemaError(f"{path}: two types of this union look the same as JSON objects; give each a tag.")
        if self.rules.type_lists and all(set(s) == {"type"} and isinstance(s["type"], str) for s in schemas):
            return {"type": [s["type"] for s in schemas]}, None
        return {"anyOf": schemas}, restores.by_branch(branches, self.defs)

    def _entries(self, info: inspect.Type, branch: Pair, path: str) -> Pair:
        """Wrap a dict in a union with a list if both are arrays, since an empty array could be either."""
        info = info.type if isinstance(info, inspect.Metadata) else info
        if not isinstance(info, inspect.DictType):
            return branch
        return self.object({"entries": branch[0]}, path), restores.unwrap(branch[1], "entries")

    def _fields_type(self, info: Any, path: str) -> Pair:
        key = info.cls
        if key in self._above:
            self.strict = self.strict and self.rules.cycles != "never"
            name = self._recursive.setdefault(key, self._definition_name(key))
            return {"$ref": f"#/$defs/{name}"}, lambda value: restores.apply(self._restores.get(key), value)
        self._above.append(key)
        schema, restore = self._object_of(info, path)
        self._above.pop()
        self._restores[key] = restore
        if key in self._recursive:
            self.defs[self._recursive[key]] = schema
            if self._above and self.rules.cycles == "anywhere":
                return {"$ref": f"#/$defs/{self._recursive[key]}"}, restore
        return schema, restore

    def _definition_name(self, cls: Any) -> str:
        name, taken = _wire_name(cls), self._recursive.values()
        return next(free for free in (name, *(f"{name[:60]}_{i}" for i in range(2, 999))) if free not in taken)

    def _object_of(self, info: Any, path: str) -> Pair:
        properties: dict[str, Node] = {}
        back: dict[str, Restore] = {}
        droppable: set[str] = set()
        defaults: dict[str, Callable[[], Any]] = {}
        if getattr(info, "tag_field", None) is not None:
            properties[info.tag_field] = nodes.enumeration([info.tag])
            defaults[info.tag_field] = _missing
        for field in info.fields:
            name = field.encode_name
            properties[name], restore = self._field(field, f"{path}.{field.name}")
            defaults[name] = _default_of(field)
            if not field.required and not _takes_none(field.type):
                droppable.add(name)
            if restore is not None:
                back[name] = restore
        absent = {f.encode_name for f in info.fields if not f.required and self.rules.optional == "absent"}
        schema = self.object(properties, path, absent)
        doc = class_doc(typing.get_origin(info.cls) or info.cls).text
        if doc:
            schema["description"] = doc
        as_array = getattr(info, "array_like", False) or isinstance(info, inspect.NamedTupleType)
        return schema, restores.fields(back, droppable, defaults if as_array else None)

    def _field(self, field: inspect.Field, path: str) -> Pair:
        schema, restore = self.write(field.type, path)
        if field.required:
            return schema, restore
        if self.rules.optional == "absent":
            return nodes.without_null(schema) if field.default is None else schema, restore
        # Every key is required on the wire, so null means absent; it is dropped, and the field gets its default.
        return schema if _takes_none(field.type) else nodes.nullable(schema), restore

    def object(self, properties: dict[str, Node], path: str, absent: frozenset[str] | set[str] = frozenset()) -> Node:
        """Return an object of these properties; all are required except those that may be absent."""
        self._properties += len(properties)
        if self._properties > _CEILING:
            raise SchemaError(f"{path}: more than {_CEILING:,} properties in the schema; split the task")
        required = [name for name in properties if name not in absent]
        if self.rules.cycles == "optional":
            for name in [name for name in required if nodes.refers(properties[name])]:
                required.remove(name)
                self.leaves.note(f"{path}.{name}", "always given")
        closed = {"additionalProperties": False} if self.rules.closed else {}
        return {"type": "object", "properties": properties, "required": required, **closed}


def _without_form(cls: Any) -> str:
    if hasattr(cls, "model_json_schema"):
        return f"{cls.__name__} is a model of pydantic; write a msgspec.Struct with the same fields."
    return f"{cls.__name__} has no JSON form; use str or a Struct."


def _missing() -> Any:
    raise LookupError


def _default_of(field: inspect.Field) -> Callable[[], Any]:
    if field.default is not msgspec.NODEFAULT:
        return lambda: field.default
    return _missing if field.default_factory is msgspec.NODEFAULT else field.default_factory


def _takes_none(info: inspect.Type) -> bool:
    match info:
        case inspect.Metadata(type=inner):
            return _takes_none(inner)
        case inspect.UnionType(types=types):
            return any(_takes_none(member) for member in types)
        case inspect.LiteralType(values=values):
            return None in values
    return isinstance(info, inspect.NoneType | inspect.AnyType | inspect.RawType)


def _is_text(info: inspect.Type) -> bool:
    """Whether msgspec reads a dict's key of this type from a property name."""
    match info:
        case inspect.Metadata(type=inner):
            return _is_text(inner)
        case inspect.UnionType(types=types):
            return all(_is_text(member) for member in types)
    if isinstance(info, inspect.NoneType | inspect.BoolType) or hasattr(info, "fields"):
        return False
    return not isinstance(info, inspect.CollectionType | inspect.TupleType | inspect.DictType)


def _plain_name(type_: Any) -> str:
    return getattr(type_, "__name__", None) or str(type_)


def _wire_name(type_: Any) -> str:
    name = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in _plain_name(type_))
    return name[:_NAME_LIMIT] or "answer"
