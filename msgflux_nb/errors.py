"""What can go wrong, as one tree.

::

    MsgfluxError
    ├── ProviderError                the server refused
    │   ├── AuthenticationError      401: the key is missing or wrong
    │   │   └── WrongKeyError        said by a 400; a BadRequestError too
    │   ├── PermissionDeniedError    403: the key may not do this
    │   ├── NotFoundError            404: no such model or path
    │   │   └── UnknownNameError     said by a 400; a BadRequestError too
    │   ├── BadRequestError          400, 413, 422: the request is at fault
    │   │   └── ContextLengthError   more tokens than the model holds
    │   ├── RateLimitError           429: slow down
    │   │   └── QuotaError           429, 402: no money or quota left; waiting does not help
    │   └── ServerError              5xx, or an error inside a stream
    ├── ConnectionFailedError        no answer: refused, unknown host, broken TLS
    ├── RequestTimeoutError          no answer in time
    │   └── StalledStreamError       a stream that stays open and says nothing
    ├── NotAnApiError                something answered that is not a chat-completion API
    ├── StreamInterruptedError       a stream that ended before it was complete
    ├── IncompleteOutputError        an answer that cannot be used as it stands
    │   ├── TruncatedError           cut at the token limit
    │   ├── RefusedError             the model declined
    │   ├── FilteredError            a content filter removed it
    │   │   └── PromptFilteredError  or refused what was sent; a BadRequestError too
    │   └── EmptyOutputError         nothing but perhaps reasoning
    ├── SchemaError                  a type that no schema can express
    ├── ValidationFailedError        an answer that does not fit its schema
    ├── PrefillError                 a prefill that this model or schema cannot continue
    ├── ToolCallError                a tool call that cannot be answered as asked
    │   └── ToolNotCalledError       a forced call that did not come
    ├── MediaError                   an image, sound or file that cannot be sent
    ├── LocalModelError              the embedded model cannot start
    ├── StoreError                   the result store cannot be read or written
    └── RecordingError               a recording cannot be read or written
        └── NotRecordedError         or holds no answer to what was asked

Every error says what was expected, what came and what to do. Evidence is in attributes; none of them holds a
request, a header or a key. ``fault`` says who is at fault: that alone decides whether a request is sent again,
whether a batch waits, and whether its other rows are still sent.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

__all__ = [
    "AuthenticationError",
    "BadRequestError",
    "ConnectionFailedError",
    "ContextLengthError",
    "EmptyOutputError",
    "Fault",
    "FilteredError",
    "IncompleteOutputError",
    "LocalModelError",
    "MediaError",
    "MsgfluxError",
    "NotAnApiError",
    "NotFoundError",
    "NotRecordedError",
    "PermissionDeniedError",
    "PrefillError",
    "PromptFilteredError",
    "ProviderError",
    "QuotaError",
    "RateLimitError",
    "RecordingError",
    "RefusedError",
    "RequestTimeoutError",
    "SchemaError",
    "ServerError",
    "StalledStreamError",
    "StoreError",
    "StoreWarning",
    "StreamInterruptedError",
    "ToolCallError",
    "ToolNotCalledError",
    "TruncatedError",
    "UnknownNameError",
    "ValidationFailedError",
    "WrongKeyError",
    "printable",
]

# Control characters but line ends and tabs, and what turns the direction of a text: a terminal obeys them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return text with control characters written out, ``\x1b`` for an escape, so that no terminal obeys them."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


class Fault(StrEnum):
    """Who or what is at fault where something failed. A member equals its text: ``error.fault == "account"``."""

    ACCOUNT = "account"
    """The account has no money or quota left: every request fails until somebody pays, or the day ends."""
    SETTINGS = "settings"
    """The key, the model's name, the address or an option is wrong: every request fails until it is corrected."""
    LOAD = "load"
    """The endpoint has too much to do for now, or counts requests: the same request passes after a wait."""
    ENDPOINT = "endpoint"
    """The endpoint or the connection fails for now: the same request may pass when it is sent again."""
    SIZE = "size"
    """This request is too large, and always will be; others are not."""
    CONTENT = "content"
    """This request's content is refused; others are not."""
    UNKNOWN = "unknown"
    """Unknown: the request is not sent again, and a batch checks whether its first rows all fail this way."""


