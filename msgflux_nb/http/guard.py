"""Turns network exceptions into ours: without the key, without frames that hold it, and with advice."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import httpx

from ..errors import ConnectionFailedError, MsgfluxError, RequestTimeoutError, StreamInterruptedError
from ..protocol.failure import failure_of_status

__all__ = ["Target", "before_an_answer", "failure_of", "translated", "without_frames"]

_MESSAGE_CHARACTERS = 300


class Target(Protocol):
    """The server of a request, and the request's headers with the key; nothing secret is ever shown."""

    @property
    def url(self) -> str:
        """The address of a request."""

    @property
    def base_url(self) -> str:
        """The address of the API; each address has its own connections."""

    @property
    def clients(self) -> tuple[Any, ...]:
        """The user's httpx clients and transports."""

    @property
    def has_key(self) -> bool:
        """Whether there is a key."""

    @property
    def key_header(self) -> str:
        """The header for the key."""

    def revealed(self) -> str:
        """Return the value of the key's header; only to be written into that header."""

    def all_headers(self, stream: bool) -> Mapping[str, str]:
        """Return the headers of each request, without the key."""

    def scrub(self, text: str) -> str:
        """Return ``text`` without secrets."""


def without_frames(error: BaseException) -> BaseException:
    """Return an exception without its lower frames, since one of them holds the request with the key.

    A verbose traceback prints the variables of every frame.
    """
    return error.with_traceback(None)


def failure_of(target: Target, status: int, headers: Mapping[str, str], body: bytes) -> MsgfluxError:
    """Return the exception for an error status or a redirect; header names are in lower case."""
    return failure_of_status(
        status, dict(headers), body, url=target.scrub(target.url), now=time.time(), scrub=target.scrub
    )


@contextmanager
def before_an_answer(target: Target) -> Iterator[None]:
    """Turn a break before the answer begins into a failed connection."""
    try:
        yield
    except (httpx.NetworkError, httpx.ProtocolError) as error:
        if isinstance(error, httpx.ConnectError):
            raise
        # A server without HTTP is the wrong server; after a broken connection the address may still be right.
        advice = "Check base_url." if "expected" in str(error) else "Try again."
        raise ConnectionFailedError(
            f"the connection to {target.scrub(target.url)} broke before an answer came: "
            f"{_message(target, error) or type(error).__name__}. {advice}"
        ) from _bare(target, error)


@contextmanager
def translated(target: Target) -> Iterator[None]:
    """Turn exceptions of httpx and our clients into ours; the cause is scrubbed, without traceback and request."""
    try:
        yield
    except httpx.TimeoutException as error:
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        what = "no connection to" if connecting else "no answer from"
        raise RequestTimeoutError(
            f"{what} {target.scrub(target.url)} in time. Raise the limit with timeout=, or try again."
        ) from _bare(target, error)
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.ProxyError) as error:
        message = _message(target, error)
        advice = "Check base_url and the network, and whether the server runs."
        if isinstance(error, httpx.ProxyError):
            advice = "Check the proxy that the environment names, or set NO_PROXY for this address."
        if "certificate" in message:
            advice = (
                "If your network has its own certificate authority, name its file in SSL_CERT_FILE and start again."
            )
        raise ConnectionFailedError(
            f"cannot connect to {target.scrub(target.url)}: {message.rstrip('.')}. {advice}"
        ) from _bare(target, error)
    except httpx.HTTPError as error:
        raise StreamInterruptedError(
            f"the connection to {target.scrub(target.url)} broke: {_message(target, error) or type(error).__name__}."
        ) from _bare(target, error)


def _message(target: Target, error: Exception) -> str:
    return target.scrub(str(error))[:_MESSAGE_CHARACTERS]


def _bare(target: Target, error: Exception) -> Exception:
    error.args = (_message(target, error),)
    if isinstance(error, httpx.RequestError):
        error.request = None  # type: ignore[assignment]  # httpx reads None as "no request"
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
