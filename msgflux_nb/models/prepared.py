"""One call of a batch: known by a key before anything is sent, tried when the batch says so, its bytes kept.

A batch decides itself when and how often a row is sent, since a limit of the provider is every row's business. What it
knows a row by has nothing secret in it, and nothing that is learnt on the way: the same row has the same key tomorrow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..protocol.allowance import Allowance
from ..protocol.request import ChatRequest
from .answer import ModelResponse
from .async_response import AsyncStreamResponse
from .call import Call

__all__ = ["Prepared"]


class Prepared:
    """A call that may be made.

    Args:
        call: makes the call anew for each attempt.
        connect: where requests go.
        request: the request as it is asked for first.
        place: where it goes, as part of the keys.
        question: what is asked but for its structure: messages, model and options.
        hide: returns a text without the caller's key.

    Attributes:
        key: of the whole request; the same request to the same place has the same.
        question: of the request but for its structure.
        request: the request's body.
        schema: what the answer is decoded to, or None for text.
        attempts: how many requests were sent so far, of all kinds.
        answer: the bytes of the last answer that came whole, or None.
    """

    __slots__ = ("_call", "_connect", "_hide", "_made", "answer", "attempts", "key", "question", "request", "schema")

    def __init__(
        self,
        call: Callable[[], Call],
        connect: Callable[[ChatRequest], Awaitable[Any]],
        *,
        request: ChatRequest,
        place: str,
        question: Any,
        hide: Callable[[str], str],
    ) -> None:
        self._call, self._connect, self._hide = call, connect, hide
        self._made: Call | None = None
        self.request = request.body
        self.schema = request.schema
        self.key = _hash(place, msgspec.json.decode(request.body))
        self.question = _hash(place, question)
        self.attempts = 0
        self.answer: bytes | None = None

    @property
    def allowance(self) -> Allowance | None:
        """What the provider said with its last answer, or refusal, may still be sent; None where it said nothing."""
        return None if self._made is None else self._made.exchange.allowance

    @property
    def text(self) -> str | None:
        """What the last answer says: the text of its structure, or None before there is one."""
        if self._made is None:
            return None
        return self._made.structure_text or self._made.snapshot.text

    async def ask(self) -> ModelResponse:
        """Send it once, and whatever else the answer takes (another way to ask for a structure, a correction).

        Raises:
            MsgfluxError: it failed; nothing is sent again by itself.
        """
        call = self._made = self._call()
        try:
            await AsyncStreamResponse(call, self._connect).finish()
        finally:
            self.attempts += call.attempts
            if call.exchange.state == "complete":
                self.answer = call.exchange.received
        return ModelResponse(call)

    def without_key(self, data: bytes) -> bytes:
        """Return what was sent or received without the caller's key, which a gateway wants in a body or repeats."""
        text = data.decode("utf-8", "surrogateescape")
        return self._hide(text).encode("utf-8", "surrogateescape")


def _hash(place: str, asked: Any) -> bytes:
    """The hash of what is asked where, whatever the order of its fields."""
    return hashlib.sha256(place.encode() + b"\n" + msgspec.json.encode(asked, order="deterministic")).digest()
