"""The twin of a batch's view: the last state without buttons. Every value is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ...display.icons import icon
from ...display.markdown import encodable
from ...display.states import ROWS, State, word_colour
from ...display.tool_cards import QUIET, wrong
from ...tables.outcome import FAILURES, STATES
from .batch_figures import rows_text
from .picture import Picture

__all__ = ["extraction_html", "extraction_text"]

_LINE = "rgba(128, 128, 128, .28)"
_CELL = (
    f"border-bottom: 1px solid {_LINE}; max-width: 24em; overflow: hidden; padding: 3px 12px; "
    "text-align: left; text-overflow: ellipsis; vertical-align: top; white-space: nowrap"
)
_TABLE = "border-collapse: collapse; font-size: 13px; width: 100%"
_RIGHT = "; font-variant-numeric: tabular-nums; text-align: right"
_BAR = "background: rgba(128, 128, 128, .2); display: flex; height: 4px; margin: 6px 0; forced-color-adjust: none"
_APART = "margin-right: 14px; white-space: nowrap"
_PICTURE = (
    "align-items: flex-end; display: flex; gap: 1px; height: 28px; margin-top: 4px; min-width: 84px; "
    "forced-color-adjust: none"
)
_HATCHED = "background: repeating-linear-gradient(-45deg, #8a8a8a 0 1px, transparent 1px 4px); margin-left: 4px"


def extraction_html(picture: Picture) -> str:
    """Return the last picture as HTML."""
    rows = "" if picture["total"] is None else f"{picture['total'] + picture['more_rows']:,} "
    about = f"from {rows}rows · {picture['model']}"
    head = f'<b>{escape(picture["schema"])}</b> <small style="{QUIET}">{escape(about)}</small>'
    parts = [f"<div>{head}</div>", _bar(picture), _sentence(picture)]
    parts += [f"<div>{escape(picture[name])}</div>" for name in ("forecast", "note") if picture[name]]
    if picture["error"]:
        parts.append(wrong(escape(picture["error"])))
    if picture["rows"]:
        parts.append(_table(picture))
    parts += map(_problem, picture["problems"])
    parts.append(_more(picture))
    parts.append(_figures(picture))
    return encodable("".join(parts))


def extraction_text(picture: Picture) -> str:
    """Return it as plain text, without times and without anything that depends on the order of rows."""
    total = picture["total"]
    of = "" if total is None else f" of {rows_text(total)}"
    lines = [f"ExtractionView · {picture['schema']} · {picture['state']} · {picture['finished']:,}{of}"]
    counts = [f"{count:,} {state}" for state, count in picture["counts"].items() if count]
    lines += [", ".join(counts)] if counts else []
    lines += [picture[name] for name in ("forecast", "note", "error") if picture[name]]
    lines += [f"{count:,} × {state}: {text}" for state, text, count, _label in picture["problems"]]
    return encodable("\n".join(lines))


def _bar(picture: Picture) -> str:
    whole = (sum(picture["counts"].values()) + picture["more_rows"]) or 1
    parts = [
        f'<div style="min-width: 2px; width: {picture["counts"][state] / whole:.2%}; background: {ROWS[state].colour}; '
        f'opacity: {0.55 if state in ("cached", "refused", "interrupted") else 1}"></div>'
        for state in STATES
        if picture["counts"][state] and state != "pending"
    ]
    return f'<div style="{_BAR}">{"".join(parts)}</div>'


def _sentence(picture: Picture) -> str:
    """Return the progress and the states that occur."""
    total, more = picture["total"], picture["more_rows"]
    of = f"tried of {picture['finished'] + more:,}" if more else "" if total is None else f"of {total:,}"
    done = f'<b style="font-size: 1.3em">{picture["finished"]:,}</b> <span style="{QUIET}">{of}</span>'
    parts = [f'<span style="{_APART}">{done}</span>']
    for state, count in picture["counts"].items():
        if count:
            parts.append(f'<span style="{_APART}">{_mark(ROWS[state])} {count:,} {ROWS[state].word}</span>')
    cost, words = picture["paid"]
    if cost:
        parts.append(
            f'<span style="{_APART}"><b>{escape(cost)}</b> <span style="{QUIET}">{escape(words)}</span></span>'
        )
    return f"<div>{' '.join(parts)}</div>"


def _mark(says: State) -> str:
    drawn = icon(says.icon) if says.icon else says.sign
    return f'<span style="color: {says.colour}" aria-hidden="true">{drawn}</span>'


def _figures(picture: Picture) -> str:
    shown = [(name, value) for name, value in picture["figures"] if value != "–" and name not in ("rows", "cost")]
    parts = [f"{escape(name)} {escape(value)}" for name, value in shown if name != "for the rest"]
    return f'<div><small style="{QUIET}">{" · ".join(parts)}</small></div>'


def _problem(problem: tuple[str, str, int, str]) -> str:
    state, text, count, label = problem
    return wrong(
        f"{_mark(ROWS[state])} {state} × {count:,} "
        f'<small style="{QUIET}">the last: row {escape(label)}</small>'
        f'<div style="white-space: pre-wrap; overflow-wrap: anywhere">{escape(text)}</div>'
    )


def _more(picture: Picture) -> str:
    left = picture["more_problems"]
    return f'<small style="{QUIET}">and {left:,} further kind{"" if left == 1 else "s"}</small>' if left else ""


# -- the table --------------------------------------------------------------------------------------------------------


def _table(picture: Picture) -> str:
    heads = "".join(map(_head, picture["columns"], picture["heads"]))
    more = f'<th style="{_CELL}">+ {picture["more_columns"]}</th>' if picture["more_columns"] else ""
    first = f'<th style="{_CELL}; {QUIET}; font-weight: 400">row</th>'
    numbers = [head["number"] for head in picture["heads"]]
    body = "".join(_row(row, numbers) for row in picture["rows"])
    return (
        f'<div style="overflow: auto; margin: 6px 0"><table style="{_TABLE}">'
        f"<thead><tr>{first}{heads}{more}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(name: str, head: Mapping[str, Any]) -> str:
    """Return a column's name, type and distribution."""
    title = f'{escape(name)} <small style="{QUIET}; font-weight: 400">{escape(head["type"])}</small>'
    drawn = "".join(_bars(head.get("bars", ()))) + "".join(_shares(head))
    missing = head.get("missing", 0)
    if missing:
        drawn += f'<div style="{_HATCHED}; height: 100%; width: {max(3, min(60, missing * 100)):.0f}%"></div>'
    caption = " · ".join(filter(None, [_caption(head), f"{missing:.0%} missing" if missing else ""]))
    return (
        f'<th style="{_CELL}{_RIGHT if head["number"] else ""}">{title}<div style="{_PICTURE}" aria-hidden="true">'
        f'{drawn}</div><small style="{QUIET}; font-weight: 400">{escape(caption)}</small></th>'
    )


