from __future__ import annotations

from typing import Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.errors import SchemaError
from msgflux_nb.tables.frame import exploded_frame
from tests.tables.scripted_model import Metadata, Scripted


class Item(msgspec.Struct):
    name: str
    price: float | None = None
    size: Literal["l", "s"] | None = None


class Order(msgspec.Struct):
    number: int
    items: list[Item]
    tags: list[str] | None = None


ORDERS = [Order(1, [Item("a", 1.0), Item("b", size="s")], ["x", "y"]), Order(2, []), None]


def exploded(field: str, index: pd.Index[Any] | None = None) -> pd.DataFrame:
    return exploded_frame(Order, ORDERS, pd.Index([7, 7, 8]) if index is None else index, field)[0]


def test_a_list_of_records_is_a_row_an_item_under_the_same_label() -> None:
    found = exploded("items")
    assert found.index.tolist() == [7, 7, 7, 8]
    assert list(found.columns) == ["number", "items.name", "items.price", "items.size", "tags"]
    assert found["items.name"].tolist() == ["a", "b", pd.NA, pd.NA]
    assert found["number"].tolist() == [1, 1, 2, pd.NA]


def test_items_have_the_dtypes_of_their_schema_without_any_item() -> None:
    found, _ = exploded_frame(Order, [None], pd.RangeIndex(1), "items")
    assert found.dtypes.iloc[:3].astype(str).tolist() == ["Int64", "string", "Float64"]
    assert found.dtypes.iloc[3] == pd.CategoricalDtype(["l", "s"])


def test_a_list_of_texts_keeps_its_name() -> None:
    assert exploded("tags")["tags"].tolist() == ["x", "y", pd.NA, pd.NA]


def test_a_row_without_items_keeps_its_place() -> None:
    _, positions = exploded_frame(Order, ORDERS, pd.RangeIndex(3), "items")
    assert positions.tolist() == [0, 0, 1, 2]


def test_a_multiindex_is_repeated() -> None:
    index = pd.MultiIndex.from_tuples([(1, "a"), (1, "a"), (2, "b")], names=["x", "y"])
    found = exploded("items", index)
    assert found.index.tolist() == [(1, "a"), (1, "a"), (1, "a"), (2, "b")]
    assert found.index.names == ["x", "y"]


def test_a_schema_that_is_a_list_is_exploded_as_value() -> None:
    found, _ = exploded_frame(list[Item], [[Item("a"), Item("b")]], pd.RangeIndex(1), "value")
    assert found["name"].tolist() == ["a", "b"]


class Stop(msgspec.Struct, tag="stop"):
    place: str


class Ride(msgspec.Struct, tag="ride"):
    minutes: int


class Trip(msgspec.Struct):
    steps: tuple[Stop | Ride, ...]


def test_items_of_several_types_have_a_tag() -> None:
    found = mf.to_frame(Trip((Stop("Ur"), Ride(5))), explode="steps")
    assert found["steps.type"].tolist() == ["stop", "ride"]
    assert found["steps.minutes"].tolist() == [pd.NA, 5]


class Nested(msgspec.Struct):
    order: Order | None


def test_a_list_in_a_record_is_named_by_its_path() -> None:
    found = mf.to_frame([Nested(ORDERS[0]), Nested(None)], explode="order.items")
    assert found["order.items.name"].tolist() == ["a", "b", pd.NA]


@pytest.mark.parametrize("field", ["number", "nothing", "items.name"])
def test_a_field_that_is_not_a_list_is_refused_with_the_names_of_the_lists(field: str) -> None:
    with pytest.raises(SchemaError, match=rf"explode: '{field}' is not a list in .*; lists: 'items', 'tags'"):
        exploded(field)


# In a batch


def extract(texts: list[str], **options: Any) -> pd.DataFrame:
    def script(text: str) -> Any:
        return ORDERS[0] if "full" in text else Order(2, [])

    model = Scripted(script, metadata=Metadata(cost=0.5))
    return mf.extract(texts, Order, model=model, progress=False, explode="items", store=False, **options)


def test_a_batch_is_exploded_and_sums_of_what_was_billed_are_right() -> None:
    found = extract(["full", "none", ""])
    assert found.index.tolist() == [0, 0, 1, 2]
    assert found["_status"].tolist() == ["ok", "ok", "ok", "skipped"]
    assert found["_cost"].sum() == found.attrs["report"]["cost"] == 1.0
    assert found["_prompt_tokens"].sum() == found.attrs["report"]["prompt_tokens"]
    assert found["_attempts"].tolist() == [1, 0, 1, 0]


def test_a_list_that_is_not_there_is_refused_before_anything_is_sent() -> None:
    model = Scripted(lambda _: None)
    with pytest.raises(SchemaError, match="explode: 'number' is not a list"):
        mf.extract(["a"], Order, model=model, progress=False, explode="number")
    assert not model.sent
