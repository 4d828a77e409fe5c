"""One Struct with fields of every kind, as each dialect writes it, compared with files that a person has read.

After an intended change, run with ``MSGFLUX_WRITE_GOLDEN=1`` and read the difference before you commit it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import os
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from msgflux_nb.generation.schema import Dialect, WireSchema, wire_schema

from .strict_mode import strict_problems

GOLDEN = Path(__file__).parent / "golden"


class Priority(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Cash(msgspec.Struct, tag="cash"):
    amount: decimal.Decimal


class Card(msgspec.Struct, tag="card"):
    number: Annotated[str, Meta(pattern="^[0-9]{16}$")]
    holder: str | None = None


class Address(msgspec.Struct):
    """Where somebody lives."""

    street: str
    city: Annotated[str, Meta(description="without the postcode")]


class Item(msgspec.Struct):
    """A part, which may have parts."""

    name: str
    parts: list[Item] = []


class Order(msgspec.Struct):
    """An order of a customer."""

    id: uuid.UUID
    address: Annotated[Address, Meta(description="where it is sent to")]
    item: Item
    payment: Cash | Card
    priority: Priority
    mood: Literal["good", "bad", None]
    note: str | None
    counts: dict[str, int]
    size: tuple[int, str]
    place: tuple[float, float]
    tags: set[str]
    photo: bytes
    total: Annotated[decimal.Decimal, Meta(description="in euros")]
    placed: dt.datetime
    due: dt.date
    quantity: Annotated[int, Meta(ge=1, le=99)]
    discount: Annotated[float, Meta(ge=0, lt=1, multiple_of=0.05)]
    code: Annotated[str, Meta(min_length=3, max_length=8, pattern="^[A-Z]+$")]
    lines: Annotated[list[int], Meta(min_length=1, max_length=5, description="line numbers")]
    watchers: list[str] = []
    weight: float = 1.0


def as_golden(wire: WireSchema) -> str:
    told = {"strict": wire.strict, "unenforced": list(wire.unenforced), "schema": wire.schema}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_the_schema_of_an_order_equals_its_golden_file(dialect: Dialect) -> None:
    path = GOLDEN / f"{dialect.value}.json"
    written = as_golden(wire_schema(Order, dialect))
    if os.environ.get("MSGFLUX_WRITE_GOLDEN"):
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


def test_the_order_keeps_the_rules_of_strict_mode() -> None:
    assert strict_problems(wire_schema(Order, Dialect.OPENAI).schema) == []


def test_every_golden_file_belongs_to_a_dialect() -> None:
    names: list[Any] = [dialect.value for dialect in Dialect]
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(names)
