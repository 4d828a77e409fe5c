"""The twin of a view of tool calls: each call as a card, with a replay of the stream where scripts may run.

The HTML contains only escaped text. The stream is data in a script element that browsers do not run, without ``<``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from html import escape
from typing import Any

from ...display.html import WORDS
from ...display.markdown import encodable, markdown_html, text_html
from ...display.states import PHASES
from ...display.tool_cards import CARD_GRID, QUIET, labelled, tool_card, wrong
from ...protocol.tool_call import json_text
from ..base.replay import replay_data, replay_script, replay_style
from .lane import Fragment, Lane
from .lane_feed import thinned

__all__ = ["drawn_answer", "lanes_html", "lanes_text", "replay_html"]

REPLAY_FRAGMENTS = 3_000
REPLAY_CHARACTERS = 400_000
_CARDS = 40
_RESULT = 2_000  # characters
_SAID = {
    "asked": "waiting for approval",
    "running": "running",
    "done": "result",
    "failed": "failed",
    "rejected": "rejected",
    "stopped": "stopped",
}


def lanes_html(lanes: Sequence[Lane], *, state: str, figures: Sequence[str], answer: str, error: str) -> str:
    """Return the calls, their outcomes, and the answer after them as HTML."""
    told = " · ".join([state, *map(escape, figures)])
    heading = f'<div><b>tool calls</b> <span style="{QUIET}">{told}</span></div>'
    parts = [heading, f'<div style="{CARD_GRID}">{"".join(map(_card, lanes[:_CARDS]))}</div>' if lanes else ""]
    if not lanes:
        parts.append(f'<small style="{QUIET}">no tool calls</small>')
    if len(lanes) > _CARDS:
        parts.append(f"<small>{len(lanes) - _CARDS:,} more calls</small>")
    if answer:
        words = f'<pre dir="auto" style="{WORDS}">{escape(_cut(answer))}</pre>'
        parts.append(labelled("assistant", drawn_answer(_cut(answer)) or words))
    if error:
        parts.append(wrong(escape(_cut(error))))
    return encodable("".join(parts))


def drawn_answer(answer: str) -> str:
    """Draw the answer after the calls as Markdown; "" if it is better shown as it came, as a structure is."""
    return "" if not answer or answer.lstrip()[:1] in ("{", "[") else markdown_html(answer)


def lanes_text(lanes: Sequence[Lane], *, state: str, answer: str, error: str) -> str:
    """Return them as plain text, without times and without ids that this package made."""
    lines = [f"ToolCallView · {state} · {len(lanes)} call{'' if len(lanes) == 1 else 's'}"]
    lines += map(_line, lanes)
    lines += [f"assistant: {answer}"] if answer else []
    lines += [error] if error else []
    return encodable("\n".join(lines))


def replay_html(told: dict[str, Any], static: str) -> str:
    """Return the static cards with a replay that replaces them where scripts run.

    Args:
        told: the whole run, as a page would get it.
        static: the cards.
    """
    fragments: list[Fragment] = told["calls"]
    if sum(len(fragment.text or "") for fragment in fragments) > REPLAY_CHARACTERS:
        note = f"more than {REPLAY_CHARACTERS:,} characters of arguments are too many to keep a replay in the notebook"
        return f'{static}<div><small style="{QUIET}">{note}</small></div>'
    kept = thinned(fragments, REPLAY_FRAGMENTS)
    if len(kept) < len(fragments):
        note = f"the replay keeps {len(kept):,} of {len(fragments):,} fragments, joined"
        told = {**told, "note": " · ".join(filter(None, [told["note"], note]))}
    return (
        f'<div class="msgflux-static">{static}</div>{_style()}'
        f'<script type="application/json">{replay_data({**told, "calls": kept})}</script>{_script()}'
    )


@functools.cache
def _style() -> str:
    return replay_style("tool_calls/tool_call_view")


@functools.cache
def _script() -> str:
    return replay_script("tool_calls/call_board", "replayInTwin")


def _card(lane: Lane) -> str:
    card = tool_card(lane.state)
    said = [f"edited: {json_text(lane.edited)}"] if lane.edited is not None else []
    said += [f"rejected{': ' if lane.reason else ''}{lane.reason}"] if lane.phase == "rejected" else []
    lines = "".join(f"<div><small>{escape(_cut(line))}</small></div>" for line in said)
    if lane.result is not None and lane.phase != "rejected":
        shape = "→" if lane.phase not in PHASES or lane.phase == "done" else PHASES[lane.phase].sign
        word = _SAID.get(lane.phase, _SAID["done"])
        time = "" if lane.seconds is None else f' <small style="{QUIET}">{lane.seconds:,.2f} s</small>'
        lines += (
            f'<div><span aria-hidden="true">{shape}</span> <small style="{QUIET}">{word}</small>{time}'
            f'<div style="{WORDS}">{text_html(_cut(lane.result))}</div></div>'
        )
    elif lane.phase in ("asked", "running", "stopped"):
        lines += f"<div><small>{_SAID[lane.phase]}</small></div>"
    return f"<div>{card}{lines}</div>"


def _line(lane: Lane) -> str:
    state = lane.state
    known = f" ({lane.given_id})" if lane.given_id else ""
    status = "repaired" if state.status == "complete" and state.repaired else state.status
    what = state.raw if state.status != "complete" or state.partial is None else json_text(state.partial)
    line = f"{lane.number + 1}. {state.name or '…'}{known} {status}: {_cut(what)}"
    if lane.edited is not None:
        line += f" · edited: {_cut(json_text(lane.edited))}"
    if lane.phase in ("failed", "rejected", "stopped"):
        line += f" · {lane.phase}"
    return line if lane.result is None else f"{line} → {_cut(lane.result)}"


def _cut(text: str) -> str:
    left = len(text) - _RESULT
    return text if left <= 0 else f"{text[:_RESULT]}… {left:,} more characters"
