"""What a notebook shows for an answer."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec

import msgflux_nb as mf
from tests.scripted import completion, serving, stream


class Person(msgspec.Struct):
    name: str
    age: int


def shown(answer: Any) -> str:
    return answer._repr_mimebundle_()["text/html"]


def model_at(url: str) -> mf.ChatCompletion:
    return mf.Model.chat_completion("scripted", base_url=url, profile={"prefill": "continue"})


def test_a_text_is_shown_with_its_prefill_marked_and_its_numbers() -> None:
    with serving(completion(" world")) as server:
        answer = model_at(server.url)("Hi", prefilling="Hello")
    assert re.search(r"<mark[^>]*>Hello</mark> world", shown(answer))
    assert "4 + 3 tokens · – cost" in shown(answer)
    assert answer._repr_mimebundle_()["text/plain"] == "ModelResponse(text, stop, 7 tokens)"


def test_a_structure_is_shown_as_a_table() -> None:
    with serving(completion('{"name": "Ada", "age": 36}')) as server:
        answer = model_at(server.url)("Hi", generation_schema=Person)
    assert re.findall(r"<td[^>]*>(?:<code>)?(.*?)(?:</code>)?</td>", shown(answer)) == [
        *("name", "Ada", "str"),
        *("age", "36", "int"),
    ]


def test_a_structure_that_does_not_fit_is_shown_as_text_with_the_reason() -> None:
    with serving(completion('{"name": "Ada"}')) as server:
        answer = model_at(server.url)("Hi", generation_schema=Person)
    assert "{&quot;name&quot;: &quot;Ada&quot;}" in shown(answer)
    assert "<b>ValidationFailedError</b>" in shown(answer)


def test_what_a_model_writes_is_text_and_never_markup() -> None:
    hostile = "<img src=x onerror=alert(1)></pre><script>1</script>"
    with serving(completion(hostile, reasoning_content=hostile, refusal=None)) as server:
        answer = model_at(server.url)("Hi")
    assert "<img" not in shown(answer)
    assert "<script" not in shown(answer)
    assert shown(answer).count("&lt;img src=x onerror=alert(1)&gt;") == 2


def test_showing_an_arriving_answer_does_not_advance_it() -> None:
    with serving(stream("one ", "two")) as server:
        answer = model_at(server.url)("Hi", stream=True)
        shown(answer)
        assert server.bodies == []
        assert list(answer) == ["one ", "two"]
        assert "one two" in shown(answer)


def test_an_async_answer_is_shown_too() -> None:
    async def main(url: str) -> str:
        answer = await model_at(url).acall("Hi", stream=True)
        await answer.consume()
        return shown(answer)

    with serving(stream("one")) as server:
        assert ">one</pre>" in asyncio.run(main(server.url))
