"""The rules of retrying, without a clock."""

from __future__ import annotations

import email.utils
import random

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb import errors
from msgflux_nb.models.retry import retry_delay
from msgflux_nb.protocol.failure import failure_of_status, retry_after_seconds
from tests.scripted import Ask, Reply, both, completion, error, model_at, serving


class Named(msgspec.Struct):
    name: str


def failure(status: int, message: str = "no", **headers: str) -> errors.MsgfluxError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b'{"error": {"message": "%s"}}' % message.encode()
    return failure_of_status(status, named, body, url="http://x", now=1000.0)


def delay(error: errors.MsgfluxError, **changes: object) -> float | None:
    situation = {"attempt": 1, "max_retries": 2, "had_content": False, "chance": 0.0} | changes
    return retry_delay(error, **situation)  # type: ignore[arg-type]  # a dict of mixed values


@pytest.mark.parametrize("status", [408, 409, 420, 425, 429, 430, 498, 499, 500, 502, 503, 509, 520, 527, 529, 530])
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


@pytest.mark.parametrize(
    "message",
    [
        "image input is not supported - hint",
        "Failed to initialize samplers: x",
        "The model output does not match the expected peg-native format",
    ],
)
def test_a_server_error_that_is_permanent_is_a_bad_request(message: str) -> None:
    error = failure(500, message)
    assert isinstance(error, errors.BadRequestError)
    assert delay(error) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "30", "retry-after": "9"}, 0.03),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-30", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "99999"}, 99999.0),
        ({"retry-after": email.utils.formatdate(993, usegmt=True)}, 0.0),
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
    assert delay(failure(429, retry_after="9"), chance=1.0) == 9
    assert delay(failure(429, retry_after="120")) == 120
    assert delay(failure(429, retry_after="120.1")) is None
    assert delay(failure(429, retry_after="99999")) is None
    assert delay(failure(503, retry_after_ms="0")) == 0


@pytest.mark.parametrize("wish", ["-1", "nan", "inf", "soon"])
def test_an_invalid_retry_after_is_ignored(wish: str) -> None:
    assert delay(failure(429, retry_after=wish)) == 0.5


def test_what_the_provider_says_about_a_retry_comes_first() -> None:
    assert delay(failure(503, x_should_retry="false")) is None
    assert delay(failure(429, x_should_retry="False ", retry_after="9")) is None
    assert delay(failure(400, x_should_retry="true")) == 0.5
    assert delay(failure(400, x_should_retry="true", retry_after="9")) == 9
    assert delay(failure(400, x_should_retry="perhaps")) is None
    assert delay(failure(503, x_should_retry="perhaps")) == 0.5
    assert delay(failure(400, x_should_retry="true"), attempt=3) is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.ConnectionFailedError("refused"), 0.5),
        (errors.RequestTimeoutError("late"), 0.5),
        (errors.StalledStreamError("silent"), 0.5),
        (errors.StreamInterruptedError("cut"), 0.5),
        (errors.ServerError("inside an answer"), 0.5),
        (errors.RateLimitError("inside an answer"), 0.5),
        (errors.QuotaError("inside an answer"), None),
        (errors.NotAnApiError("a page"), None),
        (errors.ContextLengthError("long"), None),
        (errors.SchemaError("no"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_comes_without_a_status_is_retried_where_it_may_pass(
    error: errors.MsgfluxError, seconds: float | None
) -> None:
    assert delay(error) == seconds


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that both drivers would wait, without their random part; no time passes."""
    waited: list[float] = []

    async def pause(abort: object, seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("msgflux_nb.models.exchange._random", lambda: 0.0)
    monkeypatch.setattr("msgflux_nb.http.limits.Abort.wait", lambda self, seconds: waited.append(seconds))
    monkeypatch.setattr("msgflux_nb.http.limits.pause", pause)
    return waited


@both
@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([error(503), error(503), completion()], [0.5, 1.0]),
        ([error(503), error(429, retry_after_ms="30", retry_after="9"), completion()], [0.5, 0.03]),
        ([error(408, retry_after="7"), error(529), error(409), error(500), error(502), completion()], [7, 1, 2, 4, 8]),
        ([error(400, x_should_retry="true"), completion()], [0.5]),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_both_drivers_wait_exactly_as_long_and_count_the_attempts(
    ask: Ask, replies: list[Reply], expected: list[float], streamed: bool, waits: list[float]
) -> None:
    with serving(*replies) as server:
        assert ask(model_at(server.url, max_retries=9), "Hi", stream=streamed) == ["Hello"]
        assert len(server.bodies) == len(replies)
    assert waits == expected


@both
@pytest.mark.parametrize(
    ("replies", "attempts"),
    [
        ([error(503)], 3),
        ([error(503), error(503, x_should_retry="false")], 2),
        ([error(429, retry_after="99999")], 1),
        ([error(429, "insufficient_quota: no money")], 1),
        ([error(500, "image input is not supported")], 1),
        ([error(503), error(401)], 2),
    ],
)
def test_the_error_that_is_raised_at_last_counts_all_attempts(
    ask: Ask, replies: list[Reply], attempts: int, waits: list[float]
) -> None:
    with serving(*replies) as server, pytest.raises(errors.ProviderError) as caught:
        ask(model_at(server.url, max_retries=2), "Hi")
    assert caught.value.attempts == len(server.bodies) == len(waits) + 1 == attempts


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


@both
def test_a_retry_leaves_the_random_numbers_of_a_notebook_as_they_are(ask: Ask) -> None:
    busy = (error(503, "busy"), completion("Hi"), error(429, "slow down"), completion('{"name": "a"}'))
    with serving(*busy * 2) as server:
        model = model_at(server.url, max_retries=1)
        for text in ("a", "b"):  # the first time, other packages draw while they are imported
            random.seed(1)
            before = random.getstate()
            assert [str(answer) for answer in ask(model, "a")] == ["Hi"]
            table = mf.extract([text], Named, model=model, progress=False, store=False)
            assert table["_status"].tolist() == ["ok"]
    assert random.getstate() == before
