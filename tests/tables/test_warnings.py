"""Tests that ``_warnings`` says what was changed or cut on the way to a row's value."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import Store
from msgflux_nb.storage.batches import BatchRecords, Record
from msgflux_nb.widgets.extraction.twin import extraction_html

from .scripted_model import Metadata, Prepared, Scripted


class City(msgspec.Struct):
    name: str


class Remarked(Scripted):
    """Answers each text with a city of this name, and adds a warning if it begins with a capital B."""

    def prepare(self, messages: object, **options: object) -> Prepared:
        prepared = super().prepare(messages, **options)
        prepared.key = prepared.question = str(messages).encode().ljust(32, b".")[-32:]
        return prepared

    async def acall(self, messages: object, **options: object) -> object:
        response = await super().acall(messages, **options)
        if "Bonn" in str(messages):
            response.metadata = Metadata(warnings=("an option was left out", "a <b>comma</b> was too much"))
        return response


def model() -> Scripted:
    return Remarked(lambda text: City(text))


def extract(texts: list[str], **options: object) -> pd.DataFrame:
    return mf.extract(texts, City, model=model(), progress=False, **{"store": False, **options})


def test_the_column_stands_where_a_row_has_a_warning() -> None:
    table = extract(["Rome", "Bonn"])
    assert list(table["_warnings"].fillna("-")) == ["-", "an option was left out; a <b>comma</b> was too much"]
    assert table["_warnings"].dtype == "string"
    assert table.attrs["report"]["warnings"] == 1


def test_no_column_stands_where_no_row_has_one() -> None:
    table = extract(["Rome", "Oslo"])
    assert "_warnings" not in table.columns
    assert table.attrs["report"]["warnings"] == 0


def test_equal_rows_have_the_same_warnings() -> None:
    table = extract(["Bonn", "Bonn"])
    assert table["_warnings"].nunique() == 1
    assert table["_warnings"].notna().all()


def test_a_field_may_not_take_the_columns_name() -> None:
    taken = msgspec.defstruct("Taken", [("_warnings", str)])
    with pytest.raises(mf.SchemaError, match="_warnings"):
        mf.extract(["a"], taken, model=model(), progress=False)


def test_the_live_rows_and_the_saved_ones_show_it_escaped() -> None:
    view = mf.ExtractionView(["Rome", "Bonn"], City, model=model(), store=False)
    view.run(wait=True)
    assert [row[5] for row in view.picture["rows"]] == ["", "an option was left out; a <b>comma</b> was too much"]
    drawn = extraction_html(view.picture)
    assert 'title="an option was left out; a &lt;b&gt;comma&lt;/b&gt; was too much"' in drawn
    plain, _, flagged = drawn.partition("<tbody>")[2].partition('title="an option')
    assert "<svg" not in plain
    assert '<svg class="mf-i"' in flagged.partition("</tr>")[0]  # the mark
    view.close()


def test_a_store_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as old:
        old.execute("ALTER TABLE rows DROP COLUMN warnings")
        old.execute("PRAGMA user_version=3")
    old.close()
    records = BatchRecords(Store(path))
    records.put(Record(key=b"k", question=b"q", state="ok", text="{}", request=b"{}", answer=None, warnings="one\ntwo"))
    kept = records.get(b"k")
    assert kept is not None
    assert kept.warnings == "one\ntwo"
    records.store.close()
