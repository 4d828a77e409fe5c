"""Asks for several samples by one request (``n``), if the provider supports it and bills the prompt once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import MsgfluxError, RefusedError, TruncatedError, described
from ..generation.decode import decode_answer
from ..models.answer import ModelResponse
from ..models.chat import ChatCompletion
from .drive import JobResult

__all__ = ["MOST_AT_ONCE", "choices_of", "offers_several", "with_choices"]

MOST_AT_ONCE = 16


def offers_several(model: Any) -> bool:
    """Whether a model can return several answers to one request."""
    if not isinstance(model, ChatCompletion) or not model.profile.several_choices:
        return False
    return model.wire == "chat" and "n" not in {**model.options, **(model.extra_body or {})}


def with_choices(model: ChatCompletion, count: int) -> ChatCompletion:
    """Return a model that gives ``count`` answers to each request; none is sent back for a correction."""
    made = copy.copy(model)
    made.options = {**model.options, "n": count}
    made.profile = msgspec.structs.replace(model.profile, reasks=0)
    return made


def choices_of(response: ModelResponse) -> list[JobResult]:
    """Return the value of each answer in a response, or why it cannot be read; for tool arguments only the first."""
    request = response.request
    if request.schema is None or request.schema_method == "tool":
        return [_read(response.consume, str)]

    def read(choice: Any) -> Any:
        if choice.refusal:
            raise RefusedError(f"the model declined: {choice.refusal}")
        if choice.finish_reason == "length":
            raise TruncatedError("the answer was cut at the token limit")
        assert request.schema is not None
        return decode_answer(choice.text, request.schema).value

    return [_read(lambda choice=choice: read(choice), response.without_keys) for choice in response.choices]


def _read(work: Any, scrub: Callable[[str], str]) -> JobResult:
    try:
        return JobResult(work())
    except MsgfluxError as error:
        error.args = (scrub(str(error)),)
        return JobResult(None, described(error), error)
