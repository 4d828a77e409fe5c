"""``extract`` with the real model class, over real HTTP: only the server's answers are scripted."""

from __future__ import annotations

import datetime
import enum
import gc
import json
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
import pandas as pd
import pytest

import msgflux_nb as mf
from msgflux_nb.models.exchange import Exchange
from tests.scripted import Reply, completion, error, serving
from tests.tables.scripted_model import bare


class Kind(enum.Enum):
    RIVER = "river"
    CITY = "city"


class Place(msgspec.Struct):
    name: str
    kind: Kind
    size: Literal["small", "large"] | None
    people: Annotated[int, msgspec.Meta(ge=0)] | None
    founded: datetime.date | None
    capital: bool


CALL = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
UR = Place("Ur", Kind.CITY, "large", 65_000, datetime.date(1, 2, 3), True)
UR_TEXT = msgspec.json.encode(UR).decode()


def answer(text: str) -> Reply:
    """Return an answer that repeats the row's text as the name."""
    return completion(msgspec.json.encode(msgspec.structs.replace(UR, name=text)).decode())


def run(reply: Callable[[str], Reply], data: Any, **options: Any) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Extract from ``data``, with a server that chooses its reply by the last message's text."""
    with serving(completion()) as server:

        def next_reply(body: dict[str, Any], headers: dict[str, str]) -> Reply:
            server.bodies.append(body)
            return reply(bare(body["messages"][-1]["content"]))

        server.next_reply = next_reply  # type: ignore[method-assign]  # replies by content and not by order
        model = mf.Model.chat_completion("scripted", base_url=server.url, max_retries=0, profile={"reasks": 0})
        return mf.extract(data, Place, model=model, progress=False, **options), server.bodies


def test_the_answers_become_typed_rows() -> None:
    frame, _ = run(answer, ["Ur", "Uruk"])
    assert frame["name"].tolist() == ["Ur", "Uruk"]
    assert frame.dtypes.iloc[:6].astype(str).tolist() == [
        *("string", "category", "category", "Int64", "datetime64[us]", "boolean")
    ]
    assert frame["kind"].tolist() == ["city", "city"]
    assert frame["people"].tolist() == [65_000] * 2
    assert frame[["_prompt_tokens", "_completion_tokens", "_attempts"]].iloc[0].tolist() == [4, 3, 1]
    assert (frame["_seconds"] > 0).all()
    assert frame["_cost"].isna().all()


def test_the_instruction_and_the_row_are_sent_as_two_messages() -> None:
    _, bodies = run(answer, ["Ignore that."])
    assert [message["role"] for message in bodies[0]["messages"]] == ["system", "user"]
    assert bare(bodies[0]["messages"][1]["content"]) == "Ignore that."
    assert "response_format" in bodies[0]


def test_one_bad_request_in_the_middle_is_one_failed_row() -> None:
    texts = [f"place {number}" for number in range(30)]
    frame, bodies = run(lambda text: error(400, "no such place") if text == "place 13" else answer(text), texts)
    assert frame["_status"].tolist() == ["ok"] * 13 + ["failed"] + ["ok"] * 16
    assert frame["name"].drop(13).tolist() == [text for text in texts if text != "place 13"]
    assert frame["name"].isna().sum() == 1
    assert "no such place" in frame["_error"][13]
    assert len(bodies) == 30


@pytest.mark.parametrize(
    ("reply", "state", "tokens"),
    [
        (completion('{"name": 3}'), "invalid", 4),
        (completion("prose"), "invalid", 4),
        (completion(None, tool_calls=[CALL], reason="tool_calls"), "invalid", 4),
        (completion('{"name": "U', reason="length"), "truncated", 4),
        (completion(None, refusal="No."), "refused", 4),
        (completion(None, reason="content_filter"), "refused", 4),
        (completion(""), "failed", 4),
        (error(500, "died"), "failed", None),
        (Reply([b"<html>"], headers={"Content-Type": "text/html"}), "failed", None),
    ],
    ids=["wrong type", "prose", "call", "cut", "refused", "filtered", "empty", "500", "html"],
)
def test_what_goes_wrong_is_the_state_of_its_row(reply: Reply, state: str, tokens: int | None) -> None:
    frame, _ = run(lambda text: reply if text == "b" else answer(text), ["a", "b", "c"])
    assert frame["_status"].tolist() == ["ok", state, "ok"]
    assert frame["_prompt_tokens"].tolist() == [4, pd.NA if tokens is None else tokens, 4]
    assert frame["_attempts"].tolist() == [1, 1, 1]
    assert frame["_error"][1]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_or_a_model_that_no_row_can_use_stops_the_batch(status: int) -> None:
    frame, bodies = run(lambda _: error(status), [str(n) for n in range(40)], max_concurrency=2)
    assert set(frame["_status"]) == {"failed", "pending"}
    assert (frame["_status"] == "failed").sum() == len(bodies) <= 2


@pytest.mark.parametrize("status", [429, 503])
def test_a_byte_that_is_no_utf_8_in_a_header_costs_no_row(status: int) -> None:
    refused: list[str] = []

    def reply(text: str) -> Reply:
        if text == "b" and not refused:
            refused.append(text)
            found = error(status)
            found.headers["x-note"] = "caf\xe9"
            return found
        return answer(text)

    frame, _ = run(reply, list("abc"), store=False)
    assert list(frame["_status"]) == ["ok", "ok", "ok"]
    assert refused


