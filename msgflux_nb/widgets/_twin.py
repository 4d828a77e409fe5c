"""The static twin of a widget: what a saved notebook shows where no kernel and no script run.

Every value is escaped. The markup is plain and semantic, since an untrusted notebook keeps classes and tags but loses
the style sheet. The text form is the same for the same content: no addresses, no times.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

import msgspec

from ._structure import Row

__all__ = ["WORDS", "Picture", "answer_html", "structure_html", "twin_html", "twin_text"]

# Where a trusted notebook is opened without its kernel, the live output is a bare text: "Loading widget..." and then
# "model not found". Only such an output, and only directly above its twin, is hidden. An untrusted notebook drops this
# sheet, and shows an empty line in that place.
_STYLE = (
    ".jp-OutputArea-child:not(:has(> .jp-OutputArea-output > *))"
    ":has(+ .jp-OutputArea-child > .jp-OutputArea-output > .msgflux-twin) { display: none }"
)
# In attributes, because these survive in untrusted notebooks.
_BOX = "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 3px; padding: 8px 12px; line-height: 20px"
_TURN = "display: flex; column-gap: 12px; margin: 4px 0"
_ROLE = "flex: 0 0 64px; opacity: 0.75"
# JupyterLab breaks words in a pre anywhere.
WORDS = (
    "margin: 0; padding: 0; font-family: inherit; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"
)
_MARK = "background-color: rgba(33, 118, 210, 0.18); color: inherit"
_CELL = "text-align: left; vertical-align: top; padding: 0 12px 0 4px; white-space: pre-wrap"
_CODE = "; font-family: monospace; opacity: 0.75"


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The last state of a widget that asks a model, as values.

    Attributes:
        run: counts the runs; 0 before the first.
        state: ``idle``, ``running``, ``complete``, ``stopped`` or ``failed``.
        model: the model's name.
        schema: the name of what was asked for; empty for text.
        system_prompt: instructions, or empty.
        prompt: the user's text.
        images: one line for each image; pixels are not kept.
        prefill: the start of the answer that was given.
        continuation: what the model wrote.
        rows: the structure.
        error: class name and message, or None.
        status: tokens, cost, times, why it ended.
        lasting_status: the same without times.
    """

    model: str
    run: int = 0
    state: str = "idle"
    schema: str = ""
    system_prompt: str = ""
    prompt: str = ""
    images: tuple[str, ...] = ()
    prefill: str = ""
    continuation: str = ""
    rows: tuple[Row, ...] = ()
    error: tuple[str, str] | None = None
    status: tuple[str, ...] = ()
    lasting_status: tuple[str, ...] = ()


def boxed(inner: str, number: int = 0) -> str:
    """Return a twin's HTML in its box; JupyterLab is told to look for no formulas in it.

    Args:
        inner: what the twin shows.
        number: counts the twins of one widget.
    """
    opening = f'<div class="msgflux-twin mathjax_ignore tex2jax_ignore" data-kept="{number}" style="{_BOX}">'
    return f"{opening}<style>{_STYLE}</style>{inner}</div>"


def twin_html(picture: Picture, title: str) -> str:
    """Draw a picture as HTML."""
    heading = " · ".join(filter(None, [f"<b>{_safe(picture.model)}</b>", _safe(picture.schema), _safe(picture.state)]))
    parts = [f'<div style="{_TURN}"><small style="{_ROLE}">{_safe(title)}</small><span>{heading}</span></div>']
    parts += [_turn(role, _safe(text)) for role, text in _turns(picture)]
    if picture.prefill or picture.continuation:
        parts.append(_turn("assistant", answer_html(picture.prefill, picture.continuation)))
    if any(row.value is not None for row in picture.rows):
        table = structure_html(picture.rows)
        parts.append(f'<div style="{_TURN}"><small style="{_ROLE}">structure</small>{table}</div>')
    if picture.error is not None:
        name, message = picture.error
        parts.append(_turn("error", f"<b>{_safe(name)}</b> {_safe(message)}"))
    if picture.status:
        parts.append(_turn("", f"<small>{_safe(' · '.join(picture.status))}</small>"))
    return "".join(parts)


def twin_text(picture: Picture, title: str) -> str:
    """Write a picture as plain text that is the same for the same content."""
    lines = [" · ".join(filter(None, [title, picture.model, picture.schema, picture.state]))]
    lines += [f"{role}: {text}" for role, text in _turns(picture)]
    if picture.prefill or picture.continuation:
        lines.append(f"assistant: {picture.prefill}{picture.continuation}")
    lines += [f"{row.field}: {row.value}  ({row.type})" for row in picture.rows if row.value is not None]
    if picture.error is not None:
        lines.append(": ".join(picture.error))
    if picture.lasting_status:
        lines.append(" · ".join(picture.lasting_status))
    return "\n".join(lines)


def _turns(picture: Picture) -> Iterable[tuple[str, str]]:
    if picture.system_prompt:
        yield "system", picture.system_prompt
    if picture.prompt:
        yield "user", picture.prompt
    for line in picture.images:
        yield "image", line


def _turn(role: str, inner: str) -> str:
    return f'<div style="{_TURN}"><small style="{_ROLE}">{role}</small><pre style="{WORDS}">{inner}</pre></div>'


def answer_html(prefill: str, continuation: str) -> str:
    """Draw an answer's text, the prefill in its tint."""
    mark = f'<mark style="{_MARK}">{_safe(prefill)}</mark>' if prefill else ""
    return f"{mark}{_safe(continuation)}"


def structure_html(rows: Iterable[Row]) -> str:
    """Draw a structure as a table: field, value, type."""
    return f"<table><tbody>{''.join(map(_table_row, rows))}</tbody></table>"


def _table_row(row: Row) -> str:
    cells = ((_CODE, row.field), ("", row.value or ""), (_CODE, row.type))
    return "<tr>" + "".join(f'<td style="{_CELL}{code}">{_safe(text)}</td>' for code, text in cells) + "</tr>"


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
