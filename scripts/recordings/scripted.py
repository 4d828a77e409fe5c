"""Records what no embedded model does on demand: parallel tool calls in a stream, and an error of each kind.

A scripted server gives the answers; the recordings' titles and the model's name say so.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgflux_nb as mf
from scripts.recordings.place import recording
from tests.scripted import Reply, chunk, completion, serving, stream

CITIES = ("Lisbon", "Oslo", "Nairobi")


def weather(city: str, unit: str = "celsius") -> str:
    """Say what the weather is like in a city.

    Args:
        city: its name.
        unit: celsius or fahrenheit.
    """
    return f"{city}: 20 degrees {unit}"


def parallel_calls() -> Reply:
    """Yield three calls with interleaved fragments, with pauses like a model's."""
    pieces: list[Any] = [0.2]
    for number, city in enumerate(CITIES):
        function = {"name": "weather", "arguments": ""}
        pieces.append(
            chunk(
                None,
                tool_calls=[
                    {
                        "index": number,
                        "id": f"call_{city.lower()}",
                        "type": "function",  # type: ignore[arg-type]  # as OpenAI sends it
                        "function": function,
                    }
                ],
            )
        )
        pieces.append(0.08)
    texts = [json.dumps({"city": city, "unit": "celsius"}) for city in CITIES]
    for start in range(0, max(map(len, texts)), 4):
        for number, text in enumerate(texts):
            if text[start : start + 4]:
                fragment = {"index": number, "function": {"arguments": text[start : start + 4]}}
                pieces += [chunk(None, tool_calls=[fragment]), 0.03]  # type: ignore[arg-type]  # as above
    pieces += [chunk("", "tool_calls"), b"data: [DONE]\n\n"]
    return Reply(pieces, headers={"Content-Type": "text/event-stream"})


def in_words() -> Reply:
    """Return the model's answer to the results."""
    return stream("It is ", 0.05, "20 degrees ", 0.05, "in Lisbon, ", 0.05, "in Oslo ", 0.05, "and in Nairobi.")


def failure(status: int, message: str, code: str, **headers: str) -> Reply:
    """Return an error in OpenAI's form."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    told = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Reply([json.dumps(body).encode()], status=status, headers=told)


ERRORS: dict[str, tuple[dict[str, Any], list[Reply]]] = {
    "Too many requests": (
        {},
        [
            failure(
                429, "Rate limit reached for requests. Please try again in 1s.", "rate_limit_exceeded", Retry_After="1"
            ),
            completion("Here I am, after a wait."),
        ],
    ),
    "A stream that is cut": (
        {"stream": True},
        [stream("The answer ", 0.1, "is ", 0.1, "forty-", done=False, cut=True)],
    ),
    "A refusal": ({}, [completion(None, refusal="I cannot help with that.")]),
    "A model that was retired": (
        {},
        [failure(404, "The model `gpt-3.5-turbo-0301` has been deprecated.", "model_not_found")],
    ),
    "An answer that is cut at its limit": ({}, [completion("One, two, three, four,", reason="length")]),
    "A key that is wrong": ({}, [failure(401, "Incorrect API key provided.", "invalid_api_key")]),
    "An account without money": ({}, [failure(429, "You exceeded your current quota.", "insufficient_quota")]),
    "A server that fails": ({}, [failure(500, "The server had an error.", "server_error")]),
}


def model_at(url: str, **options: Any) -> mf.ChatCompletion:
    return mf.Model.chat_completion("scripted", base_url=url, **options)


def main() -> None:
    record_calls()
    record_errors()


def record_calls() -> None:
    title = "Three tool calls at once, in a stream (from a scripted server)"
    with serving(parallel_calls(), in_words()) as server, recording("parallel_calls", title, licence="MIT"):
        model, asked = model_at(server.url), f"What is the weather in {', '.join(CITIES)}?"
        calls = model(asked, tool_schemas=[weather], stream=True).consume()
        calls.insert_results({call.id: weather(**call.arguments) for call in calls.get_calls()})
        history = [mf.ChatBlock.user(asked), *calls.get_messages()]
        print(model(history, tool_schemas=[weather], stream=True).consume())


def record_errors() -> None:
    with recording("errors", "An error of each kind (from a scripted server)", licence="MIT"):
        for question, (keywords, replies) in ERRORS.items():
            with serving(*replies) as server, contextlib.suppress(mf.MsgfluxError):
                retries = 2 if len(replies) > 1 else 0
                print(question, repr(model_at(server.url, max_retries=retries)(question, **keywords).consume()))


if __name__ == "__main__":
    main()