def exchanges() -> int:
    return sum(isinstance(one, Exchange) for one in gc.get_objects())


@pytest.mark.parametrize("reasks", [0, 2])
def test_a_row_that_does_not_fit_leaves_its_answer_nowhere(reasks: int) -> None:
    gc.collect()
    gc.disable()
    try:
        before = exchanges()
        with serving(*[completion("no JSON")] * 6) as server:
            model = mf.Model.chat_completion("m", base_url=server.url, max_retries=0, profile={"reasks": reasks})
            frame = mf.extract(["a"], Place, model=model, progress=False, store=False)
            assert frame["_status"].tolist() == ["invalid"]
            assert len(server.bodies) == 1 + reasks
        assert exchanges() == before
    finally:
        gc.enable()


def test_a_row_that_is_put_aside_is_asked_again_by_resume() -> None:
    refuses = [True]

    def reply(text: str) -> Reply:
        return error(429, retry_after="86400") if text == "b" and refuses[0] else answer(text)

    with serving(completion()) as server:
        server.next_reply = lambda body, _: reply(bare(body["messages"][-1]["content"]))  # type: ignore[method-assign]  # by content
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        first = mf.extract(list("abc"), Place, model=model, progress=False, on_error="raise")
        assert list(first["_status"]) == ["ok", "pending", "ok"]
        assert "asks to wait 24 hours; mf.resume asks it again" in first["_error"].iloc[1]
        assert first.attrs["report"]["stopped"] is None
        refuses[0] = False
        assert list(mf.resume(first.attrs["report"]["run"], progress=False)["_status"]) == ["ok", "ok", "ok"]


def test_a_grid_does_not_lift_the_limit_of_a_batch_that_runs() -> None:
    with serving(completion(UR_TEXT)) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        given: dict[str, Any] = {"store": False, "progress": False}
        limited = given | {"model": model, "rpm": 240}
        began = time.monotonic()
        batch = threading.Thread(target=mf.extract, args=([*"abcdefgh"], Place), kwargs=limited)
        batch.start()
        time.sleep(0.3)
        mf.grid({"a": "Say {text}"}, ["x"], models={"m": model}, **given)
        batch.join()
        assert time.monotonic() - began > 1.7


def test_a_surrogate_costs_its_own_row_only() -> None:
    frame, bodies = run(answer, ["a", "\ud800", "b"])
    assert frame["_status"].tolist() == ["ok", "failed", "ok"]
    assert len(bodies) == 2


def test_a_key_that_a_server_repeats_is_not_in_the_frame() -> None:
    with serving(error(401, "Incorrect key: sk-CANARY-0123456789abcdef")) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url, api_key="sk-CANARY-0123456789abcdef")
        frame = mf.extract(["a"], Place, model=model, progress=False)
    assert frame["_status"].tolist() == ["failed"]
    assert "CANARY" not in frame.to_csv() + json.dumps(frame.attrs)


def test_a_batch_after_another_uses_the_same_loop_and_its_connections() -> None:
    with serving(answer("Ur")) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        frames = [mf.extract([f"a{n}", f"b{n}"], Place, model=model, progress=False) for n in range(3)]
    assert all(frame["_status"].tolist() == ["ok", "ok"] for frame in frames)


def test_a_quota_that_is_used_up_ends_the_batch_and_no_row() -> None:
    frame, bodies = run(lambda _: error(402), [str(n) for n in range(40)], max_concurrency=2)
    assert set(frame["_status"]) == {"pending"}
    assert len(bodies) <= 2
    assert "quota" in frame.attrs["report"]["stopped"]


@pytest.mark.parametrize("status", [200, 429])
def test_what_the_headers_leave_is_all_that_is_sent(status: int) -> None:
    came: list[float] = []

    def reply(text: str) -> Reply:
        came.append(time.monotonic())
        found = answer(text)
        if len(came) == 1:
            found = found if status == 200 else error(status)
            found.headers |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "600ms"}
        return found

    frame, _ = run(reply, ["a", "b", "c"], max_concurrency=1)
    assert frame["_status"].tolist() == ["ok"] * 3
    assert came[1] - came[0] > 0.5
    assert came[2] - came[1] < 0.5


@pytest.mark.parametrize(("max_cost", "rows", "sent"), [(2.5, 1, 2), (1.0, 3, 1), (4.0, 6, 4)])
def test_what_may_be_spent_holds_for_corrections_too(max_cost: float, rows: int, sent: int) -> None:
    """An answer costs a dollar and does not fit; what was paid for is kept."""
    body = json.loads(completion('{"name": 1}').pieces[0]) | {"usage": {"prompt_tokens": 4, "cost": 1.0}}
    misfit = Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})
    with serving(misfit) as server:
        model = mf.Model.chat_completion(
            "openrouter/scripted", base_url=server.url, api_key="none", profile={"reasks": 1 if rows > 1 else 5}
        )
        frame = mf.extract(
            [str(n) for n in range(rows)],
            msgspec.defstruct("Named", [("name", str)]),
            model=model,
            max_cost=max_cost,
            max_concurrency=1,
            progress=False,
            store=None,
        )
        assert len(server.bodies) == sent
    assert frame["_cost"].sum() == sent
    assert frame["_status"].iloc[0] == "invalid"
    assert "max_cost" in frame.attrs["report"]["stopped"]
