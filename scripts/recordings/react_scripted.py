"""The three runs of ``scripts.recordings.react`` as a scripted server plays them, until a model has made them.

``python -m scripts.recordings.react`` asks the embedded model the same and takes the place of this recording.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgflux_nb as mf
from scripts.recordings.place import recording
from scripts.recordings.react import TASKS, price, to_dollars
from tests.scripted import Reply, completion, serving

_numbers = itertools.count(1)


def call(name: str, thought: str, **arguments: Any) -> Reply:
    """One turn: a thought and a call of a tool."""
    function = {"name": name, "arguments": json.dumps({"thought": thought, **arguments})}
    calls = [{"index": 0, "id": f"call_{next(_numbers)}", "type": "function", "function": function}]
    return completion(None, reason="tool_calls", usage=120, tool_calls=calls)


RUNS = (
    [
        call("price", "I need the price of a lamp first.", item="lamp"),
        call("to_dollars", "A lamp costs 40 euros; the question is in dollars.", euros=40.0),
        completion("A lamp costs 44.00 dollars.", usage=90),
    ],
    [
        call("price", "The price list has what a desk costs.", item="desk"),
        completion("A desk costs 120.0 euros.", usage=80),
    ],
    [
        call("price", "Look up the price of a sofa.", item="sofa"),
        call("price", "Not found; perhaps it is listed as a couch.", item="couch"),
        call("price", "Still not found; try settee.", item="settee"),
        call("price", "Try the plural.", item="sofas"),
        completion("I could not find what a sofa costs.", usage=95),
    ],
)


def main() -> None:
    title = "Three runs that think and use tools; one of them wastes its budget (from a scripted server)"
    replies = [reply for run in RUNS for reply in run]
    with serving(*replies) as server, recording("react", title, licence="MIT"):
        model = mf.Model.chat_completion("scripted", base_url=server.url)
        for task, budget in TASKS.items():
            result = mf.plan.react(model, task, tools=[price, to_dollars], **budget)
            print(task, "->", result.final_answer, result.stopped, result.calls)
        assert len(server.bodies) == len(replies)


if __name__ == "__main__":
    main()
