"""The twin of a plan's view: the last state as escaped HTML, with a replay where scripts may run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from ...display.figures import dollars
from ...display.html import WORDS
from ...display.markdown import encodable
from ...display.tool_cards import QUIET, wrong
from ...errors import printable
from ..base.replay import replay_data, replay_script, replay_style
from .moments import Moments

__all__ = ["TITLES", "plan_html", "plan_text", "replay_html"]

REPLAY_MOMENTS = 20_000
TITLES = {
    "react": "Reason and act",
    "self_consistency": "Ask often, vote",
    "tree_of_thoughts": "Tree of thoughts",
    "": "Plan",
}
_ROWS = 60
_LONGEST = 600
_CELL = "text-align: left; vertical-align: top; padding: 2px 16px 2px 0; white-space: pre-wrap; overflow-wrap: anywhere"
_BAR = (
    "display: inline-block; height: 0.7em; margin-right: 8px; background: rgba(128, 128, 128, 0.55); "
    "forced-color-adjust: none"
)


def plan_html(moments: Moments, *, state: str, error: str) -> str:
    """Return the present plan as HTML: the budget, then steps, votes or nodes, and the answer."""
    head = " · ".join([f"<b>{TITLES[moments.head['kind']]}</b>", escape(state), escape(_budget(moments))])
    draw = {"react": _lanes, "self_consistency": _votes, "tree_of_thoughts": _nodes}.get(moments.head["kind"])
    rows = [] if draw is None else list(draw(moments))
    more = f'<small style="{QUIET}">{len(rows) - _ROWS:,} more rows</small>' if len(rows) > _ROWS else ""
    table = f"<table><tbody>{''.join(rows[:_ROWS])}</tbody></table>{more}" if rows else ""
    answer = _answer(moments)
    said = "" if answer is None else f'<pre style="{WORDS}; font-weight: 600">{escape(answer)}</pre>'
    return encodable(f"<div>{head}</div>{table}{said}{wrong(escape(error)) if error else ''}")


def plan_text(moments: Moments, *, state: str, error: str) -> str:
    """Return the present plan as plain text, without times."""
    lines = [f"PlanView · {TITLES[moments.head['kind']]} · {state} · {moments.spent.calls} calls"]
    lines += [_cut(line) for line in _lines(moments)]
    answer = _answer(moments)
    lines += [f"answer: {_cut(answer)}"] if answer is not None else []
    return encodable("\n".join([*lines, *([error] if error else [])]))


def replay_html(told: dict[str, Any], static: str) -> str:
    """Return the static drawing with a replay that replaces it where scripts run."""
    if len(told["moments"]) > REPLAY_MOMENTS:
        note = f"{len(told['moments']):,} moments are too many to keep a replay of them in the notebook"
        return f'{static}<div><small style="{QUIET}">{note}</small></div>'
    return (
        f'<div class="msgflux-static">{static}</div>{_style()}'
        f'<script type="application/json">{replay_data(told)}</script>{_script()}'
    )


@functools.cache
def _style() -> str:
    return replay_style("plan/plan_view")


@functools.cache
def _script() -> str:
    return replay_script("plan/plan_board", "replayPlan")


def _budget(moments: Moments) -> str:
    spent, limits = moments.spent, moments.head["limits"]

    def of(name: str, value: float | None, write: Callable[[Any], str]) -> str:
        limit = f" of {write(limits[name])}" if name in limits else ""
        return ("–" if value is None else write(value)) + limit

    parts = [
        f"{of('max_calls', spent.calls, '{:,}'.format)} calls",
        *([f"{of('max_tokens', spent.tokens, '{:,}'.format)} tokens"] if spent.tokens is not None else []),
        *([of("max_cost", spent.cost, dollars)] if spent.cost is not None else []),
        f"{of('max_seconds', spent.seconds, '{:,.4g}'.format)} s",
    ]
    result = None if moments.ended is None else moments.ended.result
    stopped = None if result is None else result.stopped
    return " · ".join([*parts, *([f"stopped: {stopped}"] if stopped else [])])


def _answer(moments: Moments) -> str | None:
    result = None if moments.ended is None else moments.ended.result
    return None if result is None or result.final_answer is None else str(result.final_answer)


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td style={chr(34)}{_CELL}{chr(34)}>{cell}</td>' for cell in cells)}</tr>"


def _quiet(text: str) -> str:
    return f'<small style="{QUIET}">{escape(text)}</small>'


def _lanes(moments: Moments) -> Iterator[str]:
    for number, step in moments.steps:
        call = f"<code><b>{escape(step.name)}</b>({escape(_cut(_arguments(step)))})</code>"
        yield _row(str(number), escape(_cut(step.thought)), call, escape(_cut(f"→ {step.result}")))


def _votes(moments: Moments) -> Iterator[str]:
    for group, samples in _groups(moments):
        first = samples[0]
        shown = f"not readable: {first.problem}" if group is None else str(first.answer)
        bar = f'<span style="{_BAR}; width: {min(24 * len(samples), 480)}px"></span>'
        numbers = ", ".join(str(sample.number + 1) for sample in samples)
        share = f"{len(samples) / len(moments.samples):.0%}"
        yield _row(escape(_cut(shown)), f"{bar}{len(samples)} · {share}", _quiet(numbers))


def _groups(moments: Moments) -> list[tuple[int | None, list[Any]]]:
    groups: dict[int | None, list[Any]] = {}
    for number in sorted(moments.samples):
        sample = moments.samples[number]
        groups.setdefault(sample.group, []).append(sample)
    return sorted(groups.items(), key=lambda item: (item[0] is None, -len(item[1])))


def _nodes(moments: Moments) -> Iterator[str]:
    best = _best(moments)
    for node in _in_order(moments):
        value = "" if node.value is None else f"{node.value:g}"
        thought = escape(_cut(node.path[-1].strip()))
        if node.state == "dead":
            thought = f"<s>{thought}</s>"
        if node.id in best:
            thought = f"<b>{thought}</b>"
        indent = f'<span style="padding-left: {24 * (node.level - 1)}px">{thought}</span>'
        yield _row(
            f'<small style="{QUIET}">{escape(value)}</small>', indent, f'<small style="{QUIET}">{node.state}</small>'
        )


def _in_order(moments: Moments) -> Iterator[Any]:
    """Yield each node, followed by the nodes that continue it."""
    below: dict[int | None, list[Any]] = {}
    for node in moments.nodes.values():
        below.setdefault(node.parent, []).append(node)
    waiting = list(reversed(below.get(None, [])))
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(below.get(node.id, []))


def _best(moments: Moments) -> set[int]:
    result = None if moments.ended is None else moments.ended.result
    if result is None or not result.paths:
        return set()
    path = result.paths[0]
    ends = {path[:length] for length in range(1, len(path) + 1)}
    return {node.id for node in moments.nodes.values() if node.path in ends}


def _lines(moments: Moments) -> Iterator[str]:
    match moments.head["kind"]:
        case "react":
            for number, step in moments.steps:
                yield f"{number}. {step.thought or '–'} → {step.name}({_arguments(step)}) → {step.result}"
        case "self_consistency":
            for group, samples in _groups(moments):
                shown = f"not readable: {samples[0].problem}" if group is None else samples[0].answer
                yield f"{len(samples)} × {shown}"
        case "tree_of_thoughts":
            for node in list(_in_order(moments))[:_ROWS]:
                value = "–" if node.value is None else f"{node.value:g}"
                yield f"{'  ' * (node.level - 1)}{node.path[-1].strip()} ({value}, {node.state})"


def _arguments(step: Any) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in (step.arguments or {}).items())


def _cut(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
