from __future__ import annotations

import pytest

from msgflux_nb.protocol.allowance import Allowance, allowance_of

NOW = 1_700_000_000.0


def allowed(**headers: str) -> Allowance | None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return allowance_of([(b"Content-Type", b"application/json"), *raw], now=NOW)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1d", 86_400.0),
        ("7.5", 7.5),
        ("0", 0.0),
        ("1700000030", 30.0),
        ("1700000030000", 30.0),
        ("1699999999", 0.0),
        ("2023-11-14T22:13:50Z", 30.0),
        ("2023-11-14T22:13:20.5+00:00", 0.5),
    ],
)
def test_the_reset_of_a_limit_is_read_in_every_form(reset: str, seconds: float) -> None:
    found = allowed(X_RateLimit_Remaining_Requests="3", X_RateLimit_Reset_Requests=reset)
    assert found is not None
    assert found.requests == 3
    assert found.requests_seconds == pytest.approx(seconds)
    assert found.tokens is None


def test_requests_and_tokens_are_told_apart() -> None:
    found = allowed(
        x_ratelimit_limit_requests="60",
        x_ratelimit_remaining_requests="59",
        x_ratelimit_reset_requests="1s",
        x_ratelimit_remaining_tokens="149984",
        x_ratelimit_reset_tokens="6m0s",
    )
    assert found == Allowance(59, 1, 149_984, 360)


@pytest.mark.parametrize(
    ("remaining", "reset"),
    [
        ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("RateLimit-Remaining", "RateLimit-Reset"),
    ],
)
def test_other_providers_names_are_known(remaining: str, reset: str) -> None:
    assert allowed(**{remaining: "2", reset: "5"}) == Allowance(2, 5)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "3"},
        {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "nan", "x-ratelimit-reset-requests": "1s"},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "soon"},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": ""},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "2023-11-14T22:13:50"},
        {"x-ratelimit-remaining-requests": "\xb3", "x-ratelimit-reset-requests": "-1"},
    ],
    ids=str,
)
def test_headers_without_a_number_set_no_limit(headers: dict[str, str]) -> None:
    assert allowed(**headers) is None


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("headers", "left", "seconds"),
    [
        (
            {
                "X_RateLimit_Remaining_Requests": "90",
                "X_RateLimit_Reset_Requests": "1s",
                "Anthropic_RateLimit_Requests_Remaining": "0",
                "Anthropic_RateLimit_Requests_Reset": "2023-11-14T22:13:50Z",
            },
            0,
            30,
        ),
        (
            {
                "X_RateLimit_Remaining_Requests": "2",
                "X_RateLimit_Reset_Requests": "20",
                "RateLimit_Remaining": "50",
                "RateLimit_Reset": "7",
            },
            2,
            20,
        ),
        (
            {"RateLimit": "limit=100, remaining=1, reset=9", "X_RateLimit_Remaining": "40", "X_RateLimit_Reset": "3"},
            1,
            9,
        ),
        ({"RateLimit": '"default";r=70;t=9', "X_RateLimit_Remaining": "4", "X_RateLimit_Reset": "33"}, 4, 33),
        ({"X_RateLimit_Remaining_Requests": "5", "RateLimit_Reset": "12"}, 5, 12),
    ],
)
def test_of_two_families_of_headers_the_tightest_limit_counts_whichever_comes_first(
    headers: dict[str, str], left: float, seconds: float, turned: bool
) -> None:
    found = allowed(**dict(reversed(headers.items())) if turned else headers)
    assert found is not None
    assert (found.requests, found.requests_seconds) == (left, pytest.approx(seconds))
