"""Tests that a cut prompt is recognised by its count of tokens, but not if the prompt may have so few tokens."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models.profiles import PROFILES
from msgflux_nb.protocol.cut_prompt import cut_prompt
from msgflux_nb.protocol.usage import Usage
from tests.scripted import Reply, serving

PROSE = "The quick brown fox jumps over the lazy dog, and it isn't tired of it yet. "
PICTURE = "data:image/png;base64," + base64.b64encode(b"abc" * 90_000).decode()


class Number(msgspec.Struct):
    n: int


def cut(content: Any, counted: int | None, **usage: Any) -> str | None:
    body = json.dumps({"messages": [{"role": "user", "content": content}]}, ensure_ascii=False).encode()
    return cut_prompt(body, Usage(prompt_tokens=counted, **usage), PROFILES["ollama"])


@pytest.mark.parametrize(
    ("content", "counted"),
    [
        ("word " * 30_000, 4_091),
        (PROSE * 1_000, 4_096),
        (PROSE * 500, 2_048),
        ("Это довольно длинный текст о погоде в городе. " * 1_500, 4_096),
        ([{"type": "text", "text": "word " * 30_000}], 4_091),
    ],
)
def test_far_fewer_tokens_than_words_mean_a_truncated_prompt(content: Any, counted: int) -> None:
    said = cut(content, counted)
    assert said is not None
    assert f"{counted:,} tokens" in said
    assert "num_ctx" in said


@pytest.mark.parametrize(
    ("content", "counted"),
    [
        (PROSE * 1_000, 17_000),
        (PROSE * 1_000, 15_000),
        ("word " * 30_000, 30_010),
        ("天气很好，我们去公园散步。" * 4_000, 9_000),
        ("นี่คือข้อความภาษาไทยที่ไม่มีช่องว่าง" * 2_000, 9_000),
        ("यह एक लंबा वाक्य है। " * 4_000, 12_000),
        ("a" * 200_000, 13_000),
        ("=" * 200_000, 800),
        (" " * 200_000, 700),
        ("\n" * 100_000, 600),
        ("0" * 90_000, 900),
        ("Short.", 1),
        ("word " * 30_000, 40),
        ("word " * 30_000, 0),
        ("word " * 30_000, None),
        (
            [
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64," + base64.b64encode(b"abc" * 90_000).decode()},
                }
            ],
            800,
        ),
    ],
)
def test_a_text_of_possibly_few_tokens_does_not_count_as_truncated(content: Any, counted: int | None) -> None:
    assert cut(content, counted) is None


def test_cached_tokens_that_are_counted_separately_do_not_mean_a_truncated_prompt() -> None:
    assert cut("word " * 30_000, 600, cached=29_500) is None
    assert cut("word " * 30_000, 600, cache_write=29_500) is None


def answer(counted: int, **fields: Any) -> Reply:
    choice = {"index": 0, "message": {"content": '{"n": 1}'}, "finish_reason": "stop"}
    usage = {"prompt_tokens": counted, "completion_tokens": 5, "total_tokens": counted + 5}
    body = {"model": "m", "choices": [choice], "usage": usage, **fields}
    return Reply([json.dumps(body).encode()], headers={"Content-Type": "application/json"})


def seconds_row(texts: list[str], model: Any) -> Any:
    with pytest.warns(RuntimeWarning, match="1 row: the prompt was cut"):
        return mf.extract(texts, Number, model=model, progress=False)


def test_a_truncated_prompt_is_reported_in_answers_and_in_tables() -> None:
    texts = ["word " * 30_000, "word"]
    with serving(answer(4_091)) as server:
        model = mf.Model.chat_completion("ollama/llama3.2", base_url=server.url)
        with pytest.warns(RuntimeWarning, match="the prompt was cut"):
            response = model(texts[0], generation_schema=Number)
        (said,) = response.metadata.warnings
        assert "the prompt was cut" in said
        assert model(texts[1], generation_schema=Number).metadata.warnings == ()
        for state in ("ok", "cached"):
            table = seconds_row(texts, model)
            assert table["_warnings"][0].partition("30,")[0] == said.partition("30,")[0]
            assert table["_warnings"].isna()[1]
            assert list(table["_status"]) == [state, state]
            assert table.attrs["report"]["warnings"] == 1


def test_a_server_that_reports_a_truncated_prompt_is_believed() -> None:
    with serving(answer(7, truncated=True)) as server:
        model = mf.Model.chat_completion("llamacpp/m", base_url=server.url)
        with pytest.warns(RuntimeWarning, match="--ctx-size"):
            (said,) = model("Hi").metadata.warnings
        with pytest.warns(RuntimeWarning, match="1 row"):
            table = mf.extract(["a"], Number, model=model, progress=False, store=False)
        assert table["_warnings"][0] == said
