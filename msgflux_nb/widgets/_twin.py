"""The static twin of a widget: what a saved notebook shows where no kernel and no script run.

Every value is escaped. The markup is plain and semantic, since an untrusted notebook keeps classes and tags but loses
the style sheet. The text form is the same for the same content: no addresses, no times.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

import msgspec

from ._structure import Row

__all__ = ["Picture", "twin_html", "twin_text"]

# Where a trusted notebook is opened without its kernel, the live output says "model not found", as text alone in a
# container of this class; only such an output, and only directly above its twin, is hidden.
_STYLE = """
.jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets:not(:has(*))):has(+ .jp-OutputArea-child
 > .jp-OutputArea-output > .msgflux-twin) { display: none }
.msgflux-twin { border: 1px solid rgba(128, 128, 128, .35); border-radius: 3px; padding: 8px 12px }
.msgflux-twin p { margin: 0 0 4px }
.msgflux-twin pre { margin: 0 0 8px; white-space: pre-wrap; overflow-wrap: anywhere; background: none; padding: 0 }
.msgflux-twin mark { background: rgba(33, 118, 210, .18); color: inherit }
.msgflux-twin small { font-variant-numeric: tabular-nums }
.msgflux-twin .msgflux-role { font-variant: small-caps; letter-spacing: .04em; opacity: .75 }
.msgflux-twin table { margin: 0 0 8px; border-collapse: collapse }
.msgflux-twin td { text-align: left; vertical-align: top; padding: 1px 12px 1px 0; white-space: pre-wrap }
"""


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


def twin_html(picture: Picture, title: str) -> str:
    """Draw a picture as HTML; JupyterLab is told to look for no formulas in it."""
    heading = " · ".join(filter(None, [f"<b>{_safe(picture.model)}</b>", _safe(picture.schema), _safe(picture.state)]))
    parts = [f"<p><small>{_safe(title)}</small> {heading}</p>"]
    for role, text in _turns(picture):
        parts.append(_block(role, f"<pre>{_safe(text)}</pre>"))
    if picture.prefill or picture.continuation:
        mark = f"<mark>{_safe(picture.prefill)}</mark>" if picture.prefill else ""
        parts.append(_block("assistant", f"<pre>{mark}{_safe(picture.continuation)}</pre>"))
    if any(row.value is not None for row in picture.rows):
        parts.append(f"<table><tbody>{''.join(map(_table_row, picture.rows))}</tbody></table>")
    if picture.error is not None:
        name, message = picture.error
        parts.append(f"<pre><b>{_safe(name)}</b> {_safe(message)}</pre>")
    status = " · ".join(picture.status)
    parts.append(f"<p><small>{_safe(status)}</small></p>" if status else "")
    opening = f'<div class="msgflux-twin mathjax_ignore tex2jax_ignore" data-run="{picture.run}">'
    return f"{opening}<style>{_STYLE}</style>{''.join(parts)}</div>"


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


def _block(role: str, inner: str) -> str:
    return f'<p class="msgflux-role">{role}</p>{inner}'


def _table_row(row: Row) -> str:
    value = "–" if row.value is None else _safe(row.value)
    return f"<tr><td><code>{_safe(row.field)}</code></td><td>{value}</td><td><code>{_safe(row.type)}</code></td></tr>"


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
