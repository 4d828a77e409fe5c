"""What is logged of requests, under the logger ``msgflux_nb``: the host, the size, how it ended; no content, no key."""

from __future__ import annotations

import logging

__all__ = ["log_answered", "log_retry", "log_sent"]

_log = logging.getLogger("msgflux_nb")


def log_sent(host: str, size: int) -> None:
    """Log a request that goes out; DEBUG, since a batch sends thousands.

    Args:
        host: the server's host; path and query are not logged, since they may hold a key.
        size: of the body, in bytes.
    """
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s: a request of %d bytes goes out.", host, size)


def log_answered(host: str, status: int) -> None:
    """Log the head of an answer; DEBUG."""
    if _log.isEnabledFor(logging.DEBUG):
        _log.debug("%s: answers with status %d.", host, status)


def log_retry(what: str, error: Exception, seconds: float, attempt: int) -> None:
    """Log a failed request that is sent again after a wait; INFO.

    Args:
        what: the name of the model, or the number of the row.
        error: what went wrong; only its kind and its status are logged, since its text may quote the request.
        seconds: the wait.
        attempt: how many times the request was sent.
    """
    if _log.isEnabledFor(logging.INFO):
        status = getattr(error, "status", None)
        kind = type(error).__name__ if status is None else f"{type(error).__name__} (status {status})"
        _log.info("%s: %s at try %d; the next one in %.1f s.", what, kind, attempt, seconds)
