"""Logs requests, under the logger ``msgflux_nb``: host, size, and how they ended; no content, no key."""

from __future__ import annotations

import logging

__all__ = ["log_answered", "log_retry", "log_sent"]

_log = logging.getLogger("msgflux_nb")


def log_sent(host: str, size: int) -> None:
    """Log a request that is sent; at DEBUG, since a batch sends thousands.

    Args:
        host: the server's host; path and query are not logged, since they may hold a key.
        size: the size of the body, in bytes.
    """
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s: a request of %d bytes goes out.", host, size)


def log_answered(host: str, status: int) -> None:
    """Log the head of an answer; at DEBUG."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s: answers with status %d.", host, status)


def log_retry(what: str, error: Exception, seconds: float, attempt: int) -> None:
    """Log a failed request that will be sent again; at INFO.

    Args:
        what: the name of the model, or the number of the row.
        error: the error; only its type and status are logged, since its text may quote the request.
        seconds: the wait before the next attempt.
        attempt: how many times the request was sent.
    """
    if _log.isEnabledFor(logging.INFO):
        status = getattr(error, "status", None)
        kind = type(error).__name__ if status is None else f"{type(error).__name__} (status {status})"
        _log.info("%s: %s at try %d; the next one in %.1f s.", what, kind, attempt, seconds)