def ends_a_process(error: BaseException) -> bool:
    """Tell whether an error of a caller's code must go on: whatever else it raises is one row's or one call's."""
    return isinstance(error, MemoryError | SystemExit | KeyboardInterrupt | GeneratorExit)


def described(error: BaseException) -> str:
    """Return an error's type and text, whatever its own code does."""
    try:
        text = printable(str(error))
    except BaseException as inner:
        if ends_a_process(inner):
            raise
        text = f"its text cannot be read: {type(inner).__name__}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class MsgfluxError(Exception):
    """The root of every error this package raises on purpose.

    Attributes:
        fault: who is at fault.
        snapshot: what had arrived of an answer (a ``Snapshot``), or None if nothing had.
        attempts: how many times the request was sent; each may have been billed.
        rows: of ``stream.rows()``: the items that came before.
    """

    fault: Fault = Fault.UNKNOWN

    def __init__(self, message: str, *, snapshot: Any = None, attempts: int = 0) -> None:
        super().__init__(printable(message))
        self.snapshot = snapshot
        self.attempts = attempts
        self.rows: list[Any] = []

    @property
    def usage(self) -> Any:
        """Tokens that were billed for what arrived (a ``Usage``), or None when the provider did not say."""
        return getattr(self.snapshot, "usage", None)


class ProviderError(MsgfluxError):
    """The provider answered with an error.

    Attributes:
        status: the HTTP status; for an error inside a stream, the code in its body, or None.
        code: the provider's own word for the error, or None.
        body: the error body as parsed JSON or text, scrubbed of keys, at most 4,000 characters of text.
        retry_after: seconds that the provider asks to wait, or None.
        reset_after: seconds until the limit that was met is counted again, where only headers about limits say so.
        should_retry: whether the provider says that sending it again may help; None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        body: Any = None,
        retry_after: float | None = None,
        snapshot: Any = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message, snapshot=snapshot, attempts=attempts)
        self.status = status
        self.code = code
        self.body = body
        self.retry_after = retry_after
        self.reset_after: float | None = None
        self.should_retry: bool | None = None


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired (401)."""

    fault = Fault.SETTINGS


class PermissionDeniedError(ProviderError):
    """The key is good but may not do this (403)."""

    fault = Fault.SETTINGS


class NotFoundError(ProviderError):
    """There is no such model or path (404)."""

    fault = Fault.SETTINGS


class BadRequestError(ProviderError):
    """The provider cannot take this request (400, 413, 422); sending it again will not help."""


class WrongKeyError(AuthenticationError, BadRequestError):
    """The key is missing, wrong or expired, which this provider says by a 400."""

    fault = Fault.SETTINGS


class UnknownNameError(NotFoundError, BadRequestError):
    """The model or the earlier answer does not exist; this provider reports that with a 400."""

    fault = Fault.SETTINGS


class ContextLengthError(BadRequestError):
    """The messages are longer than the model's context.

    Attributes:
        prompt_tokens: how many tokens were sent, or None when the provider does not say.
        context_tokens: how many fit, or None when the provider does not say.
    """

    fault = Fault.SIZE

    def __init__(
        self, message: str, *, prompt_tokens: int | None = None, context_tokens: int | None = None, **evidence: Any
    ) -> None:
        super().__init__(message, **evidence)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class RateLimitError(ProviderError):
    """Too many requests (429); ``retry_after`` says how long to wait, if the provider does."""

    fault = Fault.LOAD


class QuotaError(RateLimitError):
    """The account has no money or quota left; waiting a moment does not help."""

    fault = Fault.ACCOUNT


class ServerError(ProviderError):
    """The provider failed (5xx), or sent an error inside an answer that had begun."""

    fault = Fault.ENDPOINT


