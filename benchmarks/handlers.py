"""How long a message of a page keeps the kernel: every kind of message to every view, with large states.

    python benchmarks/handlers.py [VIEW ...] [--rows 500000]

Each view gets states that a model, a table or a file could make, and messages that are just small enough to be read.
A time is the least of three (of seven where it is long): the processor's time of the kernel's thread until the handler
has returned, with the twin and the JSON of everything that it sends. It prints the longest of each kind, and ends with
1 if one takes more than 50 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import comm
import httpx
import msgspec
from jupyter_client.session import json_packer
from stream import load, machine

import msgflux_nb as mf
from msgflux_nb.protocol.events import ToolCallDelta
from msgflux_nb.widgets.base.messages import message_type
from msgflux_nb.widgets.base.view import View
from tests.tables.scripted_model import Scripted
from tests.widgets.test_handlers import fitted

LIMIT_MS = 50
LONG = "The quick brown fox. " * 9_000
MEGABYTE = "The quick brown fox. " * 50_000
JSON_TEXT = json.dumps({"name": "a b", "tags": ["fox", 'a "b"'] * 10_000})[:190_000]
ANSWER = {"id": "1", "choices": [{"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"}]}


class Person(msgspec.Struct):
    """What rows are read as."""

    name: str
    tags: list[str] = []


Wide = msgspec.defstruct("Wide", [(f"field_{number}", str) for number in range(2_000)])


def work(a: str = "") -> str:
    """Return it."""
    return a


def chat() -> mf.ChatCompletion:
    """Return a model that answers at once."""
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER)))
    return mf.Model.chat_completion("m", base_url="http://a.test/v1", http_client=client)


# -- states ------------------------------------------------------------------------------------------------------------


def calls(count: int, arguments: str = "{}", result: str | None = None) -> mf.ToolCallView:
    """Return a view of calls that have ended."""
    aggregator = mf.ToolCallAggregator()
    for number in range(count):
        aggregator.process(number, f"c{number}", "work", arguments)
    if result is not None:
        aggregator.insert_results({f"c{number}": result for number in range(count)})
    aggregator.finish()
    return mf.ToolCallView(aggregator, tools=[work])


def open_calls(count: int) -> mf.ToolCallView:
    """Return a view of calls that arrive and wait for a person."""
    view = mf.ToolCallView(tools=[work])
    view.begin()
    for number in range(count):
        view.add(ToolCallDelta(number, f"c{number}", "work", '{"a": "b"}'))
    for call in view.states[:1_000]:  # a page gets no more
        view._question(mf.ToolCall(call.id, "work", {"a": "b"}))
    return view


def answered(text: str) -> mf.ToolCallView:
    """Return a view of a run that has ended with an answer."""
    view = mf.ToolCallView()
    view.begin()
    view._finish("complete", answer=text)
    return view


def extraction(texts: list[str], answer: Callable[[str], Person]) -> mf.ExtractionView:
    """Return a view of a batch that has ended."""
    view = mf.ExtractionView(texts, Person, model=Scripted(answer), store=False)
    view.run(wait=True)
    return view


def review(texts: list[str], answer: Callable[[str], Person]) -> mf.ReviewView:
    """Return a view of a batch to review."""
    return mf.ReviewView(mf.extract(texts, Person, model=Scripted(answer), store=False, progress=False))


def grid(texts: list[str], answer: Callable[[str], Person]) -> mf.GridView:
    """Return a view of two prompts."""
    prompts = {"a": "{text}", "b": "Well: {text}"}
    made = mf.grid(prompts, texts, models=Scripted(answer), schema=Person, store=False, progress=False)
    return mf.GridView(made)


def turns(count: int, text: str) -> list[dict[str, str]]:
    """Return a conversation."""
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number in range(count)]


def builder(count: int, text: str) -> mf.MessageBuilder:
    """Return a builder of a conversation."""
    view = mf.MessageBuilder()
    view.messages = turns(count, text)
    return view


def playground(count: int, text: str) -> mf.Playground:
    """Return a playground with a conversation."""
    view = mf.Playground(chat(), schemas=[Person])
    view.messages = turns(count, text)
    return view


def vote(count: int, text: str) -> mf.PlanView:
    """Return a view of a vote."""
    return mf.PlanView(mf.plan.self_consistency(lambda _: text, "Which?", n=count))


def picker() -> mf.SchemaPicker:
    """Return a picker of a type with many fields."""
    return mf.SchemaPicker(schemas=[Wide, Person], value=Wide)


def short(text: str) -> Person:
    """Answer in few words."""
    return Person(text[:3], ["x"])


def long(text: str) -> Person:
    """Answer in many words, and with many of them."""
    return Person(text[:500_000], [f"word {number}" for number in range(20_000)])


def states(rows: int) -> dict[str, dict[str, Callable[[], View]]]:
    """Return the states of each view."""
    many, few = [f"Ada {number} is old." for number in range(rows)], [MEGABYTE + str(number) for number in range(6)]
    tables = {f"{rows:,} rows": (many, short), "cells of 1 MB": (few, long)}
    thousands = {f"{rows // 25:,} rows": (many[: rows // 25], short), "cells of 1 MB": (few, long)}
    talks = {"1,000 turns": (1_000, "Hi."), "3 turns of 1 MB": (3, MEGABYTE), "2 turns": (2, "Hi.")}
    return {
        "ToolCallView": {
            "100,000 calls": lambda: calls(100_000),
            "100,000 calls with results": lambda: calls(100_000, result="x"),
            "100,000 calls that arrive": lambda: open_calls(100_000),
            "a call of 5 MB": lambda: calls(1, json.dumps({"a": MEGABYTE * 5})),
            "5,000 odd calls of 1,000 characters": lambda: calls(5_000, "{'a': '" + "\u0001" * 1_000 + "'"),
            "200 results of 1 MB": lambda: calls(200, result=MEGABYTE),
            "a long answer": lambda: answered("- *a* `b` [c](https://a.test/d)\n" * 700),
            "500,000 pieces": lambda: mf.ToolCallView([(0, at, "c", "work", "a") for at in range(500_000)]),
        },
        "PrefillEditor": {
            "nothing": mf.PrefillEditor,
            "a schema": lambda: mf.PrefillEditor(chat(), schema=Person),
            "1 MB": lambda: mf.PrefillEditor(chat(), MEGABYTE, schema=Person),
        },
        "SchemaPicker": {"2,000 fields": picker},
        "MessageBuilder": {name: lambda talk=talk: builder(*talk) for name, talk in talks.items()},
        "Playground": {name: lambda talk=talk: playground(*talk) for name, talk in talks.items()},
        "PlanView": {"5,000 votes": lambda: vote(5_000, "a"), "20 votes of 1 MB": lambda: vote(20, MEGABYTE)},
        "ExtractionView": {name: lambda table=table: extraction(*table) for name, table in tables.items()},
        "ReviewView": {name: lambda table=table: review(*table) for name, table in tables.items()},
        "GridView": {name: lambda table=table: grid(*table) for name, table in thousands.items()},
    }


# -- messages ----------------------------------------------------------------------------------------------------------


def said(view: View, kind: str) -> Iterator[dict[str, Any]]:
    """Yield messages of a kind that the view has something to do for, then some of any content that fits."""
    names = {field.encode_name: field.type for field in msgspec.structs.fields(message_type(handler_of(view, kind)))}
    ids = [turn["id"] for turn in getattr(getattr(view, "builder", view), "turns", [])]
    row = getattr(view, "row", {}).get("position") if isinstance(view, mf.ReviewView) else 0
    draft = {"text": LONG, "role": "user", "call": "", "ids": [], "texts": {}}
    usual: dict[str, Any] = {
        "run": 0,
        "seq": 0,
        "lane": 0,
        "verdict": "reject",
        "reason": LONG,
        "arguments": json.dumps({"a": LONG}),
        "position": row,
        "row": 0,
        "column": 1,
        "rating": "good",
        "on": True,
        "filter": "all",
        "state": "done",
        "by": 1,
        "field": "name",
        "text": LONG,
        "random": True,
        "draft": draft,
        "role": "user",
        "to": 0,
        "id": ids[0] if ids else "",
        "sibling": 0,
        "name": "a",
        "value": LONG,
        "url": f"https://a.test/{LONG}",
        "parts": [{"kind": "text", "text": LONG}],
        "lanes": list(range(9_500)),
        "side": 0,
        "schema": "",
        "index": 0,
        "token": "a",
        "prefill": "",
        "grid": True,
        "left": 0,
    }
    for value in ({}, {"id": ids[-1]} if ids else {}, {"verdict": "edit"}, {"grid": False, "state": ""}):
        chosen = {name: {**usual, **value}.get(name, LONG) for name in names}
        yield {"type": kind, **{name: fitted(names[name], one) for name, one in chosen.items()}}
    for value in (LONG, JSON_TEXT, ["a"] * 9_500, {str(number): "a" for number in range(9_000)}):
        yield {"type": kind, **{name: fitted(kind_of, value) for name, kind_of in names.items()}}


def traits(view: View) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield texts and values for what a page may set."""
    for name in view._own_names():
        if name in ("look", "kept") or name.startswith("_"):
            continue
        for value in (LONG, JSON_TEXT, ["a"] * 9_500, {str(number): "a" for number in range(9_000)}, FORM, 1):
            yield name, {name: value}


