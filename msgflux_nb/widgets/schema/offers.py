"""The types to pick from: built in a form, given by the caller, found in the notebook, and the plan schemas."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...display.structure import type_name

__all__ = ["Offer", "offers"]

_OURS = frozenset({"msgflux_nb", "msgspec"})


class Offer(msgspec.Struct, frozen=True):
    """A type that can be picked.

    Attributes:
        name: its name.
        group: ``"built"`` in a form, ``"given"`` by the caller, found in the ``"notebook"``, or one of the ``"plans"``.
        type: the type itself.
    """

    name: str
    group: str
    type: Any


def offers(
    given: Mapping[str, Any] | Iterable[Any] | None,
    namespace: Mapping[str, Any],
    built: Mapping[str, Any] | None = None,
) -> list[Offer]:
    """List the types to pick from; for equal names, built ones come before the caller's, the notebook's and plans.

    Args:
        given: types by name, or types alone.
        namespace: the variables to search for Structs; names that begin with an underscore are private.
        built: types by name that were built in a form.
    """
    found: dict[str, Offer] = {}
    named = given if isinstance(given, Mapping) else {type_name(type_): type_ for type_ in given or ()}
    groups = (("built", built or {}), ("given", named), ("notebook", _structs(namespace)), ("plans", _plans()))
    seen: list[Any] = []
    for group, types in groups:
        for name, type_ in types.items():
            if name not in found and type_ not in seen:
                found[name] = Offer(name, group, type_)
                seen.append(type_)
    return list(found.values())


def _structs(namespace: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in list(namespace.items()):  # a copy: a cell may define names while a thread looks
        class_ = typing.get_origin(value) or value
        if name.startswith("_") or not isinstance(class_, type) or not issubclass(class_, msgspec.Struct):
            continue
        ours = class_ is value and class_.__module__.partition(".")[0] in _OURS
        if not ours and class_.__struct_fields__:
            found[name] = value
    return found


def _plans() -> dict[str, Any]:
    from ...generation import plan

    return {
        "ChainOfThoughts": plan.ChainOfThoughts,
        "ReAct": plan.ReAct,
        "SelfConsistency": plan.SelfConsistency,
        "TreeOfThoughts": plan.TreeOfThoughts,
    }