class ConnectionFailedError(MsgfluxError):
    """No connection: refused, unknown host, broken TLS, or cut before an answer began."""

    fault = Fault.ENDPOINT


class RequestTimeoutError(MsgfluxError):
    """No answer within a limit of ``Timeout``."""

    fault = Fault.ENDPOINT


class StalledStreamError(RequestTimeoutError):
    """The stream stayed open without content for longer than ``Timeout`` allows; keep-alives do not count."""


class NotAnApiError(MsgfluxError):
    """Something answered that is not a chat-completion API: a login page, a proxy, a wrong base URL.

    Attributes:
        status: the HTTP status of what answered.
    """

    def __init__(self, message: str, *, status: int | None = None, snapshot: Any = None, attempts: int = 0) -> None:
        super().__init__(message, snapshot=snapshot, attempts=attempts)
        self.status = status


class StreamInterruptedError(MsgfluxError):
    """The stream ended before the answer did; what came is in ``snapshot``."""

    fault = Fault.ENDPOINT


class IncompleteOutputError(MsgfluxError):
    """The answer ended, but cannot be used as it stands; what came is in ``snapshot``."""


class TruncatedError(IncompleteOutputError):
    """The answer was cut at the token limit, so its structure is only a part."""


class RefusedError(IncompleteOutputError):
    """The model declined to answer; its words are in ``snapshot.refusal``."""

    fault = Fault.CONTENT


class FilteredError(IncompleteOutputError):
    """A content filter removed the answer."""

    fault = Fault.CONTENT


class PromptFilteredError(FilteredError, BadRequestError):
    """A content filter refused the request before any answer began; ``body`` holds the provider's reason."""


class EmptyOutputError(IncompleteOutputError):
    """The answer holds no text; the budget may have gone into reasoning."""


class SchemaError(MsgfluxError):
    """A type cannot be expressed as the schema that is asked for."""

    fault = Fault.SETTINGS


class ValidationFailedError(MsgfluxError):
    """The answer does not fit its schema.

    Attributes:
        raw: the text that the model wrote.
        path: where in the structure it fails, such as ``$.items[2].price``.
        own_code: whether code of the schema's own, such as ``__post_init__``, raised something other than a
            ``ValueError`` or ``TypeError``, which is its ``__cause__``; the model is not asked to correct that.
    """

    def __init__(
        self,
        message: str,
        *,
        raw: str = "",
        path: str = "$",
        own_code: bool = False,
        snapshot: Any = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message, snapshot=snapshot, attempts=attempts)
        self.raw = raw
        self.path = path
        self.own_code = own_code


class PrefillError(MsgfluxError):
    """This model, or this schema, cannot continue such a prefill."""


class ToolCallError(MsgfluxError):
    """A tool call cannot be answered as asked.

    Attributes:
        messages: of ``run_tools``: the conversation up to here.
    """

    def __init__(
        self, message: str, *, messages: list[dict[str, Any]] | None = None, snapshot: Any = None, attempts: int = 0
    ) -> None:
        super().__init__(message, snapshot=snapshot, attempts=attempts)
        self.messages = messages or []


class ToolNotCalledError(ToolCallError):
    """A tool call was required and none came."""


class MediaError(MsgfluxError):
    """An image, sound or file cannot be sent."""

    fault = Fault.CONTENT


class LocalModelError(MsgfluxError):
    """The embedded model cannot start; the message names the command that fixes it."""

    fault = Fault.SETTINGS


class StoreError(MsgfluxError):
    """The result store cannot be read or written."""


class RecordingError(MsgfluxError):
    """A recording cannot be read or written, was changed by hand, or is of a later version."""

    fault = Fault.CONTENT


class NotRecordedError(RecordingError):
    """What was asked is in no recording that is being replayed; nothing was sent."""


class StoreWarning(RuntimeWarning):
    """A batch goes on although its store cannot be read or written; told as soon as that is seen."""
