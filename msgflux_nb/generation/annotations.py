"""Reads the metadata in ``Annotated``: texts for a type's description, and limits for its values.

msgspec reads its own ``Meta``. Read here are pydantic's ``Field`` and constraints, those of annotated-types, ``Doc``,
and plain texts. They are recognised by their names and attributes, so none of these packages has to be installed.
Metadata that is not understood is an error: if it were ignored, nobody would check what it promises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..errors import SchemaError

__all__ = ["AnnotatedFacts", "is_default_of_another", "read_annotated"]

LIMITS = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern")

# Other arguments of pydantic's Field. The first go into descriptions; the second do not affect a model.
_WORDS = ("title", "description", "examples")
_PASSED = {"annotation", "default", "default_factory", "repr", "init", "init_var", "kw_only", "frozen", "exclude"}
_PASSED |= {"field_title_generator", "alias_priority", "validate_default"}
_HOUSES = ("annotated_types", "pydantic")


class AnnotatedFacts(msgspec.Struct, frozen=True):
    """The texts and limits found in the metadata of one type.

    Attributes:
        words: texts by JSON Schema's names for them: ``description``, ``title``, ``examples`` and more.
        limits: limits of the value, by the names in ``LIMITS``.
    """

    words: dict[str, Any] = {}
    limits: dict[str, Any] = {}


def read_annotated(added: Iterable[Any], path: str) -> AnnotatedFacts:
    """Read the metadata added to a type.

    Raises:
        SchemaError: metadata is not understood; the message names it.
    """
    words: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for name, value in _facts(added, path):
        if name in LIMITS:
            limits[name] = _tighter(name, limits.get(name), value, path)
        elif name == "description" and name in words:
            words[name] = "; ".join(dict.fromkeys([words[name], value]))
        else:
            words[name] = value
    return AnnotatedFacts(words, limits)


def is_default_of_another(value: Any) -> bool:
    """Whether a default is pydantic's ``Field(...)``, which only pydantic reads as a default."""
    return type(value).__name__ == "FieldInfo" and _house(value) == "pydantic"


def _facts(added: Iterable[Any], path: str) -> Iterator[tuple[str, Any]]:
    for item in added:
        if isinstance(item, msgspec.Meta):
            continue
        if isinstance(item, str):
            yield "description", item
        elif isinstance(getattr(item, "documentation", None), str):  # Doc, of PEP 727
            yield "description", item.documentation
        elif is_default_of_another(item):
            yield from _field_facts(item, path)
        elif type(item).__name__ == "Unit" and _house(item) in _HOUSES:
            yield "unit", item.unit
        elif _house(item) in _HOUSES:
            yield from _constraint_facts(item, path)
        else:
            raise _not_understood(item, path)


def _house(item: Any) -> str:
    return str(type(item).__module__).partition(".")[0]


def _field_facts(field: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield what pydantic's ``Field`` says, by name."""
    if not hasattr(field, "_attributes_set"):
        raise _not_understood(f"{field!r} of this version of pydantic", path)
    for name, value in field._attributes_set.items():
        if value is None or name in _PASSED or name in LIMITS or name == "metadata":
            continue
        if name in _WORDS:
            yield name, value
        elif name == "json_schema_extra" and isinstance(value, dict):
            yield from value.items()
        elif name == "deprecated":
            yield name, value
        elif "alias" in name:
            raise SchemaError(
                f"{path}: {name}={value!r} of pydantic's Field is not understood. Rename the field with "
                f"msgspec.field(name={value!r}) in a Struct."
            )
        else:
            raise _not_understood(f"{name}={value!r} of pydantic's Field", path)
    for item in getattr(field, "metadata", ()):
        yield from _facts([item], path)


def _constraint_facts(item: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the limits of a constraint: ``Ge(1)``, ``Len(2, 5)``, ``Interval(gt=0)``, ``StringConstraints(...)``."""
    attributes = {name: getattr(item, name) for name in getattr(item, "__slots__", ())} | getattr(item, "__dict__", {})
    given = {name: value for name, value in attributes.items() if value is not None}
    unknown = [name for name in given if name not in LIMITS]
    if unknown or not attributes:
        raise _not_understood(item, path)
    for name, value in given.items():
        if name == "min_length" and value == 0:
            continue
        yield name, value.pattern if isinstance(value, re.Pattern) else value


def _tighter(name: str, before: Any, value: Any, path: str) -> Any:
    if before is None or before == value:
        return value
    if name in ("ge", "gt", "min_length"):
        return max(before, value)
    if name in ("le", "lt", "max_length"):
        return min(before, value)
    raise SchemaError(f"{path}: two values of {name}, {before!r} and {value!r}; give one.")


def _not_understood(item: Any, path: str) -> SchemaError:
    shown = item if isinstance(item, str) else repr(item)
    return SchemaError(
        f"{path}: {shown[:120]} in Annotated is not understood here, so nothing would check it. Use "
        "msgspec.Meta(...) or a text, or check the value in __post_init__ of a Struct or in the function."
    )
