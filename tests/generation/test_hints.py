"""Tests that reading the hints of a class takes time in proportion to the number of its fields."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from msgflux_nb.generation.hints import class_hints, field_hints
from msgflux_nb.generation.schema import wire_schema


def made(count: int, *, written: bool) -> type:
    """Return a Struct with many fields, whose hints are types or texts."""
    if not written:
        hint = Annotated[str, msgspec.Meta(description="a word")]
        return msgspec.defstruct("Made", [(f"f{number}", hint) for number in range(count)])
    lines = "".join(f"    f{number}: 'Annotated[str, Meta(description=\"a word\")]'\n" for number in range(count))
    around: dict[str, Any] = {"Annotated": Annotated, "Meta": msgspec.Meta, "Struct": msgspec.Struct}
    globals().update(around)  # where texts are looked up
    exec(f"class Made(Struct):\n{lines}", around | {"__name__": __name__}, namespace := {})
    found: type = namespace["Made"]
    return found


def calls_of(read: Callable[[], object]) -> int:
    """Return the number of called functions, which is the same on slow and fast machines."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        read()
    finally:
        sys.setprofile(before)
    return count


READS: dict[str, Callable[[type], object]] = {
    "class_hints": lambda cls: list(class_hints(cls)),
    "field_hints": field_hints,
    "wire_schema": wire_schema,
}


@pytest.mark.parametrize("written", [False, True], ids=["types", "texts"])
@pytest.mark.parametrize("read", READS)
def test_four_times_the_fields_take_about_four_times_the_steps(read: str, written: bool) -> None:
    types = [made(count, written=written) for count in (60, 240)]
    few, many = (calls_of(lambda made=made: READS[read](made)) for made in types)  # type: ignore[misc]
    assert few > 60
    assert many < 6 * few
