"""The request of a batch, written once with a gap for the text of a row.

Building a request takes most of the time that a row needs before it is sent, and rows usually differ in one text only.
The template is checked against a request that is built as usual.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..errors import MsgfluxError
from ..protocol.request import ChatRequest
from .batch_call import BatchCall, WrittenRequest
from .call import Call
from .endpoint import Endpoint
from .server_quirks import Known, ServerQuirks
from .whole_answers import WholeAnswers

__all__ = ["RequestTemplate"]

_PROBE = ' "a"\\\té\u2028\U0001f600\n</b> '


class RequestTemplate:
    """Makes calls that differ only in their messages.

    Args:
        build: builds the request of some messages; keywords change the form of the request.
        call: makes a call from messages, their request, and what was known when that was written.
        connect: returns the endpoint of a request.
        place: the endpoint as a part of keys.
        question: returns what a key without the schema is made from.
        hide: removes the caller's key from bytes.
        quirks: what is known of the server.
        is_changed: whether a text is changed before it is sent.
        quick: sends requests and returns whole answers; None with a cache or a recording.
    """

    def __init__(
        self,
        *,
        build: Callable[..., ChatRequest],
        call: Callable[[Any, ChatRequest, Known], Call],
        connect: Callable[[ChatRequest], Awaitable[Endpoint]],
        place: str,
        question: Callable[[Any], Any],
        hide: Callable[[bytes], bytes],
        quirks: ServerQuirks,
        is_changed: Callable[[str], bool],
        quick: WholeAnswers | None,
    ) -> None:
        self.quirks, self.connect, self.quick, self.hide, self.call = quirks, connect, quick, hide, call
        self._place, self._build, self._question, self._is_changed = place, build, question, is_changed
        self._gap = self._sent = self._written_around(Known())  # without, and with, what was learnt
        self._sent_by = Known()

    def prepare(self, messages: Any) -> BatchCall:
        """Prepare a call without making it.

        Raises:
            MsgfluxError: the request cannot be built.
        """
        gap = self._gap
        if gap is None or type(messages) is not str or not messages.strip() or self._is_changed(messages):
            return self._as_usual(messages)
        try:
            text = msgspec.json.encode(messages)[1:-1]
        except (UnicodeEncodeError, ValueError):
            return self._as_usual(messages)
        return BatchCall(self, messages, text, schema=gap.schema, key=gap.key(text))

    def _as_usual(self, messages: Any) -> BatchCall:
        request = self._build(messages)
        key = _hash(self._place, msgspec.json.decode(request.body))
        return BatchCall(self, messages, None, schema=request.schema, key=key)

    def written(self, messages: Any, text: bytes | None) -> WrittenRequest:
        """Write the request of some messages with what is known of the server now."""
        known = self.quirks.known
        if known is not self._sent_by:
            self._sent, self._sent_by = self._written_around(known), known
        gap = self._sent
        if text is not None and gap is not None:
            return WrittenRequest(gap.body(text), gap.wire, known, gap.request)
        request = self._build(messages, **known._asdict())
        return WrittenRequest(request.body, request.wire, known, lambda messages, body: request)

    def question(self, messages: Any, text: bytes | None) -> bytes:
        """Return the key of the request without its schema."""
        if text is None or self._gap is None:
            return _hash(self._place, self._question(messages))
        return self._gap.question(text)

    def _written_around(self, known: Known) -> _Gap | None:
        """Write the request around a gap; None if the text occurs twice in it, or is changed before it is sent."""
        mark = secrets.token_hex(16)
        try:
            request = self._build(mark, **known._asdict())
            question = msgspec.json.encode(self._question(mark), order="deterministic")
            gap = _Gap(request, question, mark, self._place)
            probe = msgspec.json.encode(_PROBE)[1:-1]
            same = self._build(_PROBE, **known._asdict()) == gap.request(_PROBE, gap.body(probe))
        except (MsgfluxError, ValueError, TypeError):
            return None
        return gap if same else None


class _Gap:
    """A request, and the data of its keys, without one text."""

    def __init__(self, request: ChatRequest, question: bytes, mark: str, place: str) -> None:
        self.schema, self.wire = request.schema, request.wire
        self._mark, self._request = mark, request
        canonical = msgspec.json.encode(msgspec.json.decode(request.body), order="deterministic")
        self._head, self._tail = request.body.split(mark.encode())
        head, self._key_tail = canonical.split(mark.encode())
        self._key = hashlib.sha256(place.encode() + b"\n" + head)
        head, self._question_tail = question.split(mark.encode())
        self._question = hashlib.sha256(place.encode() + b"\n" + head)

    def body(self, text: bytes) -> bytes:
        """Return the body with a text, given as a JSON string without its quotes."""
        return self._head + text + self._tail

    def request(self, messages: str, body: bytes) -> ChatRequest:
        """Return the request with a text and the body that holds it."""
        said = [{**one, "content": messages} if one["content"] == self._mark else one for one in self._request.messages]
        return msgspec.structs.replace(self._request, body=body, messages=said)

    def key(self, text: bytes) -> bytes:
        return _ended(self._key, text + self._key_tail)

    def question(self, text: bytes) -> bytes:
        return _ended(self._question, text + self._question_tail)


def _ended(begun: Any, rest: bytes) -> bytes:
    whole = begun.copy()
    whole.update(rest)
    digest: bytes = whole.digest()
    return digest


def _hash(place: str, asked: Any) -> bytes:
    """Return the hash of a request and its endpoint; the order of fields makes no difference."""
    return hashlib.sha256(place.encode() + b"\n" + msgspec.json.encode(asked, order="deterministic")).digest()
