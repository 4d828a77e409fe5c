"""Draws a plan's result for a notebook: its answer, its samples, nodes or turns, and a line of figures."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

from ..errors import printable
from .figures import dollars, recorded
from .html import WORDS
from .markdown import NO_MATHS, encodable
from .tool_cards import QUIET
from .words import shown_text

__all__ = ["plan_bundle", "plan_figures", "plan_recorded"]

_ROWS_SHOWN = 40
_LONGEST = 400


def plan_bundle(result: Any) -> dict[str, str]:
    """Return what a notebook displays for a plan's result: ``text/html`` and ``text/plain``."""
    rows = _rows(result)
    shown = rows[:_ROWS_SHOWN]
    more = [f"… {len(rows) - len(shown)} more in .trace"] if len(rows) > len(shown) else []
    figures = " · ".join(plan_figures(result))
    answer = "–" if result.final_answer is None else _cut(str(result.final_answer), 4000)
    items = "".join(f'<li><pre style="{WORDS}">{escape(row)}</pre></li>' for row in [*shown, *more])
    drawn = (
        f'<div class="msgflux-plan {NO_MATHS}" style="line-height: 20px"><pre style="{WORDS}">{escape(answer)}</pre>'
        f'<details style="margin: 8px 0"><summary style="{QUIET}">{escape(result.kind)} · {len(rows)} in the trace'
        f"</summary><ol>{items}</ol></details>"
        f'<div><small style="{QUIET}">{escape(figures)}</small></div></div>'
    )
    words = "\n".join([answer, *(f"  {row}" for row in [*shown, *more]), figures])
    return {"text/html": encodable(drawn), "text/plain": shown_text(words)}


def plan_figures(result: Any, *, times: bool = True) -> tuple[str, ...]:
    """Describe a plan's cost and why it stopped, in short words; without ``times``, equal plans have equal words."""
    tokens = None if result.usage is None else result.usage.total_tokens
    parts = [
        f"{result.calls} calls",
        "– tokens" if tokens is None else f"{tokens:,} tokens",
        "– cost" if result.cost is None else dollars(result.cost),
        f"{_seconds(result):,.2f} s" if times else "",
        "" if result.margin is None else f"margin {result.margin:.0%}",
        "answers grouped by a model" if result.judged else "",
        "" if result.stopped is None else f"stopped: {result.stopped}",
        *plan_recorded(result),
    ]
    return tuple(filter(None, parts))


def plan_recorded(result: Any) -> tuple[str, ...]:
    """Say when the answers were recorded, and by which model; empty if one of them came from the network."""
    found = [recorded(response.metadata) for response in result.responses]
    return found[0] if found and all(found) else ()


def _seconds(result: Any) -> float:
    """Return the plan's seconds; for a replay the recorded ones, which do not depend on its speed."""
    if not plan_recorded(result):
        return float(result.seconds)
    return sum(response.metadata.seconds or 0.0 for response in result.responses)


def _rows(result: Any) -> list[str]:
    """Return a line for each group of a vote, node of a tree, and tool call."""
    if result.kind == "self_consistency":
        return _votes([entry for entry in result.trace if hasattr(entry, "group")])
    rows = []
    for entry in result.trace:
        if hasattr(entry, "steps"):
            rows += [_cut(f"{s.thought or '–'} → {s.name}({s.arguments}) → {s.result}") for s in entry.steps]
            rows += [] if entry.steps else [_cut(entry.text)]
        elif hasattr(entry, "state"):
            value = "–" if entry.value is None else f"{entry.value:g}"
            rows.append(_cut(f"{'· ' * (entry.level - 1)}{entry.path[-1].strip()} ({value}, {entry.state})"))
    return rows


def _votes(samples: list[Any]) -> list[str]:
    counts = Counter(sample.group for sample in samples)
    first = {sample.group: sample for sample in reversed(samples)}
    rows = []
    for group, count in sorted(counts.items(), key=lambda item: (item[0] is None, -item[1])):
        shown = f"not read: {first[group].problem}" if group is None else str(first[group].answer)
        rows.append(_cut(f"{count} × {shown}"))
    return rows


def _cut(text: str, limit: int = _LONGEST) -> str:
    text = printable(text)
    return text if len(text) <= limit else f"{text[:limit]}…"
