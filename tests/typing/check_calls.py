"""Models, responses and tables as a type checker sees them. Checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import msgspec
import pandas as pd

import msgflux_nb as mf
from msgflux_nb.models.answer import ModelResponse
from msgflux_nb.models.async_stream import AsyncStreamResponse
from msgflux_nb.models.stream import StreamResponse


class City(msgspec.Struct):
    name: str


def a_call_gives_a_response_and_with_stream_a_stream(model: mf.ChatCompletion, streamed: bool) -> None:
    assert_type(model("Hi"), ModelResponse)
    assert_type(model("Hi", stream=False, prefilling="Sure"), ModelResponse)
    assert_type(model([mf.ChatBlock.user("Hi")], stream=True), StreamResponse)
    assert_type(model("Hi", stream=streamed), ModelResponse | StreamResponse)


async def the_async_call_mirrors_it(model: mf.ChatCompletion) -> None:
    assert_type(await model.acall("Hi", generation_schema=City), ModelResponse)
    stream = await model.acall("Hi", stream=True)
    assert_type(stream, AsyncStreamResponse)
    async for text in stream:
        assert_type(text, str)


def deltas_are_texts_and_rows_are_frames(model: mf.ChatCompletion) -> None:
    for text in model("Hi", stream=True):
        assert_type(text, str)
    assert_type(model("Hi").to_frame(), pd.DataFrame)
    assert_type(mf.extract(["Ghent"], City, model=model), pd.DataFrame)
    assert_type(mf.to_frame([City("Ghent")]), pd.DataFrame)


def the_front_door_is_typed(model: mf.ChatCompletion) -> None:
    assert_type(mf.Model.chat_completion(temperature=0), mf.ChatCompletion)
    mf.Model.chat_completion(temprature=0)  # type: ignore[arg-type]  # a misspelled option
    model("Hi", sistem_prompt="x")  # type: ignore[call-overload]  # a misspelled keyword


def errors_carry_their_evidence(error: mf.ContextLengthError) -> None:
    assert_type(error.context_tokens, int | None)
    assert_type(error.attempts, int)