FORM = {
    "name": "Made",
    "fields": [{"name": f"field_{number}", "type": "str"} for number in range(3_000)],
}


def handler_of(view: View, kind: str) -> Any:
    """Return the method that handles a kind of message."""
    return getattr(type(view), f"_on_{kind}")


def nothing() -> None:
    """Leave all as it is."""


def messages(view: View) -> Iterator[tuple[str, Callable[[], object], Callable[[], object]]]:
    """Yield the kind of each message with what a kernel does when it comes, and what makes it news once more."""
    yield "a page that loads", view.send_state, nothing
    kinds = sorted(one[4:] for one in dir(type(view)) if one.startswith("_on_") and one != "_on_msg")
    for kind in sorted(kinds, key=lambda kind: kind in ("stop", "clear", "delete", "undo")):
        for message in said(view, kind):
            yield kind, lambda message=message: view._receive(view, message, []), nothing  # type: ignore[misc]
    for name, state in traits(view):
        before = getattr(view, name)
        reset = functools.partial(setattr, view, name, before)
        yield f"set {name}", functools.partial(view.set_state, state), reset


def milliseconds(handle: Callable[[], object], reset: Callable[[], object], view: View) -> float:
    """Return the least of some."""
    best = float("inf")
    for run in range(7):
        began = time.thread_time()
        with contextlib.suppress(Exception):  # a trait of another type; the kernel logs it
            handle()
        best = min(best, (time.thread_time() - began) * 1_000)
        reset()
        if best < LIMIT_MS / 5 or (run > 1 and best < LIMIT_MS):
            break
    settle(view)
    return best


