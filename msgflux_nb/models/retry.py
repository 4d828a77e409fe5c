"""When to send a request again, and how long to wait first; pure rules for both drivers.

This is the policy of the openai SDK, which providers expect. It retries connection errors, timeouts, 408, 409, 425, 429
and 5xx, twice; here also 420, 430, 498 and 499, which some servers use for the same. The wait is the one the provider
asks for, or else 0.5 s, doubling up to 8 s, minus up to a quarter at random. The ``Fault`` decides whether a retry can
help; if it is open, ``x-should-retry`` does.
"""

from __future__ import annotations

from ..errors import Fault, MsgfluxError, NotAnApiError, ProviderError

__all__ = ["DEFAULT_MAX_RETRIES", "retry_delay"]

DEFAULT_MAX_RETRIES = 2
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 8.0
_LONGEST_WISH_SECONDS = 120.0
_NEVER_PASSES = frozenset((Fault.ACCOUNT, Fault.SIZE, Fault.CONTENT))
_MAY_PASS = frozenset((Fault.LOAD, Fault.ENDPOINT))


def retry_delay(
    error: Exception,
    *,
    attempt: int,
    max_retries: int,
    had_content: bool,
    chance: float,
    no_answer_passes: bool = False,
) -> float | None:
    """Return the seconds to wait before another try, or None to give up.

    Args:
        error: what went wrong.
        attempt: how many times the request was sent, from 1.
        max_retries: how many more times it may be sent.
        had_content: whether any text or reasoning had arrived; then the request is not sent again.
        chance: a number from 0 to 1 that shortens the wait by up to a quarter, so that clients do not move in step.
        no_answer_passes: whether a body with status 200 that is not an answer may be a passing fault, as it is among
            thousands of requests; at a first request it means a wrong address.
    """
    passes = _may_pass(error) or (no_answer_passes and isinstance(error, NotAnApiError) and error.status == 200)
    if had_content or attempt > max_retries or not passes:
        return None
    wish = None
    if isinstance(error, ProviderError):
        wish = error.reset_after if error.retry_after is None else error.retry_after
    if wish is not None:
        return wish if wish <= _LONGEST_WISH_SECONDS else None
    return float(min(_FIRST_SECONDS * 2 ** (attempt - 1), _LONGEST_SECONDS) * (1 - 0.25 * chance))


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later: by the error's fault, or if that is open, by the header."""
    fault = error.fault if isinstance(error, MsgfluxError) else Fault.UNKNOWN
    if fault in _NEVER_PASSES:
        return False
    if isinstance(error, ProviderError) and error.should_retry is not None:
        return error.should_retry
    return fault in _MAY_PASS