def _bars(counts: Sequence[int]) -> list[str]:
    most = max(counts, default=0) or 1
    return [
        f'<div style="background: rgba(128, 128, 128, .6); flex: 1 1 0; height: {count / most:.0%}"></div>'
        for count in counts
    ]


def _shares(head: Mapping[str, Any]) -> list[str]:
    counts = [count for _, count in head.get("shares", ())]
    counts = (
        [sum(counts) + head["others"]] if head.get("all_differ") else [*counts, *filter(None, [head.get("others")])]
    )
    return [
        f'<div style="background: rgba(128, 128, 128, {max(0.2, 0.55 - 0.12 * place):.2f}); flex: {count} 1 0; '
        'height: 18px"></div>'
        for place, count in enumerate(counts)
    ]


def _caption(head: Mapping[str, Any]) -> str:
    if "bars" in head:
        return " – ".join(dict.fromkeys(filter(None, head["ends"])))
    if head.get("all_differ"):
        return f"{head['distinct']:,}, all different"
    names = [name for name, _ in head.get("shares", ())[:2]]
    more = head.get("distinct", 0) - len(names)
    return ", ".join([*names, *([f"{more:,} more"] if more > 0 else [])])


def _row(row: Sequence[Any], numbers: Sequence[bool]) -> str:
    _position, label, state, cells, error, flags = row
    says = ROWS[state] if state in FAILURES or not flags else ROWS["truncated"]
    mark = f" {_mark(says)}" if state in FAILURES or flags else ""
    first = f'<td style="{_CELL}; {QUIET}">{escape(label)}{mark}</td>'
    if error or not cells:
        said = f'<b style="color: {word_colour(says.colour)}">{state}</b>{" · " if error else ""}{escape(error)}'
        return f'<tr>{first}<td style="{_CELL}" colspan="{max(1, len(numbers))}">{said}</td></tr>'
    rest = "".join(
        f'<td style="{_CELL}{_RIGHT if number else ""}">{"–" if cell is None else escape(cell)}</td>'
        for cell, number in zip(cells, numbers, strict=True)
    )
    said = f' title="{escape(flags)}"' if flags else ""
    return f"<tr{said}>{first}{rest}</tr>"
