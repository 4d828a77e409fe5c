"""The answers of a perfect model: any type, any value of it, and the value as each dialect writes it on the wire.

Written from the documentation of the dialects, not from the code under test.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import itertools
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
from hypothesis import strategies as st
from msgspec import Meta, inspect

from msgflux_nb.generation.dialect import RULES, Dialect

UTC = dt.UTC
OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)

# Values of a type


def values_of(type_: Any) -> st.SearchStrategy[Any]:
    return _values(inspect.type_info(type_), {})


def _values(info: Any, known: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if isinstance(info, inspect.Metadata):
        return _values(info.type, known)
    if isinstance(info, inspect.UnionType):
        return st.one_of([_values(member, known) for member in info.types])
    if isinstance(info, OBJECTS):
        if info.cls not in known:
            known[info.cls] = st.deferred(lambda: _instances(info, known))
        return known[info.cls]
    return _plain_values(info) if type(info) in _PLAIN else _container_values(info, known)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def _numbers(info: Any, strategy: Callable[..., st.SearchStrategy[Any]], edge: float) -> st.SearchStrategy[Any]:
    low = info.ge if info.ge is not None else -(2**40) if info.gt is None else info.gt + edge
    high = info.le if info.le is not None else 2**40 if info.lt is None else info.lt - edge
    if info.multiple_of is None:
        return strategy(low, high)
    step = info.multiple_of
    return st.integers(int(-(-low // step)), int(high // step)).map(lambda n: type(edge)(n * step))


def _texts(info: inspect.StrType) -> st.SearchStrategy[Any]:
    if info.pattern is not None:
        return st.from_regex(info.pattern, fullmatch=True)
    return st.text(min_size=info.min_length or 0, max_size=info.max_length)


def _zoned(strategy: Callable[..., st.SearchStrategy[Any]]) -> Callable[[Any], st.SearchStrategy[Any]]:
    def of(info: Any) -> st.SearchStrategy[Any]:
        zone = UTC if info.tz else None
        return strategy().map(lambda moment: moment.replace(microsecond=0, tzinfo=zone))

    return of


_PLAIN: dict[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.NoneType: lambda info: st.none(),
    inspect.BoolType: lambda info: st.booleans(),
    inspect.IntType: lambda info: _numbers(info, st.integers, 1),
    inspect.FloatType: lambda info: _numbers(info, lambda a, b: st.floats(a, b), 0.5),
    inspect.StrType: _texts,
    inspect.BytesType: lambda info: st.binary(max_size=9),
    inspect.ByteArrayType: lambda info: st.binary(max_size=9).map(bytearray),
    inspect.MemoryViewType: lambda info: st.binary(max_size=9).map(memoryview),
    inspect.DateTimeType: _zoned(st.datetimes),
    inspect.TimeType: _zoned(st.times),
    inspect.DateType: lambda info: st.dates(),
    inspect.TimeDeltaType: lambda info: st.timedeltas(dt.timedelta(-999), dt.timedelta(999)),
    inspect.UUIDType: lambda info: st.uuids(),
    inspect.DecimalType: lambda info: st.decimals(-999, 999, places=2),
    inspect.LiteralType: lambda info: st.sampled_from(info.values),
    inspect.EnumType: lambda info: st.sampled_from(list(info.cls)),
    inspect.AnyType: lambda info: JSON,
    inspect.RawType: lambda info: JSON.map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
}


def _plain_values(info: Any) -> st.SearchStrategy[Any]:
    return _PLAIN[type(info)](info)


def _container_values(info: Any, known: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    if isinstance(info, inspect.TupleType):
        return st.tuples(*[_values(item, known) for item in info.item_types])
    if isinstance(info, inspect.DictType):
        free = isinstance(info.key_type, inspect.AnyType)
        keys = st.text() if free else _values(info.key_type, known)
        most = 3 if info.max_length is None else info.max_length
        return st.dictionaries(keys, _values(info.value_type, known), min_size=info.min_length or 0, max_size=most)
    most = 3 if info.max_length is None else info.max_length
    kinds: dict[type, Callable[..., st.SearchStrategy[Any]]] = {
        inspect.SetType: st.sets,
        inspect.FrozenSetType: st.frozensets,
    }
    make = kinds.get(type(info), st.lists)
    values = make(_values(info.item_type, known), min_size=info.min_length or 0, max_size=most)
    return values.map(tuple) if isinstance(info, inspect.VarTupleType) else values


def _instances(info: Any, known: dict[Any, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    fields = {field.name: _values(field.type, known) for field in info.fields}
    if isinstance(info, inspect.TypedDictType):
        optional = {f.name: fields.pop(f.name) for f in info.fields if not f.required}
        return st.fixed_dictionaries(fields, optional=optional)
    # attrs names the argument of a private field without its underscore.
    if not isinstance(info, inspect.StructType | inspect.NamedTupleType):
        fields = {
            name if hasattr(info.cls, "__dataclass_fields__") else name.lstrip("_"): s for name, s in fields.items()
        }
    return st.fixed_dictionaries(fields).map(lambda values: info.cls(**values))


# Values on the wire


def to_wire(value: Any, type_: Any, dialect: Dialect) -> Any:
    wire = _wire(value, inspect.type_info(type_), dialect)
    return wire if isinstance(wire, dict) and not _wrapped(inspect.type_info(type_), dialect) else {"value": wire}


def _wrapped(info: Any, dialect: Dialect) -> bool:
    while isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.DictType):
        return RULES[dialect].maps == "pairs" or not _names(info.key_type)
    return not isinstance(info, (*OBJECTS, inspect.TupleType)) or (
        isinstance(info, inspect.TupleType) and isinstance(_wire_shape(info, dialect), list)
    )


def _wire_shape(info: inspect.TupleType, dialect: Dialect) -> type | list[Any]:
    even = len(set(map(repr, info.item_types))) == 1
    return [] if RULES[dialect].even_tuples and even else dict


def _wire(value: Any, info: Any, dialect: Dialect) -> Any:
    if isinstance(info, inspect.Metadata):
        return _wire(value, info.type, dialect)
    if isinstance(info, inspect.UnionType):
        return _branch(value, info, dialect)
    if isinstance(info, inspect.AnyType | inspect.RawType):
        value = msgspec.json.decode(value) if isinstance(info, inspect.RawType) else value
        return msgspec.json.encode(value).decode() if RULES[dialect].any_json == "text" else value
    if isinstance(info, inspect.TupleType):
        items = [_wire(item, inner, dialect) for item, inner in zip(value, info.item_types, strict=True)]
        even = isinstance(_wire_shape(info, dialect), list)
        return items if even else {f"item_{i}": item for i, item in enumerate(items)}
    if isinstance(info, inspect.DictType):
        return _map(value, info, dialect)
    if isinstance(info, OBJECTS):
        return _object(value, info, dialect)
    if hasattr(info, "item_type"):
        return [_wire(item, info.item_type, dialect) for item in value]
    return msgspec.to_builtins(value)


def _map(value: Any, info: inspect.DictType, dialect: Dialect) -> Any:
    free = isinstance(info.key_type, inspect.AnyType)
    if RULES[dialect].maps == "object" and _names(info.key_type):
        keys = {key: msgspec.to_builtins({key: 0}, str_keys=True).popitem()[0] for key in value}
        return {keys[key]: _wire(inner, info.value_type, dialect) for key, inner in value.items()}
    return [
        {"key": key if free else _wire(key, info.key_type, dialect), "value": _wire(inner, info.value_type, dialect)}
        for key, inner in value.items()
    ]


def _names(key: Any) -> bool:
    """Return whether JSON can have such keys as names of properties."""
    while isinstance(key, inspect.Metadata):
        key = key.type
    return not isinstance(key, inspect.TupleType | inspect.VarTupleType | inspect.FrozenSetType | inspect.BoolType)


def _object(value: Any, info: Any, dialect: Dialect) -> dict[str, Any]:
    written = {info.tag_field: info.tag} if getattr(info, "tag_field", None) is not None else {}
    for field in info.fields:
        given = value.get(field.name, msgspec.UNSET) if isinstance(value, dict) else getattr(value, field.name)
        absent = given is msgspec.UNSET or (not field.required and field.default is None and given is None)
        if not absent:
            written[field.encode_name] = _wire(given, field.type, dialect)
        elif RULES[dialect].optional == "null":
            written[field.encode_name] = None
    return written


def _branch(value: Any, info: inspect.UnionType, dialect: Dialect) -> Any:
    member = next((m for m in info.types if isinstance(m, inspect.AnyType | inspect.RawType)), None)
    if member is None:
        member = next(m for m in info.types if _holds(m, value))
    written = _wire(value, member, dialect)
    beside = any(hasattr(m, "item_type") for m in info.types)
    rules = RULES[dialect]
    if isinstance(member, inspect.DictType) and beside and not rules.measured and rules.maps == "pairs":
        return {"entries": written}
    return written


_PYTHON: dict[type, Any] = {
    inspect.NoneType: type(None),
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.TypedDictType: dict,
    inspect.TupleType: tuple,
    inspect.VarTupleType: tuple,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
    inspect.DateTimeType: dt.datetime,
    inspect.DateType: dt.date,
}


def _holds(info: Any, value: Any) -> bool:
    if isinstance(info, inspect.Metadata):
        return _holds(info.type, value)
    if isinstance(info, inspect.LiteralType):
        return value in info.values
    if isinstance(info, inspect.IntType) and isinstance(value, bool):
        return False
    cls = _PYTHON.get(type(info)) or info.cls
    return isinstance(value, getattr(cls, "__origin__", cls))


# Any type


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Suit(enum.StrEnum):
    HEARTS = "hearts"
    SPADES = "spades"


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    owners: dict[str, int]


class Node(msgspec.Struct):
    """A tree."""

    name: str
    weights: tuple[int, str]
    children: list[Node] = []


LEAVES: list[Any] = [
    bool,
    int,
    float,
    str,
    bytes,
    dt.datetime,
    dt.date,
    Colour,
    Level,
    Suit,
    Literal["a", "b"],
    Literal["a", 3, None],
    Annotated[int, Meta(ge=0, lt=9)],
    Annotated[float, Meta(gt=0, le=9, description="how much")],
    Annotated[str, Meta(min_length=1, max_length=5)],
    Annotated[str, Meta(pattern="^[a-z]+$")],
    Annotated[int, Meta(multiple_of=3)],
    Annotated[dt.datetime, Meta(tz=True)],
    Cat | Dog,
    int | str | None,
    Node,
    Any,
]
KEYS: list[Any] = [str, int, float, Colour, Level, dt.date, tuple[int, str], Annotated[int, Meta(ge=0)]]
_numbers_of_types = itertools.count()


def _class_name(kind: str) -> str:
    return f"{kind}{next(_numbers_of_types)}"


def _struct(fields: list[tuple[str, Any, bool]], options: dict[str, Any]) -> Any:
    listed = [(name, hint | None, None) if late else (name, hint) for name, hint, late in fields]
    return msgspec.defstruct(_class_name("Struct"), listed, kw_only=True, module=__name__, **options)


def _named_tuple(fields: list[tuple[str, Any, bool]], options: dict[str, Any]) -> Any:
    return NamedTuple(_class_name("Tuple"), [(name, hint) for name, hint, _ in fields])  # type: ignore[misc]


def _typed_dict(fields: list[tuple[str, Any, bool]], options: dict[str, Any]) -> Any:
    hints = {name: NotRequired[hint] if late and _never_none(hint) else hint for name, hint, late in fields}
    return TypedDict(_class_name("Dict"), hints)  # type: ignore[operator]


def _never_none(hint: Any) -> bool:
    return (
        hint is not Any
        and type(None) not in getattr(hint, "__args__", ())
        and None not in getattr(hint, "__args__", ())
    )


def _data_class(fields: list[tuple[str, Any, bool]], options: dict[str, Any]) -> Any:
    return dataclasses.make_dataclass(_class_name("Data"), [(name, hint) for name, hint, _ in fields])


_options = st.fixed_dictionaries(
    {},
    optional={
        "array_like": st.just(True),
        "tag": st.just(True),
        "rename": st.sampled_from(["camel", "upper"]),
        "frozen": st.just(True),
        "forbid_unknown_fields": st.just(True),
    },
)
_field_names = st.sampled_from(["name", "count", "value", "key", "some_text", "entries"])


def _classes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.lists(st.tuples(_field_names, inner, st.booleans()), min_size=1, max_size=4, unique_by=lambda f: f[0])
    kinds = st.sampled_from([_struct, _struct, _named_tuple, _typed_dict, _data_class])
    return st.builds(lambda kind, listed, options: kind(listed, options), kinds, fields, _options)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda t: list[t], inner),
        st.builds(lambda t: tuple[t, ...], inner),
        st.builds(lambda k, v: dict[k, v], st.sampled_from(KEYS), inner),
        st.builds(lambda ts: tuple[tuple(ts)], st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda t: list[t] | None, inner),
        st.builds(lambda t: Annotated[list[t], Meta(max_length=2, description="a few")], inner),
        st.sampled_from([set[int], frozenset[str], Annotated[set[int], Meta(max_length=2)]]),
        _classes(inner),
    )


def _nested_and_beside(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _nested(inner) | st.builds(lambda a, b: list[a] | dict[str, b], inner, inner)


def types(dialect: Dialect) -> st.SearchStrategy[Any]:
    """Draw types that msgspec takes, but not those of ``test_types_that_the_grammar_cannot_tell_apart``."""
    beside = not RULES[dialect].measured
    return st.recursive(st.sampled_from(LEAVES), _nested_and_beside if beside else _nested, max_leaves=6)
