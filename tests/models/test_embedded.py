"""Behaviour that only the embedded model has; ``test_contract.py`` tests what all models have in common."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.generation.plan import ChainOfThoughts
from tests.thorough import few

pytestmark = pytest.mark.local

BIOGRAPHIES = json.loads((Path(__file__).parent.parent / "data" / "biographies.json").read_text(encoding="utf-8"))


class Person(msgspec.Struct):
    name: str
    age: int
    city: str


@pytest.fixture(scope="module")
def model() -> mf.ChatCompletion:
    return mf.Model.chat_completion(temperature=0, max_tokens=120)


def answer(model: mf.ChatCompletion, *args: Any, driver: str, **keywords: Any) -> Any:
    """Return the finished response of a call that is made in one of four ways."""

    async def main() -> Any:
        response = await model.acall(*args, stream=driver == "async stream", **keywords)
        if driver == "async stream":
            await response.consume()
        return response

    if driver.startswith("async"):
        return asyncio.run(main())
    response = model(*args, stream=driver == "stream", **keywords)
    response.consume()
    return response


DRIVERS = pytest.mark.parametrize("driver", ["whole", "stream", "async", "async stream"])


@DRIVERS
@pytest.mark.parametrize("prefill", few(["Sure! 1. Red\n", "Let's think step by step", "  The answer: "], 1))
def test_a_prefill_is_continued_and_stands_there_once(model: mf.ChatCompletion, driver: str, prefill: str) -> None:
    response = answer(model, "Name three colours.", prefilling=prefill, driver=driver)
    assert response.text == prefill + response.continuation
    assert response.continuation
    assert prefill.strip() not in response.continuation


@DRIVERS
@pytest.mark.parametrize("prefill", ['{"name": "M', ' {\n "name": "Maria'])
def test_a_prefill_with_a_structure_decodes(model: mf.ChatCompletion, driver: str, prefill: str) -> None:
    response = answer(
        model, "Maria Silva, 34, lives in Lisbon.", generation_schema=Person, prefilling=prefill, driver=driver
    )
    assert response.decoded().name.startswith("M")
    assert response.text.startswith(prefill.lstrip())


def test_a_plan_with_a_typed_answer_is_an_instance(model: mf.ChatCompletion) -> None:
    roomy = mf.Model.chat_completion(temperature=0, max_tokens=600)
    plan = roomy("What is 2 + 3?", generation_schema=ChainOfThoughts[int]).consume()
    assert isinstance(plan.final_answer, int)
    assert plan.steps


def test_an_image_is_refused_before_it_is_sent(model: mf.ChatCompletion) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    with pytest.raises(mf.MediaError, match="vision models"):
        model([{"role": "user", "content": [part]}])


def test_a_stream_that_is_cancelled_ends_at_once_and_frees_the_server() -> None:
    model = mf.Model.chat_completion(temperature=0, max_tokens=2000)
    stream = model("Tell me a very long story about the sea.", stream=True)
    pieces = []
    for piece in stream:
        pieces.append(piece)
        if len(pieces) == 3:
            threading.Timer(0.1, stream.cancel).start()
    assert stream.snapshot.text == "".join(pieces)
    began = time.monotonic()
    mf.Model.chat_completion(temperature=0, max_tokens=1)("Hi")
    assert time.monotonic() - began < 10


def test_biographies_are_extracted_right_in_at_least_eight_of_ten(model: mf.ChatCompletion) -> None:
    """The sentences were committed before any model read them; a wrong answer stays wrong.

    Rows run one at a time, since two at once are computed in one batch, whose rounding differs between runs.
    """
    texts = [row["text"] for row in BIOGRAPHIES]
    table = mf.extract(texts, Person, model=model, max_concurrency=1, progress=False)
    right = [
        (name, age, city) == (row["name"], row["age"], row["city"])
        for row, name, age, city in zip(BIOGRAPHIES, table["name"], table["age"], table["city"], strict=True)
    ]
    print(table[["name", "age", "city", "_status"]].assign(right=right).to_string())
    assert sum(right) >= 8
