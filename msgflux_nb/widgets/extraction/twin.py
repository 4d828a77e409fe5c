"""The twin of a view of a batch: its states, its figures, its problems, and the rows that ended last. All escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...display.markdown import encodable
from ...display.tool_cards import QUIET, labelled, wrong
from ...tables.outcome import STATES
from .batch_figures import rows_text
from .picture import Picture

__all__ = ["extraction_html", "extraction_text"]

# Middle tones, which keep a contrast of 3 on white and on black: an untrusted notebook has no variables of a theme.
_GREEN, _AMBER, _RED, _GREY = "#2e9e4f", "#c07a00", "#e5484d", "#8a8a8a"
_LOOKS = {
    "ok": ("✓", _GREEN),
    "cached": ("↺", _GREEN),
    "invalid": ("✕", _RED),
    "refused": ("⊘", _RED),
    "truncated": ("…", _AMBER),
    "failed": ("!", _RED),
    "skipped": ("–", _GREY),
    "interrupted": ("■", _AMBER),
    "pending": ("○", _GREY),
}
_CELL = "text-align: left; vertical-align: top; padding: 0 12px 0 4px"
_MONO = "font-family: monospace"
_BAR = (
    "display: flex; height: 8px; margin: 4px 0; border-radius: 2px; overflow: hidden; background: rgba(128,128,128,.2)"
)
_APART = "margin-right: 12px; white-space: nowrap"


def extraction_html(picture: Picture) -> str:
    """Draw the last picture."""
    head = " · ".join(["<b>extraction</b>", *map(escape, (picture["state"], picture["schema"], picture["model"]))])
    parts = [f"<div>{head}</div>", _bar(picture), _legend(picture), _figures(picture)]
    parts += [f"<div>{escape(picture[name])}</div>" for name in ("forecast", "note") if picture[name]]
    if picture["error"]:
        parts.append(wrong(escape(picture["error"])))
    if picture["problems"]:
        parts.append(labelled("what failed", "".join(map(_problem, picture["problems"])) + _more(picture)))
    if picture["rows"]:
        parts.append(labelled("the last rows", _table(picture)))
    return encodable("".join(parts))


def extraction_text(picture: Picture) -> str:
    """Write it as plain text: without times, and without what depends on which row was quicker."""
    total = picture["total"]
    of = "" if total is None else f" of {rows_text(total)}"
    lines = [f"ExtractionView · {picture['schema']} · {picture['state']} · {picture['finished']:,}{of}"]
    counts = [f"{count:,} {state}" for state, count in picture["counts"].items() if count]
    lines += [", ".join(counts)] if counts else []
    lines += [picture[name] for name in ("forecast", "note", "error") if picture[name]]
    lines += [f"{count:,} × {state}: {text}" for state, text, count, _label in picture["problems"]]
    return encodable("\n".join(lines))


def _bar(picture: Picture) -> str:
    whole = sum(picture["counts"].values()) or 1
    parts = [
        f'<div style="width: {picture["counts"][state] / whole:.2%}; background: {_LOOKS[state][1]}; '
        f'opacity: {0.55 if state in ("cached", "refused", "interrupted") else 1}"></div>'
        for state in STATES
        if picture["counts"][state] and state != "pending"
    ]
    return f'<div style="{_BAR}">{"".join(parts)}</div>'


def _legend(picture: Picture) -> str:
    parts = [
        f'<span style="{_APART}"><span style="color: {_LOOKS[state][1]}" aria-hidden="true">{_LOOKS[state][0]}</span> '
        f"{count:,} {state}</span>"
        for state, count in picture["counts"].items()
        if count
    ]
    return f"<div>{' '.join(parts)}</div>"


def _figures(picture: Picture) -> str:
    parts = [f"{escape(name)} {escape(value)}" for name, value in picture["figures"] if value != "–"]
    return f'<div><small style="{QUIET}">{" · ".join(parts)}</small></div>'


def _problem(problem: tuple[str, str, int, str]) -> str:
    state, text, count, label = problem
    shape, colour = _LOOKS[state]
    return wrong(
        f'<span style="color: {colour}" aria-hidden="true">{shape}</span> {state} × {count:,} '
        f'<small style="{QUIET}">the last: {escape(label)}</small>'
        f'<div style="white-space: pre-wrap; overflow-wrap: anywhere">{escape(text)}</div>'
    )


def _more(picture: Picture) -> str:
    left = picture["more_problems"]
    return f'<small style="{QUIET}">and {left:,} further kind{"" if left == 1 else "s"}</small>' if left else ""


def _table(picture: Picture) -> str:
    names = ["row", "state", *picture["columns"], *(["…"] if picture["more_columns"] else [])]
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in names)
    body = "".join(_row(row, len(picture["columns"])) for row in picture["rows"])
    return (
        f'<div style="overflow: auto"><table style="{_MONO}; font-size: 12px"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[Any], width: int) -> str:
    _position, label, state, cells, error, flags = row
    shape, colour = _LOOKS[state]
    drawn = f'<span style="color: {colour}" aria-hidden="true">{shape}</span> {state}'
    if flags:
        drawn += f' <span style="color: {_AMBER}; white-space: normal" title="{escape(flags)}">⚠ {escape(flags)}</span>'
    first = f'<td style="{_CELL}">{escape(label)}</td><td style="{_CELL}; white-space: nowrap">{drawn}</td>'
    if error or not cells:
        return f'<tr>{first}<td style="{_CELL}; {QUIET}" colspan="{width}">{escape(error)}</td></tr>'
    rest = "".join(f'<td style="{_CELL}">{"–" if cell is None else escape(cell)}</td>' for cell in cells)
    return f"<tr>{first}{rest}</tr>"
