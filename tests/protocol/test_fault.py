"""Who is at fault: for each row of the table and each further rule, a body in the shape that the provider sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from msgflux_nb import errors
from msgflux_nb.errors import Fault
from msgflux_nb.protocol.failure import error_in, failure_of_status
from msgflux_nb.protocol.fault_rows import ROWS

NOW = 1_700_000_000.0
# Each line: the provider, the status, the body as the provider sends it, the class of the error, who is at fault, and
# the requested wait.
DATA = Path(__file__).parent.parent / "data"
CASES = [json.loads(line) for line in (DATA / "failures.jsonl").read_text("utf-8").splitlines()]
CONTEXT = [json.loads(line) for line in (DATA / "context_errors.jsonl").read_text("utf-8").splitlines()]
INSIDE = [case for case in CASES if isinstance(case["body"], dict) and "error" in case["body"]]


def failed(status: int, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure_of_status(status, named, data, url="http://x/v1/chat/completions", now=NOW)


def said(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def named(case: dict[str, Any]) -> str:
    return f"{case['who']}-{case['status']}-{case['fault']}"


def judged(case: dict[str, Any]) -> Any:
    return failed(case["status"], case["body"].encode() if isinstance(case["body"], str) else case["body"])


AZURE_FILTER = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
        },
    }
}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_body_says_who_is_at_fault(case: dict[str, Any]) -> None:
    error = judged(case)
    assert (type(error).__name__, error.fault) == (case["error"], case["fault"]), str(error)
    assert error.retry_after == (None if case["wait"] is None else pytest.approx(case["wait"]))
    assert error.status == case["status"]


def test_every_row_of_the_table_has_a_body() -> None:
    found = [judged(case) for case in CASES]
    assert {error.fault for error in found} == set(Fault)
    advised = " ".join(map(str, found))
    assert [row.name for row in ROWS if row.advice and row.advice not in advised] == []


@pytest.mark.parametrize(
    ("code", "message", "error", "fault"),
    [
        (1000, "unknown error", errors.ServerError, Fault.ENDPOINT),
        (1001, "request timeout", errors.ServerError, Fault.ENDPOINT),
        (1002, "rate limit", errors.RateLimitError, Fault.LOAD),
        (1004, "not authorized", errors.AuthenticationError, Fault.SETTINGS),
        (1008, "insufficient balance", errors.QuotaError, Fault.ACCOUNT),
        (1026, "input new_sensitive", errors.PromptFilteredError, Fault.CONTENT),
        (1039, "token limit", errors.RateLimitError, Fault.LOAD),
        (1041, "conn limit", errors.RateLimitError, Fault.LOAD),
        (1042, "invisible character ratio limit", errors.BadRequestError, Fault.UNKNOWN),
        (2013, "invalid params", errors.BadRequestError, Fault.UNKNOWN),
        (2045, "rate growth limit", errors.RateLimitError, Fault.LOAD),
        (2049, "invalid api key", errors.AuthenticationError, Fault.SETTINGS),
        (2056, "usage limit exceeded", errors.QuotaError, Fault.ACCOUNT),
    ],
)
def test_a_number_of_minimax_in_an_answer_with_status_200_is_an_error(
    code: int, message: str, error: type[Exception], fault: Fault
) -> None:
    found = error_in({"choices": None, "base_resp": {"status_code": code, "status_msg": message}})
    assert (type(found), found and found.fault) == (error, fault)


@pytest.mark.parametrize("case", INSIDE, ids=named)
def test_an_error_inside_an_answer_is_judged_alike(case: dict[str, Any]) -> None:
    inside = case["body"]["error"]
    inner = inside if isinstance(inside, dict) else {"message": inside}
    error = error_in({**case["body"], "error": {**inner, "status_code": case["status"]}})
    assert error is not None
    assert error.fault == case["fault"], str(error)
    assert case["wait"] is None or error.retry_after is not None or "X-RateLimit" in str(case["body"])


@pytest.mark.parametrize(
    "link", ["https://x.example/billing/insufficient_quota", "www.x.example/context_length_exceeded"]
)
def test_words_in_an_address_do_not_decide_the_fault(link: str) -> None:
    assert failed(429, said(f"Slow down. See {link}")).fault is Fault.LOAD
    assert failed(400, said(f"No. See {link}")).fault is Fault.UNKNOWN
    assert failed(500, said(f"No. See {link}, or ask x.com/credit/balance/insufficient_quota")).fault is Fault.ENDPOINT


def test_a_header_outweighs_what_a_message_advertises() -> None:
    body = said("Rate limit reached. You exceeded your current quota? Upgrade your billing plan.")
    assert failed(429, body, retry_after="2").fault is Fault.LOAD
    assert failed(429, body, retry_after="2").retry_after == 2
    assert failed(429, said("no", code="insufficient_quota"), retry_after="2").fault is Fault.ACCOUNT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6s"}, 6.0),
        ({"x_ratelimit_remaining_tokens_minute": "0", "x_ratelimit_reset_tokens_minute": "4.5"}, 4.5),
        (
            {
                "anthropic_ratelimit_requests_remaining": "0",
                "anthropic_ratelimit_requests_reset": "2023-11-14T22:13:50Z",
            },
            30,
        ),
        ({"x_ratelimit_remaining_requests": "5", "x_ratelimit_reset_requests": "6s"}, None),
        ({"x_ratelimit_reset": "1700000009"}, 9.0),
        ({"ratelimit": '"default";r=0;t=3'}, 3.0),
        ({"x_ratelimit_reset_ms": "1500"}, 1.5),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "PT1M30S"}, 90.0),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "00:01:30"}, 90.0),
    ],
)
def test_the_reset_of_a_limit_that_is_used_up_is_known(headers: dict[str, str], seconds: float | None) -> None:
    error = failed(429, said("Too many requests"), **headers)
    assert error.retry_after is None
    assert error.reset_after == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after_ms": "1500", "retry_after": "2"}, 1.5),
        ({"x_ms_retry_after_ms": "1500"}, 1.5),
        ({"x_retry_after": "7"}, 7.0),
        ({"retry_after": "30, 30"}, 30.0),
        ({"retry_after": "Tue, 14 Nov 2023 22:13:45 GMT"}, 25.0),
        ({"retry_after": "soon"}, None),
    ],
)
def test_a_wait_is_read_however_its_header_is_called(headers: dict[str, str], seconds: float | None) -> None:
    assert failed(429, said("Too many requests"), **headers).retry_after == seconds


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retry_after_secs": 3}, 3.0),
        ({"cooldown_seconds": 11}, 11.0),
        ({"resets_in_seconds": "12"}, 12.0),
        ({"resets_at": 1_700_000_100}, 100.0),
    ],
)
def test_a_wait_is_read_however_its_field_is_called(fields: dict[str, Any], seconds: float) -> None:
    assert failed(429, said("Too many requests", metadata=fields)).retry_after == seconds


@pytest.mark.parametrize(
    ("code", "fault"),
    [("invalid_prompt", "content"), ("data_residency_mismatch", "settings"), ("image_parse_error", "content")],
)
def test_a_response_that_failed_is_judged_by_its_code(code: str, fault: str) -> None:
    error = error_in(said("This request cannot be answered.", code=code))
    assert error is not None
    assert error.fault == fault


def test_an_error_of_a_provider_behind_a_gateway_is_found_as_an_object_too() -> None:
    raw = {"error": {"message": "prompt is too long: 208310 tokens > 200000 maximum"}}
    error = error_in(said("Provider returned error", code=400, metadata={"raw": raw, "provider_name": "Anthropic"}))
    assert isinstance(error, errors.ContextLengthError)
    assert (error.prompt_tokens, error.context_tokens) == (208_310, 200_000)


def test_a_prompt_that_gemini_blocks_with_status_200_is_filtered() -> None:
    error = error_in({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}, "choices": []})
    assert isinstance(error, errors.PromptFilteredError)
    assert error.code == "PROHIBITED_CONTENT"
    assert error_in({"promptFeedback": {}, "choices": [{"message": {"content": "a"}}]}) is None


def test_a_filtered_prompt_is_caught_by_both_of_its_names() -> None:
    error = failed(400, AZURE_FILTER)
    assert isinstance(error, errors.FilteredError)
    assert isinstance(error, errors.BadRequestError)
    assert error.body["error"]["innererror"]["content_filter_result"]["violence"]["filtered"] is True


@pytest.mark.parametrize(
    ("status", "body", "advised"),
    [
        (404, {"detail": "Not Found"}, True),
        (404, said("Resource not found", code="404"), True),
        (404, b"404 page not found", True),
        (404, b"<html><title>404</title></html>", True),
        (405, {"detail": "Method Not Allowed"}, True),
        (307, b"", True),
        (404, said("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"), False),
        (404, {"error": 'model "llama9" not found, try pulling it first'}, False),
        (404, said("No endpoints found for x/y.", code=404), False),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, False),
        (404, {"status": 404, "title": "Not Found", "detail": "Function 'x': Not found for account 'y'"}, False),
        (401, b"<html><title>401 Authorization Required</title></html>", False),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", False),
        (401, said("no"), False),
        (400, said("no"), False),
        (429, said("no"), False),
        (503, b"<html><title>503</title></html>", False),
    ],
)
def test_an_error_advises_to_check_base_url_only_if_the_address_is_at_fault(
    status: int, body: Any, advised: bool
) -> None:
    assert ("Check base_url" in str(failed(status, body))) is advised


@pytest.mark.parametrize("case", CONTEXT, ids=lambda case: case["message"][:40])
def test_the_numbers_of_a_context_error_are_told_apart(case: dict[str, Any]) -> None:
    error = failed(400, said(case["message"], type="invalid_request_error", code=400))
    assert isinstance(error, errors.ContextLengthError), str(error)
    assert error.fault is Fault.SIZE
    assert (error.prompt_tokens, error.context_tokens) == (case["sent"], case["fits"])


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("Please try again in 1.5s.", 1.5),
        ("Please try again in 6m0s.", 360.0),
        ("Please try again in 250ms.", 0.25),
        ("Please retry in 45.578569677s.", 45.578569677),
        ("Please retry after 20 seconds.", 20.0),
        ("Please wait 1 minute and 30 seconds before retrying.", 90.0),
        ("Try again in 6h.", 21_600.0),
        ("Limit resets in: 12 sec", 12.0),
        ("Please wait 12 more seconds.", 12.0),
        ("Try again in approximately 10 seconds.", 10.0),
        ("Please retry in one minute.", 60.0),
        ("Retry-After: 9", 9.0),
        ("Retry after 2023-11-14T22:14:00Z.", 40.0),
        ("Limit resets at: 2023-11-14 22:13:50 UTC", 30.0),
        ("Limit resets at: 2023-11-14 22:13:50", None),
        ("Please retry in 3 attempts.", None),
        ("Please try again later.", None),
        ("Wait for 5 messages.", None),
    ],
)
def test_a_wait_in_a_sentence_is_read(sentence: str, seconds: float | None) -> None:
    assert failed(429, said(f"Too many requests. {sentence}")).retry_after == (seconds and pytest.approx(seconds))


ODD_STATUSES = [
    (408, errors.ServerError, Fault.ENDPOINT),  # the server waited too long for the request
    (418, errors.BadRequestError, Fault.UNKNOWN),
    (420, errors.RateLimitError, Fault.LOAD),  # Enhance Your Calm
    (424, errors.BadRequestError, Fault.UNKNOWN),  # a tool of the request failed
    (425, errors.ServerError, Fault.ENDPOINT),  # too early
    (430, errors.RateLimitError, Fault.LOAD),  # too many requests, of a shop's proxy
    (431, errors.BadRequestError, Fault.UNKNOWN),  # headers too large
    (451, errors.BadRequestError, Fault.UNKNOWN),  # unavailable for legal reasons
    (498, errors.RateLimitError, Fault.LOAD),  # Groq has no capacity left for the flex tier
    (499, errors.ServerError, Fault.ENDPOINT),  # a proxy's own client left
    (501, errors.ServerError, Fault.ENDPOINT),
    (509, errors.ServerError, Fault.ENDPOINT),  # bandwidth
    *((status, errors.ServerError, Fault.ENDPOINT) for status in range(520, 529)),  # Cloudflare cannot reach the server
    (529, errors.ServerError, Fault.LOAD),  # overloaded
    (530, errors.ServerError, Fault.ENDPOINT),  # Cloudflare does not find the server
    (598, errors.ServerError, Fault.ENDPOINT),
]


@pytest.mark.parametrize(("status", "error", "fault"), ODD_STATUSES)
def test_an_odd_status_has_a_class_and_a_fault_whatever_its_body(status: int, error: type, fault: Fault) -> None:
    for body in (b"", b"slow", {"error": {"message": "no"}}):
        found = failed(status, body)
        assert (type(found), found.fault) == (error, fault), body


@pytest.mark.parametrize("status", [420, 425, 430, 498, 499])
def test_a_page_of_a_proxy_with_an_odd_status_is_not_taken_for_a_wrong_address(status: int) -> None:
    found = failed(status, b"<html><title>Enhance your calm</title></html>", retry_after="7")
    assert isinstance(found, errors.ProviderError)
    assert "Enhance your calm" in str(found)
    assert found.retry_after == 7