def settle(view: View) -> None:
    """Wait until what the message has begun has ended, so that the next one is alone."""
    ends = time.monotonic() + 30
    while getattr(view, "running", False) and time.monotonic() < ends:
        time.sleep(0.01)


def measured(view: View, state: str) -> dict[str, tuple[float, str]]:
    """Return the longest handler of each kind, with the state."""
    view._displayed = True
    found: dict[str, tuple[float, str]] = {}
    for kind, handle, reset in messages(view):
        taken = milliseconds(handle, reset, view)
        found[kind] = max(found.get(kind, (0.0, "")), (taken, state))
    for thread in threading.enumerate():
        if thread.name == "msgflux-batches":  # it may still draw the twin
            thread.join(20)
    view.close()
    return found


class Sent(comm.base_comm.BaseComm):
    """A comm that encodes as Jupyter's does, and sends nothing."""

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        """Encode a message."""
        json_packer({"type": msg_type, "data": data, "metadata": metadata})


def published(data: Any, metadata: Any = None, **_: Any) -> None:
    """Encode an output."""
    json_packer({"data": data, "metadata": metadata})


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("views", nargs="*", help="such as ReviewView; all by default")
    parser.add_argument("--rows", type=int, default=500_000)
    chosen = parser.parse_args()
    comm.create_comm = lambda *given, **options: Sent(*given, **options)
    print(f"{datetime.date.today()}, {machine()}, load {load()} before.\n")
    print("| view | message | longest, ms | with | held |\n|---|---|--:|---|---|")
    slow = 0
    with mock.patch("IPython.display.publish_display_data", published):
        for view, made in states(chosen.rows).items():
            found: dict[str, tuple[float, str]] = {}
            for state, make in made.items() if view in chosen.views or not chosen.views else ():
                for kind, one in measured(make(), state).items():
                    found[kind] = max(found.get(kind, (0.0, "")), one)
                gc.collect()
            for kind, (taken, state) in sorted(found.items()):
                slow += taken > LIMIT_MS
                print(
                    f"| {view} | {kind} | {taken:.1f} | {state} | {'yes' if taken <= LIMIT_MS else 'NO'} |", flush=True
                )
    print(f"\nload {load()} after.")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
