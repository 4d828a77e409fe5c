"""When to send a request again, and how long to wait first; pure rules that both drivers follow.

This is the policy of the openai SDK, which providers are used to. It retries connection errors, timeouts, 408, 409, 429
and 5xx, twice. The wait is what the provider asks for, or else 0.5 s, doubling up to 8 s, minus up to a quarter at
random. Who is at fault decides whether a retry may help; then ``x-should-retry`` does, if it is sent.
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
        max_retries: how many further times it may be sent.
        had_content: whether any text or reasoning had arrived; then nothing is sent again.
        chance: a number from 0 to 1 that shortens the wait by up to a quarter, so that clients do not move in step.
        no_answer_passes: whether a body with status 200 that is not an answer may be a passing fault of a proxy or a
            server, as among thousands of requests; at a first request it means a wrong address.
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
    """Whether the same request may pass: by who is at fault, and where that is open, by what the provider says."""
    fault = error.fault if isinstance(error, MsgfluxError) else Fault.UNKNOWN
    if fault in _NEVER_PASSES:
        return False
    if isinstance(error, ProviderError) and error.should_retry is not None:
        return error.should_retry
    return fault in _MAY_PASS
