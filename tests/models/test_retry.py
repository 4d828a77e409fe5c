"""The rules of retrying, without a clock."""

from __future__ import annotations

import email.utils

import pytest

from msgflux_nb import errors
from msgflux_nb.models.retry import retry_delay
from msgflux_nb.protocol.failure import failure_of_status, retry_after_seconds


def failure(status: int, message: str = "no", **headers: str) -> errors.MsgfluxError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b'{"error": {"message": "%s"}}' % message.encode()
    return failure_of_status(status, named, body, url="http://x", now=1000.0)


def delay(error: errors.MsgfluxError, **changes: object) -> float | None:
    situation = {"attempt": 1, "max_retries": 2, "had_content": False, "chance": 0.0} | changes
    return retry_delay(error, **situation)  # type: ignore[arg-type]  # a dict of mixed values


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert delay(failure(status)) == 0.5


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_what_will_not_pass_is_not(status: int) -> None:
    assert delay(failure(status)) is None


def test_waits_double_and_chance_shortens_them_by_a_quarter_at_most() -> None:
    assert [delay(failure(503), attempt=n, max_retries=9) for n in (1, 2, 3, 5, 6)] == [0.5, 1, 2, 8, 8]
    assert delay(failure(503), chance=1.0) == 0.375


def test_after_the_last_retry_nothing_is_sent() -> None:
    assert delay(failure(503), attempt=3) is None


def test_after_content_nothing_is_sent_again() -> None:
    assert delay(failure(503), had_content=True) is None


def test_no_money_is_not_a_reason_to_wait() -> None:
    error = failure(429, "You exceeded your current quota, please check your billing details")
    assert isinstance(error, errors.QuotaError)
    assert delay(error) is None


@pytest.mark.parametrize("message", ["image input is not supported - hint", "Failed to initialize samplers: x"])
def test_a_server_error_that_is_permanent_is_a_bad_request(message: str) -> None:
    error = failure(500, message)
    assert isinstance(error, errors.BadRequestError)
    assert delay(error) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "30", "retry-after": "9"}, 0.03),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": email.utils.formatdate(1007, usegmt=True)}, 7.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_providers_wish_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=1000.0) == seconds


def test_the_providers_wish_wins_but_not_above_two_minutes() -> None:
    assert delay(failure(429, retry_after="9")) == 9
    assert delay(failure(429, retry_after="99999")) is None


def test_a_context_that_overflows_says_both_numbers() -> None:
    body = (
        b'{"error":{"code":400,"message":"too long",'
        b'"type":"exceed_context_size_error","n_prompt_tokens":9010,"n_ctx":4096}}'
    )
    error = failure_of_status(400, {}, body, url="http://x", now=0)
    assert isinstance(error, errors.ContextLengthError)
    assert (error.prompt_tokens, error.context_tokens) == (9010, 4096)
    said = (
        b'{"error":{"code":"context_length_exceeded",'
        b'"message":"maximum context length is 8192 tokens, but you sent 10000"}}'
    )
    error = failure_of_status(400, {}, said, url="http://x", now=0)
    assert isinstance(error, errors.ContextLengthError)
    assert (error.prompt_tokens, error.context_tokens) == (10000, 8192)
