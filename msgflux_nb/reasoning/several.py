"""Several samples by one request (``n``), if the provider has that and bills its prompt once."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from ..errors import MsgfluxError, RefusedError, TruncatedError, described
from ..generation.decode import decode_answer
from ..models.answer import ModelResponse
from ..models.chat import ChatCompletion
from .drive import Done

__all__ = ["MOST_AT_ONCE", "choices_of", "offers_several", "with_choices"]

MOST_AT_ONCE = 16


def offers_several(model: Any) -> bool:
    """Whether several answers of a model can come by one request."""
    if not isinstance(model, ChatCompletion) or not model.profile.several_choices:
        return False
    return model.wire == "chat" and "n" not in {**model.options, **(model.extra_body or {})}


def with_choices(model: ChatCompletion, count: int) -> ChatCompletion:
    """Return a model that gives so many answers to each request; none of them is sent back for a correction."""
    made = copy.copy(model)
    made.options = {**model.options, "n": count}
    made.profile = msgspec.structs.replace(model.profile, reasks=0)
    return made


def choices_of(response: ModelResponse) -> list[Done]:
    """Return what each answer of a response means, or why it cannot be read; of a call's arguments, the first alone."""
    request = response.request
    if request.schema is None or request.schema_method == "tool":
        return [_read(response.consume)]

    def read(choice: Any) -> Any:
        if choice.refusal:
            raise RefusedError(f"the model declined: {choice.refusal}")
        if choice.finish_reason == "length":
            raise TruncatedError("the answer was cut at the token limit")
        assert request.schema is not None
        return decode_answer(choice.text, request.schema).value

    return [_read(lambda choice=choice: read(choice)) for choice in response.choices]


def _read(work: Any) -> Done:
    try:
        return Done(work())
    except MsgfluxError as error:
        return Done(None, described(error), error)
