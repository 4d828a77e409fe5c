"""The answers of a batch in its store: written before they are shown, found by the whole request, kept as bytes."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.storage.answers import Store, open_store
from msgflux_nb.storage.batches import BatchRecords, Record
from msgflux_nb.tables.ledger import Ledger
from msgflux_nb.tables.outcome import Outcome
from tests.scripted import completion, error
from tests.tables.counting import KEY, Counting, Person, counting, named, restart_kernel

__all__ = ["counting"]

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\n"
    b"IDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def read(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read the file as another process would: it sees only committed rows."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


# Committed before it is shown


def test_the_store_writes_ahead(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    assert read(path, "PRAGMA journal_mode") == [("wal",)]
    assert path.with_name("run.sqlite-wal").stat().st_size > 0


def test_a_row_is_committed_before_it_is_shown(counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, seen = Ledger.end, []

    def watched(ledger: Ledger, position: int, outcome: Outcome) -> None:
        if outcome.state == "ok":
            seen.append((outcome.value.name, {text for (text,) in read(path, "SELECT text FROM rows")}))
        end(ledger, position, outcome)

    monkeypatch.setattr(Ledger, "end", watched)
    counting.extract([f"row {number}" for number in range(20)], store=path, max_concurrency=4)
    assert len(seen) == 20
    assert all(any(json.loads(text)["name"] == name for text in kept) for name, kept in seen)


# Known by the whole request


class Described(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(description="the family name")]
    age: int | None = None


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({}, {"data": pd.DataFrame({"t": ["b"], "u": ["u"], "i": [PIXEL]})}),
    "prompt": ({}, {"prompt": "Read {t}"}),
    "another column": ({}, {"prompt": "{t}{u}"}),
    "system prompt": ({}, {"system_prompt": "Be exact."}),
    "schema": ({}, {"schema": Described}),
    "examples": ({}, {"examples": [("Ada, 36", Person("Ada", 36))]}),
    "image": ({}, {"images": "i"}),
    "model": ({"name": "other"}, {}),
    "temperature": ({"temperature": 0}, {}),
    "seed": ({"seed": 1}, {}),
    "max_tokens": ({"max_tokens": 50}, {}),
    "top_p": ({"top_p": 0.5}, {}),
    "stop": ({"stop": ["x"]}, {}),
    "extra_body": ({"extra_body": {"top_k": 3}}, {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_part_makes_another_request(counting: Counting, path: Path, change: str) -> None:
    usual = {"data": pd.DataFrame({"t": ["a"], "u": ["u"], "i": [PIXEL]}), "prompt": "{t}", "store": path}
    model, keywords = CHANGES[change]
    counting.extract(**usual)
    for calls in (2, 2):  # sent once more, then found
        counting.extract(**{**usual, "model": counting.model(**model), **keywords})
        assert counting.calls == calls
    assert counting.extract(**usual)["_status"].tolist() == ["cached"]
    assert counting.calls == 2


def test_another_server_is_another_request(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    elsewhere = counting.model(base_url=counting.server.url.replace("127.0.0.1", "localhost"))
    assert counting.extract(["a"], store=path, model=elsewhere)["_status"].tolist() == ["ok"]


@pytest.mark.parametrize(
    "model",
    [{"api_key": "sk-another-0123456789"}, {"timeout": 5}, {"max_retries": 3}, {"extra_headers": {"X-Trace": "1"}}],
    ids=lambda model: next(iter(model)),
)
def test_what_the_model_is_not_told_makes_no_difference(counting: Counting, path: Path, model: dict[str, Any]) -> None:
    counting.extract(["a"], store=path)
    assert counting.extract(["a"], store=path, model=counting.model(**model))["_status"].tolist() == ["cached"]


def test_the_order_of_fields_makes_no_other_request(counting: Counting, path: Path) -> None:
    bodies: list[dict[str, Any]] = [{"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}]
    frames = [counting.extract(["a"], store=path, model=counting.model(extra_body=body)) for body in bodies]
    assert [frame["_status"].item() for frame in frames] == ["ok", "cached"]


@pytest.mark.parametrize("limits", [{"max_concurrency": 1}, {"rpm": 10_000}, {"on_error": "stop"}, {"max_cost": None}])
def test_limits_on_speed_and_cost_make_no_other_request(counting: Counting, path: Path, limits: dict[str, Any]) -> None:
    counting.extract(["a"], store=path)
    assert counting.extract(["a"], store=path, **limits)["_status"].tolist() == ["cached"]


# Never twice


def test_the_same_again_asks_nothing_and_two_new_rows_are_two_calls(
    counting: Counting, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"row {number}" for number in range(30)]
    first = counting.extract(texts, store=path)
    assert counting.calls == 30
    restart_kernel(monkeypatch)
    second = counting.extract(texts, store=path)
    assert counting.calls == 30
    pd.testing.assert_frame_equal(second[["name", "age"]], first[["name", "age"]])
    assert set(second["_status"]) == {"cached"}
    assert (second["_attempts"] == 0).all()
    counting.extract(["new", *texts, "newer"], store=path)
    assert counting.calls == 32


def test_a_kernel_remembers_without_a_file(counting: Counting) -> None:
    counting.extract(["a"])
    assert counting.extract(["a"])["_status"].tolist() == ["cached"]
    assert counting.calls == 1


def test_nothing_is_remembered_where_that_is_asked_for(counting: Counting) -> None:
    for _ in range(2):
        assert counting.extract(["a"], store=False)["_status"].tolist() == ["ok"]
    assert counting.extract(["a"])["_status"].tolist() == ["ok"]


@pytest.mark.parametrize("max_concurrency", [1, 4, 40])
def test_forty_equal_texts_are_one_call_and_forty_rows(counting: Counting, path: Path, max_concurrency: int) -> None:
    frame = counting.extract(["same"] * 40, store=path, max_concurrency=max_concurrency)
    assert counting.calls == 1
    assert frame["name"].tolist() == ["same"] * 40
    assert frame["_status"].value_counts()[["ok", "cached"]].tolist() == [1, 39]
    assert (frame["_prompt_tokens"].sum(), frame["_attempts"].sum()) == (4, 1)


def test_equal_rows_in_flight_are_one_call_without_a_store_too(counting: Counting) -> None:
    frame = counting.extract(["same"] * 8, store=False, max_concurrency=8)
    assert counting.calls < 8
    assert frame["name"].tolist() == ["same"] * 8


def test_equal_rows_fail_alike_and_each_says_so(counting: Counting, path: Path) -> None:
    counting.reply = lambda text: error(400, "no") if text == "bad" else named(text)
    frame = counting.extract(["a", "bad", "bad", "bad"], store=path)
    assert frame["_status"].tolist() == ["ok", "failed", "failed", "failed"]
    assert frame["_error"].iloc[1:].str.contains("no").all()


def test_an_answer_that_did_not_fit_is_paid_for_and_not_asked_for_again(counting: Counting, path: Path) -> None:
    replies = {
        "wrong": completion('{"name": 3}'),
        "cut": completion('{"name": "U', reason="length"),
        "never": completion(None, refusal="No."),
    }
    counting.reply = lambda text: replies.get(text) or named(text)
    first, second = (counting.extract(["fine", *replies], store=path) for _ in range(2))
    assert first["_status"].tolist() == ["ok", "invalid", "truncated", "refused"]
    assert second["_status"].tolist() == ["cached", "invalid", "truncated", "refused"]
    assert second["_error"].tolist() == first["_error"].tolist()
    assert second["_prompt_tokens"].tolist() == [0] * 4
    assert counting.calls == 4


def test_a_request_that_failed_is_made_again(counting: Counting, path: Path) -> None:
    counting.reply = lambda _: error(500, "down")
    counting.extract(["a"], store=path)
    counting.reply = named
    assert counting.extract(["a"], store=path)["_status"].tolist() == ["ok"]
    assert read(path, "SELECT state FROM rows") == [("ok",)]


@pytest.mark.filterwarnings("ignore:.*waits? in memory:msgflux_nb.errors.StoreWarning")  # a busy disk may be late
def test_two_batches_at_once_share_a_file(counting: Counting, path: Path) -> None:
    frames: list[pd.DataFrame] = []
    texts = [f"row {number}" for number in range(30)]
    threads = [
        threading.Thread(target=lambda: frames.append(counting.extract(texts, store=path)), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [frame["name"].tolist() for frame in frames] == [texts] * 3
    end = time.monotonic() + 30
    while read(path, "SELECT count(*) FROM rows") != [(30,)]:
        assert time.monotonic() < end
        time.sleep(0.01)


# As bytes


def test_the_requests_and_the_raw_answers_are_kept_and_no_key(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    ((request, answer, text, tokens),) = read(path, "SELECT request, answer, text, prompt_tokens FROM rows")
    assert json.loads(request) == counting.server.bodies[0]
    assert answer == named("a").pieces[0]
    assert (json.loads(text), tokens) == ({"name": "a", "age": 1}, 4)
    assert counting.server.headers[0]["Authorization"] == f"Bearer {KEY}"
    for left in path.parent.iterdir():
        assert b"CANARY" not in left.read_bytes()


# Another schema


class OnlyName(msgspec.Struct):
    name: str


class Optional(msgspec.Struct):
    name: str | None
    age: int


class Adult(msgspec.Struct):
    name: str
    age: Annotated[int, msgspec.Meta(ge=3)] | None = None


class WithCity(msgspec.Struct):
    name: str
    age: int | None = None
    city: str = ""


class AgeInWords(msgspec.Struct):
    name: str
    age: str | None = None


class Nicknamed(msgspec.Struct):
    name: Literal["a", "bb", "cccc"]
    age: int | None = None


@pytest.mark.parametrize(
    ("schema", "asked"),
    [
        (OnlyName, []),
        (Optional, []),
        (Adult, ["a", "bb"]),
        (WithCity, ["a", "bb", "cccc"]),
        (AgeInWords, ["a", "bb", "cccc"]),
        (Nicknamed, ["a", "bb", "cccc"]),
    ],
    ids=lambda given: getattr(given, "__name__", None),
)
def test_a_changed_schema_reads_what_it_can_and_asks_only_for_what_is_new(
    counting: Counting, path: Path, schema: Any, asked: list[str]
) -> None:
    counting.extract(["a", "bb", "cccc"], store=path)
    counting.reply = lambda text: named(text, age="9" if schema is AgeInWords else 9, city="Ur")
    for _ in range(2):
        frame = counting.extract(["a", "bb", "cccc"], schema, store=path, max_concurrency=1)
        assert frame["name"].tolist() == ["a", "bb", "cccc"]
        assert counting.texts[3:] == asked
    assert set(frame["_status"]) == {"cached"}


def test_an_answer_decoded_to_another_schema_keeps_its_original_request(counting: Counting, path: Path) -> None:
    counting.extract(["a"], store=path)
    counting.extract(["a"], OnlyName, store=path)
    requests = [json.loads(request) for (request,) in read(path, "SELECT request FROM rows")]
    assert requests == [counting.server.bodies[0]] * 2
    counting.extract(["a"], Person, store=path)
    assert counting.calls == 1


def checked(least: int) -> Any:
    """Return a class that checks itself; its checks are not part of the request."""

    def check(self: Any) -> None:
        if self.age < least:
            raise ValueError(f"too young for {least}")

    return msgspec.defstruct("Aged", [("age", int)], namespace={"__post_init__": check})


def test_a_check_in_the_schemas_own_code_is_repeated(counting: Counting, path: Path) -> None:
    counting.reply = lambda _: completion('{"age": 3}')
    for least, state, calls in [(5, "invalid", 1), (0, "cached", 1), (5, "invalid", 1)]:
        assert counting.extract(["a"], checked(least), store=path)["_status"].tolist() == [state]
        assert counting.calls == calls


def test_an_answer_that_fails_a_new_check_is_asked_for_once_more(counting: Counting, path: Path) -> None:
    counting.reply = lambda _: completion('{"age": 3}')
    for least, state, calls in [(0, "ok", 1), (5, "invalid", 2), (5, "invalid", 2), (0, "cached", 2)]:
        assert counting.extract(["a"], checked(least), store=path)["_status"].tolist() == [state]
        assert counting.calls == calls


# When it cannot be used


def test_a_file_that_cannot_be_used_is_reported_before_anything_is_sent(counting: Counting, path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 40)
    with pytest.raises(mf.StoreError, match="cannot be used"):
        counting.extract(["a"], store=path)
    assert counting.calls == 0


# Several stores


def record(key: int, state: str, text: str = "{}") -> Record:
    name = bytes([key]) * 32
    return Record(key=name, question=name, state=state, text=text, request=b"{}", answer=text.encode())


# What each of two stores has of a request, and what one has that takes over the other.
MERGED = [
    (None, "ok", ("ok", "other")),
    ("ok", None, ("ok", "mine")),
    ("ok", "ok", ("ok", "mine")),
    ("ok", "invalid", ("ok", "mine")),
    ("invalid", "ok", ("ok", "other")),
    ("invalid", "invalid", ("invalid", "mine")),
    ("invalid", "failed", ("invalid", "mine")),
    ("failed", "invalid", ("invalid", "other")),
    ("failed", "failed", ("failed", "mine")),
]


def test_merging_takes_over_what_is_not_there_or_is_better(tmp_path: Path) -> None:
    ours, theirs = (BatchRecords(Store(tmp_path / name)) for name in ("a.sqlite", "b.sqlite"))
    for key, states in enumerate(MERGED):
        for records, state, text in ((ours, states[0], "mine"), (theirs, states[1], "other")):
            if state is not None:
                records.put(record(key, state, text))
    for _ in range(2):
        ours.merge(theirs)
        kept = [ours.get(bytes([key]) * 32) for key in range(len(MERGED))]
        assert [one and (one.state, one.text) for one in kept] == [merged for *_, merged in MERGED]
    assert len(theirs) == sum(other is not None for _, other, _ in MERGED)


def test_merged_answers_are_found(counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, texts in (("a.sqlite", ["a", "b"]), ("b.sqlite", ["b", "c"])):
        counting.extract(texts, store=tmp_path / name)
    restart_kernel(monkeypatch)
    BatchRecords(open_store(tmp_path / "a.sqlite")).merge(BatchRecords(open_store(tmp_path / "b.sqlite")))
    counting.extract(["a", "b", "c"], store=tmp_path / "a.sqlite")
    assert counting.calls == 4
