"""What one run asks, as values: messages out of what a person wrote, and what can be said of the answer."""

from __future__ import annotations

from typing import Any

import msgspec

from ..content.messages import ChatBlock, Message, Part
from ..errors import BadRequestError, MediaError
from ..protocol.request import build_request

__all__ = ["Question", "ask", "draft", "media_problem", "status"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What one run asked; later edits of the message do not touch it.

    Attributes:
        messages: what is sent, without the prefill.
        prefill: the start of the answer; empty for none.
        schema: the name of the structure asked for; empty for text.
        type: the structure itself, or None.
        prompt: the user's text.
        system_prompt: instructions, or empty.
        images: one line for each image.
    """

    messages: list[Message] = []
    prefill: str = ""
    schema: str = ""
    type: Any = None
    prompt: str = ""
    system_prompt: str = ""
    images: tuple[str, ...] = ()


def draft(prompt: str, parts: list[Part], system_prompt: str) -> list[Message]:
    """Build the messages: instructions if there are any, then the user's turn."""
    system = [ChatBlock.system(system_prompt)] if system_prompt.strip() else []
    return [*system, ChatBlock.user(prompt, media=parts)]


def ask(model: Any, question: Question) -> Any:
    """Call the model with ``stream=True``.

    Raises:
        BadRequestError: there is nothing to send.
        MsgfluxError: whatever the model raises.
    """
    if not question.prompt.strip() and not question.images:
        raise BadRequestError("the message is empty. Write a text or add an image. Nothing was sent.")
    return model(question.messages, prefilling=question.prefill or None, generation_schema=question.type, stream=True)


def media_problem(model: Any, parts: list[Part]) -> str:
    """Return what sending these parts would raise, or "": the request builder is asked, so that both say the same."""
    if not parts:
        return ""
    name = model.name.removeprefix(f"{model.profile.provider}/")
    try:
        build_request([ChatBlock.user("", media=parts)], model=name, profile=model.profile, options={})
    except MediaError as error:
        return str(error)
    return ""


def status(response: Any, *, times: bool = True) -> tuple[str, ...]:
    """Describe an answer in short words; unknown is a dash, never 0.

    Args:
        response: a response in any state, or None.
        times: with seconds; without them, the same answer is described in the same words.
    """
    if response is None:
        return ()
    metadata = response.metadata
    usage, cost = metadata.usage, metadata.cost
    sent, received = (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    words = ["– tokens" if usage is None else f"{_count(sent)} + {_count(received)} tokens"]
    words.append(_dollars(cost))
    if times:
        words += [f"first {_seconds(metadata.seconds_to_first_token)}", _seconds(metadata.seconds)]
    words.append(metadata.finish_reason or "–")
    words += filter(None, [metadata.schema_method, metadata.cached and "cached"])
    return tuple(words)


def _dollars(cost: float | None) -> str:
    if cost is None:
        return "– cost"
    return "<$0.0001" if 0 < cost < 0.0001 else f"${cost:,.4f}"


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _seconds(seconds: float | None) -> str:
    return "– s" if seconds is None else f"{seconds:,.2f} s"
