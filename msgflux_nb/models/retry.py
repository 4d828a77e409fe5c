"""When to send a request again, and how long to wait first; pure rules that both drivers follow.

The policy of the openai SDK, which providers are used to: connection errors, timeouts, 408, 409, 429 and 5xx, two
retries, 0.5 s doubling up to 8 s with up to a quarter less by chance, the provider's own wish first. Whether a retry
may help, ``x-should-retry`` says where it is there.
"""

from __future__ import annotations

from ..errors import (
    BadRequestError,
    ConnectionFailedError,
    MsgfluxError,
    ProviderError,
    QuotaError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StreamInterruptedError,
)

__all__ = ["DEFAULT_MAX_RETRIES", "retry_delay"]

DEFAULT_MAX_RETRIES = 2
_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 8.0
_LONGEST_WISH_SECONDS = 120.0


def retry_delay(
    error: MsgfluxError, *, attempt: int, max_retries: int, had_content: bool, chance: float
) -> float | None:
    """Return the seconds to wait before another try, or None to give up.

    Args:
        error: what went wrong.
        attempt: how many times the request was sent, from 1.
        max_retries: how many further times it may be sent.
        had_content: whether any text or reasoning had arrived; then nothing is sent again.
        chance: a number from 0 to 1 that shortens the wait by up to a quarter, so that clients do not move in step.
    """
    if had_content or attempt > max_retries or not _may_pass(error):
        return None
    wish = error.retry_after if isinstance(error, ProviderError) else None
    if wish is not None:
        return wish if wish <= _LONGEST_WISH_SECONDS else None
    return float(min(_FIRST_SECONDS * 2 ** (attempt - 1), _LONGEST_SECONDS) * (1 - 0.25 * chance))


def _may_pass(error: MsgfluxError) -> bool:
    if isinstance(error, ProviderError) and error.should_retry is not None:
        return error.should_retry  # who answered knows best
    if isinstance(error, QuotaError | BadRequestError):
        return False
    return isinstance(
        error, RateLimitError | ServerError | ConnectionFailedError | RequestTimeoutError | StreamInterruptedError
    )
