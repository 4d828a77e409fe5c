"""Aligns the tokens of a kept answer, with their probabilities, with the text of its structure."""

from __future__ import annotations

import itertools
import math
from typing import Any

import msgspec

from ...errors import MsgfluxError
from ...protocol.accumulate import Accumulator
from ...protocol.events import TokenLogprob
from ...protocol.profile import Wire
from ...protocol.wire import reader_of

__all__ = ["TokenText", "has_probabilities", "token_text"]


class TokenText:
    """A text and its tokens.

    Args:
        tokens: the tokens.
        start: the byte of the tokens at which the text begins.
    """

    def __init__(self, tokens: list[TokenLogprob], start: int) -> None:
        self._tokens = tokens
        ends = list(itertools.accumulate(len(_bytes(token)) for token in tokens))
        self._spans = [(end - len(_bytes(token)) - start, end - start) for token, end in zip(tokens, ends, strict=True)]
        self._first = 0

    def within(self, start: int, end: int) -> list[tuple[int, TokenLogprob]]:
        """Return the tokens that overlap a range of bytes, each with its first byte.

        Calls must ask for ranges in ascending order.
        """
        while self._first < len(self._spans) and self._spans[self._first][1] <= start:
            self._first += 1
        found, place = [], self._first
        while place < len(self._spans) and self._spans[place][0] < end:
            found.append((self._spans[place][0], self._tokens[place]))
            place += 1
        return found


def token_text(answer: bytes, text: str) -> TokenText | None:
    """Return the tokens of an answer from the beginning of a text in it; None without tokens, or without the text."""
    tokens = _tokens(answer)
    start = b"".join(map(_bytes, tokens)).rfind(text.encode("utf-8", "replace")) if tokens else -1
    return None if start < 0 else TokenText(tokens, start)


def has_probabilities(answer: bytes) -> bool:
    """Return whether an answer has tokens with probabilities."""
    return bool(_tokens(answer))


def _tokens(answer: bytes) -> list[TokenLogprob]:
    wire = _wire_of(answer)
    if wire is None:
        return []
    read = Accumulator(needs_end=False, reader=reader_of(wire))
    try:
        read.feed(answer)
        read.close()
    except MsgfluxError:
        return []
    return [token for token in read.snapshot.logprobs if not token.refusal and math.isfinite(token.logprob)]


def _wire_of(answer: bytes) -> Wire | None:
    """Return the wire of an answer; None if it holds no probabilities."""
    if b'"logprob"' not in answer and b'"token_logprobs"' not in answer:
        return None
    try:
        fields: Any = msgspec.json.decode(answer)
    except (ValueError, RecursionError):
        return "responses" if b"response." in answer[:2000] else "chat"
    return "responses" if isinstance(fields, dict) and "output" in fields else "chat"


def _bytes(token: TokenLogprob) -> bytes:
    return token.token.encode("utf-8", "replace") if token.bytes is None else bytes(token.bytes)
