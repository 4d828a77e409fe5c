"""One example of every kind of column that ``tables/dtypes.py`` knows, for the tests of round trips through files."""

from __future__ import annotations

import csv
import datetime
import decimal
import enum
import io
import json
import uuid
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd

import msgflux_nb as mf

Aware = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


class Item(msgspec.Struct):
    name: str
    price: float | None = None


class Tree(msgspec.Struct):
    name: str
    child: Tree | None = None


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Cat(msgspec.Struct, tag="cat"):
    name: str


class Dog(msgspec.Struct, tag="dog"):
    name: str
    tricks: list[str]


MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)
KINDS: dict[str, tuple[Any, list[Any]]] = {
    "int": (int | None, [1, -(2**60) - 1, None]),
    "int beyond 64 bits": (int | None, [2**70, 1, None]),
    "float": (float | None, [0.1, 1e300, None]),
    "bool": (bool | None, [True, False, None]),
    "str": (str | None, ["ä 😀", "two\nlines", "", None]),
    "lone surrogate": (str | None, ["\ud800", "a", None]),
    "Literal": (Literal["a", "b"] | None, ["b", "a", None]),
    "Enum": (Mood | None, [Mood.BAD, Mood.GOOD, None]),
    "datetime in UTC": (Aware | None, [MOMENT.replace(tzinfo=datetime.UTC), None]),
    "datetime without a zone": (datetime.datetime | None, [MOMENT, None]),
    "datetimes with and without": (datetime.datetime | None, [MOMENT, MOMENT.replace(tzinfo=datetime.UTC), None]),
    "date": (datetime.date | None, [datetime.date(2026, 1, 2), None]),
    "time": (datetime.time | None, [datetime.time(1, 2, 3, 4), None]),
    "time with a zone": (datetime.time | None, [datetime.time(1, 2, tzinfo=datetime.UTC), None]),
    "timedelta": (datetime.timedelta | None, [datetime.timedelta(1, 2, 3), datetime.timedelta(-1), None]),
    "Decimal": (decimal.Decimal | None, [decimal.Decimal("1.10"), decimal.Decimal("2"), decimal.Decimal("1e50"), None]),
    "UUID": (uuid.UUID | None, [uuid.UUID(int=7), None]),
    "bytes": (bytes | None, [b"a\xff\x00", b"", None]),
    "list of texts": (list[str] | None, [["a", "b"], [], None]),
    "list of integers": (list[int], [[1, 2], [2**70]]),
    "list of Decimals": (list[decimal.Decimal], [[decimal.Decimal("1.10")], []]),
    "list of dates": (list[datetime.date], [[datetime.date(2026, 1, 2)], []]),
    "list of datetimes": (list[Aware], [[MOMENT.replace(tzinfo=datetime.UTC)], []]),
    "list of Enums": (list[Mood], [[Mood.BAD], []]),
    "list of lists": (list[list[int]], [[[1], []], []]),
    "list of records": (list[Item] | None, [[Item("a", 1.5), Item("b")], [], None]),
    "list of either": (list[int | str], [[1, "a"], []]),
    "tuple": (tuple[int, str] | None, [(1, "a"), None]),
    "set": (set[int], [{1, 2}, set()]),
    "dict": (dict[str, int] | None, [{"a": 1}, {"b": 2}, {}, None]),
    "dict of lists": (dict[str, list[float]], [{"a": [1.5]}, {}]),
    "dict with keys other than texts": (dict[int, str], [{1: "a"}, {}]),
    "int or str": (int | str | None, [1, "a", None]),
    "anything": (Any, [{"a": [1, "b"]}, [1.5, None], "x", 3, None]),
    "union of tagged Structs": (Cat | Dog, [Cat("a"), Dog("b", ["sit"])]),
    "recursive Struct": (list[Tree], [[Tree("a", Tree("b"))], []]),
    "nothing": (Any, [None, None]),
}


def frame_of(kind: str) -> pd.DataFrame:
    """Return a frame with the kind's cells: ``n``, and ``value`` or the columns of its fields."""
    schema, cells = KINDS[kind]
    record = msgspec.defstruct("Row", [("n", int), ("value", schema)])
    return mf.to_frame([record(place, cell) for place, cell in enumerate(cells)])


def row_of(kind: str) -> Any:
    """Return the Struct of a row of the kind's frame."""
    return msgspec.defstruct("Row", [("n", int), ("value", KINDS[kind][0])])


def by_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of the text that ``to_json`` writes."""
    return json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))


def by_csv(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of the text that ``df.mf.to_csv`` writes, with nested cells read as JSON."""
    text = frame.mf.to_csv(index=False)
    return [{name: nested(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text, newline=""))]


def by_excel(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of the file that ``df.mf.to_excel`` writes, with nested cells read as JSON."""
    from openpyxl import load_workbook

    file = io.BytesIO()
    frame.mf.to_excel(file, index=False)
    heads, *rows = load_workbook(file).active.iter_rows(values_only=True)
    return [{name: nested(cell) for name, cell in zip(heads, row, strict=True)} for row in rows]


def nested(cell: Any) -> Any:
    """Return the value of a cell with JSON; None for an empty cell."""
    if not isinstance(cell, str) or not cell:
        return cell or None if isinstance(cell, str) else cell
    return json.loads(cell) if cell[0] in "[{" else cell


FORMATS = {"to_json": by_json, "mf.to_csv": by_csv, "mf.to_excel": by_excel}


def comes_back(kind: str, records: list[dict[str, Any]]) -> bool:
    """Return whether msgspec makes the same rows of the written records."""
    row = row_of(kind)
    values = [row(place, cell) for place, cell in enumerate(KINDS[kind][1])]
    try:
        return bool(msgspec.convert(records, list[row], strict=False) == values)  # type: ignore[valid-type]  # made here
    except msgspec.ValidationError:
        return False


def documented() -> str:
    """Return the table of docs/tables.md: for each kind, the written first cell, and whether it comes back equal."""
    lines = [
        "| column | Parquet, Feather, pickle | `to_json` | `df.mf.to_csv` | `df.mf.to_excel` |",
        "|---|---|---|---|---|",
    ]
    for kind in KINDS:
        frame = frame_of(kind)
        name = "value" if "value" in frame else "value.name"
        cells = []
        for read in FORMATS.values():
            records = read(frame)
            first = records[0][name]
            text = first if isinstance(first, str) else json.dumps(first, default=str, ensure_ascii=False)
            shown = "empty" if first is None else f"`{text}`"
            cells.append(("✓ " if comes_back(kind, records) else "") + shown)
        lines.append(f"| {kind} | ✓ | {' | '.join(cells)} |")
    return "\n".join(lines)
