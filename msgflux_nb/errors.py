"""The exceptions that this package raises, as one tree.

::

    MsgfluxError
    ├── ProviderError                the server refused
    │   ├── AuthenticationError      401: the key is missing or wrong
    │   │   └── WrongKeyError        reported with a 400; also a BadRequestError
    │   ├── PermissionDeniedError    403: the key may not do this
    │   ├── NotFoundError            404: no such model or path
    │   │   └── UnknownNameError     reported with a 400; also a BadRequestError
    │   ├── BadRequestError          400, 413, 422: the request is at fault
    │   │   └── ContextLengthError   more tokens than fit into the model's context
    │   ├── RateLimitError           429: slow down
    │   │   └── QuotaError           429, 402: no money or quota left; waiting does not help
    │   └── ServerError              5xx, or an error inside a stream
    ├── ConnectionFailedError        no answer: refused, unknown host, broken TLS
    ├── RequestTimeoutError          no answer in time
    │   └── StalledStreamError       a stream that stays open without sending content
    ├── NotAnApiError                something answered that is not a chat-completion API
    ├── StreamInterruptedError       a stream that ended before it was complete
    ├── IncompleteOutputError        an answer that ended but cannot be used
    │   ├── TruncatedError           cut at the token limit
    │   ├── RefusedError             the model declined
    │   ├── FilteredError            a content filter removed it
    │   │   └── PromptFilteredError  the filter refused the request; also a BadRequestError
    │   └── EmptyOutputError         no text; reasoning at most
    ├── SchemaError                  a type that no schema can express
    ├── ValidationFailedError        an answer that does not fit its schema
    ├── PrefillError                 a prefill that this model or schema cannot continue
    ├── ToolCallError                a tool call that cannot be answered as asked
    │   └── ToolNotCalledError       a required call that did not come
    ├── MediaError                   an image, sound or file that cannot be sent
    ├── LocalModelError              the embedded model cannot start
    ├── StoreError                   the result store cannot be read or written
    └── RecordingError               a recording cannot be read or written
        └── NotRecordedError         no recording holds an answer to the request

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
    "brief",
    "printable",
]

# Control characters except line ends and tabs, Unicode's two other line ends, and marks that change a text's direction:
# a terminal obeys them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return text with control characters escaped, such as ``\x1b``, so that no terminal obeys them."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text.replace("\r\n", "\n"))


def brief(value: object, most: int = 60) -> str:
    """Return the beginning of a value's ``repr``; of a value that is nested too deep to have one, its type."""
    try:
        return repr(value)[:most]
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deep to be shown"


class Fault(StrEnum):
    """Who or what is at fault for an error. A member equals its text: ``error.fault == "account"``."""

    ACCOUNT = "account"
    """The account has no money or quota left: every request fails until somebody pays, or the day ends."""
    SETTINGS = "settings"
    """The key, the model's name, the address or an option is wrong: every request fails until it is corrected."""
    LOAD = "load"
    """The endpoint is overloaded or limits the rate of requests: the same request passes after a wait."""
    ENDPOINT = "endpoint"
    """The endpoint or the connection fails for now: the same request may pass when it is sent again."""
    SIZE = "size"
    """This request is too large; sending it again does not help, but other requests may pass."""
    CONTENT = "content"
    """The content of this request is refused; other requests may pass."""
    UNKNOWN = "unknown"
    """Unknown: the request is not sent again, and a batch checks whether its first rows all fail this way."""


def ends_a_process(error: BaseException) -> bool:
    """Whether an error raised by a caller's code ends the program; any other fails only one row or one call."""
    return isinstance(error, MemoryError | SystemExit | KeyboardInterrupt | GeneratorExit)


def described(error: BaseException) -> str:
    """Return an error's type and text, even if its own ``__str__`` raises."""
    try:
        text = printable(str(error))
    except BaseException as inner:
        if ends_a_process(inner):
            raise
        text = f"its text cannot be read: {type(inner).__name__}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class MsgfluxError(Exception):
    """The base class of every error that this package raises on purpose.

    Attributes:
        fault: who is at fault.
        snapshot: what had arrived of an answer (a ``Snapshot``), or None if nothing had.
        attempts: how many times the request was sent; each may have been billed.
        rows: the items that ``stream.rows()`` yielded before the error.
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
        reset_after: seconds until the exceeded limit is reset, where only rate-limit headers say so.
        should_retry: whether the provider says that a retry may help; None where it does not say.
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
    """The key is valid but may not do this (403)."""

    fault = Fault.SETTINGS


class NotFoundError(ProviderError):
    """There is no such model or path (404)."""

    fault = Fault.SETTINGS


class BadRequestError(ProviderError):
    """The provider cannot take this request (400, 413, 422); sending it again will not help."""


class WrongKeyError(AuthenticationError, BadRequestError):
    """The key is missing, wrong or expired; this provider reports that with a 400."""

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
    """Too many requests (429; 420, 430 or 498 of some servers); ``retry_after`` is the wait, if one is asked for."""

    fault = Fault.LOAD


class QuotaError(RateLimitError):
    """The account has no money or quota left; a short wait does not help."""

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
    """The stream ended before the answer did; what arrived is in ``snapshot``."""

    fault = Fault.ENDPOINT


class IncompleteOutputError(MsgfluxError):
    """The answer is complete but cannot be used; what arrived is in ``snapshot``."""


class TruncatedError(IncompleteOutputError):
    """The answer was cut off at the token limit."""


class RefusedError(IncompleteOutputError):
    """The model declined to answer; its words are in ``snapshot.refusal``."""

    fault = Fault.CONTENT


class FilteredError(IncompleteOutputError):
    """A content filter removed the answer."""

    fault = Fault.CONTENT


class PromptFilteredError(FilteredError, BadRequestError):
    """A content filter refused the request before any answer began; ``body`` holds the provider's reason."""


class EmptyOutputError(IncompleteOutputError):
    """The answer holds no text; its tokens may have gone into reasoning."""


class SchemaError(MsgfluxError):
    """A type cannot be expressed as a JSON Schema."""

    fault = Fault.SETTINGS


class ValidationFailedError(MsgfluxError):
    """The answer does not fit its schema.

    Attributes:
        raw: the text that the model wrote.
        path: where the structure does not fit, such as ``$.items[2].price``.
        own_code: whether the schema's own code, such as ``__post_init__``, raised something other than ``ValueError``
            or ``TypeError``. That exception is the ``__cause__``, and the model is not asked to correct it.
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
    """This model or this schema cannot continue from this prefill."""


class ToolCallError(MsgfluxError):
    """A tool call cannot be answered as asked.

    Attributes:
        messages: the conversation so far, if ``run_tools`` raised the error.
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
    """A recording cannot be read or written, was changed by hand, or has a later format version."""

    fault = Fault.CONTENT


class NotRecordedError(RecordingError):
    """No replayed recording holds an answer to this request; nothing was sent."""


class StoreWarning(RuntimeWarning):
    """A batch goes on although its store cannot be read or written; issued as soon as that is noticed."""
