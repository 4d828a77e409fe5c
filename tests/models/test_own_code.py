"""A schema's own code that fails on an answer: the answer, its bill and the reason are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from tests.models.test_chat import Call, both
from tests.scripted import completion, serving, stream


def checked(error: BaseException) -> Any:
    def check(self: Any) -> None:
        raise error

    return msgspec.defstruct("Place", [("city", str)], namespace={"__post_init__": check})


class Panic(BaseException):
    """An exception like those of extensions in Rust."""


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("error", [KeyError("XX"), ZeroDivisionError("zero"), RecursionError("deep"), Panic("rust")])
def test_what_the_schemas_own_code_raises_is_the_cause_and_the_answer_is_kept(
    call: Call, error: BaseException, streamed: bool, tmp_path: Path
) -> None:
    text = '{"city": "Ur"}'
    with serving(stream('{"city":', ' "Ur"}') if streamed else completion(text)) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url, cache=tmp_path)
        for _ in range(2):
            with pytest.raises(mf.ValidationFailedError, match="the code of Place itself failed") as caught:
                call(model, "Hi", generation_schema=checked(error), stream=streamed)
            assert caught.value.__cause__ is error
            assert caught.value.own_code
            assert caught.value.raw == caught.value.snapshot.text == text
        assert len(server.bodies) == 1


def test_the_response_is_there_whatever_the_schemas_own_code_raises() -> None:
    with serving(completion('{"city": "Ur"}')) as server:
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        response = model("Hi", generation_schema=checked(KeyError("XX")))
        with pytest.raises(mf.ValidationFailedError):
            response.consume()
        assert response.text == '{"city": "Ur"}'
        assert response.metadata.usage.total_tokens == 7
        assert response.metadata.attempts == len(server.bodies) == 1


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_exception_that_ends_a_process_is_passed_on(call: Call, error: type[BaseException]) -> None:
    with serving(completion('{"city": "Ur"}')) as server, pytest.raises(error):
        call(mf.Model.chat_completion("scripted", base_url=server.url), "Hi", generation_schema=checked(error()))
