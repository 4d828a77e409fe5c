"""Plans run by the real drivers against a scripted server, and the messages of their view to its page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgflux_nb as mf
from msgflux_nb.widgets.plan.plan_view import PlanView
from tests.reasoning.test_tools import calling
from tests.scripted import completion, serving, stream

VOTES = [8, 8, 10, 8, None, 10, 8, 8, 9, 8, 10, 8, 8, 10, 8, 8, 8]
CHAINS = {
    8: [
        ("Each full day and night brings the snail", "3 - 2 = 1 m further"),
        ("On the last day it does not slide back: after 7 nights it is at 7 m, and 7 + 3 = 10", "the 8th day"),
    ],
    10: [("Each full day and night brings the snail", "3 - 2 = 1 m further"), ("The wall is 10 m high", "10 days")],
    9: [("By day 3 m, by night -2 m", "9 days")],
}
STOCK = {"desk lamp": "12 in Rotterdam", "oak chair": "none; 40 arrive on 18 March"}
TASK = "Can Ms Okafor's order ship this week, and what will it weigh?"


class Telling(PlanView):
    """A view that keeps its messages."""

    def __init__(self, source: Any = None) -> None:
        self.sent: list[dict[str, Any]] = []
        super().__init__(source)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append(content)


def told(run: Callable[[Callable[[Any], Any]], Any]) -> list[dict[str, Any]]:
    """Return the messages of a view to its page while it watches a plan; ``run`` is called with its ``on_event``."""
    with closing(Telling()) as view:
        run(view.on_event)
        view._sender.flush()
        return view.sent


def model(url: str) -> Any:
    return mf.Model.chat_completion("scripted", base_url=url, max_retries=0, profile={"reasks": 0})


def chain(value: Any) -> Any:
    """Return a chain of thoughts; an answer of None makes one that cannot be read."""
    if value is None:
        return completion("I think that it is ten.")
    steps = [{"explanation": said, "output": found} for said, found in CHAINS.get(value, [("so", "it is")])]
    return completion(json.dumps({"steps": steps, "final_answer": value}))


def vote(on_event: Any = None) -> Any:
    """A vote that stops after seventeen of forty answers, of which the fifth cannot be read."""
    with serving(*map(chain, VOTES)) as server:
        task = "A snail climbs 3 m by day and slides 2 m by night. On which day is it out of a well of 10 m?"
        keywords = {"n": 40, "answer": int, "stop": "beta", "max_tokens": 20_000}
        return mf.plan.self_consistency(model(server.url), task, on_event=on_event, **keywords)


def find_order(customer: str) -> str:
    """Find an order."""
    return "A-2291: 3 desk lamps, 1 oak chair; promised for 13 March"


def stock(item: str) -> str:
    """Say what is in stock."""
    return STOCK[item]


def weight(item: str, n: int) -> str:
    """Say what items weigh."""
    return "6.3 kg, packed"


def react(on_event: Any = None, *, max_steps: int = 8) -> Any:
    """Four steps with tools, one of which repeats an earlier call, and an answer in pieces."""
    okafor = {"customer": "Okafor"}
    pieces = [
        "Not all of it. The three desk lamps can ship this week and weigh **6.3",
        " kg**. The oak chair will be late.",
    ]
    replies = [
        calling(("c1", "find_order", {"thought": "I need to know what is in the order.", **okafor})),
        calling(
            (
                "c2",
                "stock",
                {"thought": "Are both of them in stock? I can ask for the two at once.", "item": "desk lamp"},
            ),
            ("c3", "stock", {"thought": "", "item": "oak chair"}),
        ),
        calling(("c4", "find_order", {"thought": "The chair is missing. May the order be split?", **okafor})),
        calling(
            (
                "c5",
                "weight",
                {"thought": "Nothing forbids it. Then only the lamps can go.", "item": "desk lamp", "n": 3},
            )
        ),
        stream(*pieces),
    ]
    with serving(*replies) as server:
        tools = [find_order, stock, weight]
        keywords = {"tools": tools, "max_steps": max_steps, "max_calls": 8, "max_seconds": 60, "on_event": on_event}
        return mf.plan.react(model(server.url), TASK, **keywords)


def tree(on_event: Any = None) -> Any:
    """A small game that orders digits, with values, dead ends and one solution."""

    def propose(path: tuple[str, ...]) -> list[str]:
        used = {thought[-1] for thought in path}
        return [f"then {digit}" for digit in "4321" if digit not in used]

    def value(path: tuple[str, ...]) -> float:
        return float("".join(thought[-1] for thought in path)) / 10 ** len(path)

    def check(path: tuple[str, ...]) -> bool | None:
        if [thought[-1] for thought in path] == ["4", "3", "2"]:
            return True
        return False if path[-1].endswith("1") and len(path) == 1 else None

    keywords = {"breadth": 2, "depth": 3, "propose": propose, "value": value, "check": check}
    return mf.plan.tree_of_thoughts(None, "4 3 2 1 from high to low", on_event=on_event, max_calls=40, **keywords)


def asked_tree(on_event: Any = None) -> Any:
    """A tree whose model proposes thoughts, values them, and answers."""
    thoughts = completion(json.dumps({"thoughts": ["left", "right"]}))
    low, high = (completion(json.dumps({"reason": "so", "score": score})) for score in (0.2, 0.9))
    with serving(thoughts, low, high, completion("go right")) as server:
        return mf.plan.tree_of_thoughts(model(server.url), "where?", breadth=1, depth=1, on_event=on_event)


def logged_tree(puzzle: dict[str, Any], on_event: Any = None) -> Any:
    """A logged puzzle of the Game of 24, from its authors' run; a last number of 24 is solved, any other is dead."""

    def check(path: tuple[str, ...]) -> bool | None:
        left = re.search(r"\(left: ([^)]*)\)", path[-1])
        if left is None or " " in left[1]:
            return None
        return left[1] == "24"

    return mf.plan.tree_of_thoughts(
        None,
        puzzle["numbers"],
        breadth=5,
        depth=4,
        propose=lambda path: puzzle["proposals"].get("".join(path), []),
        value=lambda path: puzzle["values"].get("".join(path), 0.0),
        check=check,
        max_calls=400,
        on_event=on_event,
    )
