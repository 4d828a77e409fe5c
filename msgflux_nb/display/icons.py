"""The icons of all views: one set, one stroke; pages and static HTML draw them from here."""

# ruff: noqa: E501 - a path is one word
from __future__ import annotations

import json
from html import escape

__all__ = ["ICONS", "icon", "icons_script"]

ICONS = {
    "run": "M5 3.25v9.5L12.5 8z",
    "stop": "M4.25 4.25h7.5v7.5h-7.5z",
    "rerun": "M13 8a5 5 0 1 1-1.5-3.55M13 2.25V5h-2.75",
    "continue": "M3.25 3.5v9M6.75 3.75v8.5L13 8z",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "compare": "M2.5 3h4.25v10H2.5zM9.25 3h4.25v10H9.25z",
    "undo": "M6 3.25 2.75 6.5 6 9.75M3 6.5h6.75a3.25 3.25 0 0 1 0 6.5H7",
    "trash": "M2.75 4.5h10.5M6 4.25V2.75h4v1.5M4.25 4.5l.6 8.75h6.3l.6-8.75M6.75 7v3.75M9.25 7v3.75",
    "copy": "M5.75 5.75h7.5v7.5h-7.5zM10.25 5.5V2.75h-7.5v7.5H5.5",
    "code": "M5.25 4.25 1.75 8l3.5 3.75M10.75 4.25 14.25 8l-3.5 3.75",
    "image": "M2.25 3.25h11.5v9.5H2.25zM2.5 11l3.25-3.25 3 3L10.5 9l3 3M10.75 6.1v.01",
    "audio": "M2.5 7v2M5.25 4.75v6.5M8 2.75v10.5M10.75 5.25v5.5M13.5 7v2",
    "file": "M4 2.25h5.25L12.5 5.5v8.25H4zM9 2.5v3.25h3.25",
    "camera": "M2.25 5h2.5l1-1.75h4.5l1 1.75h2.5v7.75H2.25zM8 6.5a2.25 2.25 0 1 1 0 4.5 2.25 2.25 0 0 1 0-4.5",
    "mic": "M8 2.25A1.9 1.9 0 0 1 9.9 4.15v3.6a1.9 1.9 0 0 1-3.8 0v-3.6A1.9 1.9 0 0 1 8 2.25M3.75 7.5a4.25 4.25 0 0 0 8.5 0M8 11.75v2",
    "link": "M6.75 9.25a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.25 6.75a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.9-.9",
    "variable": "M5 2.75c-2 0-1 4.75-2.75 5.25C4 8.5 3 13.25 5 13.25M11 2.75c2 0 1 4.75 2.75 5.25C12 8.5 13 13.25 11 13.25M6.5 6.25l3 3.5M9.5 6.25l-3 3.5",
    "text": "M3.25 4.75V3h9.5v1.75M8 3v10M6.25 13h3.5",
    "prefill": "M2.5 4h5.5M2.5 8h3.5M2.5 12h2M11 3.5v9M9.5 3.5h3M9.5 12.5h3",
    "plus": "M8 3v10M3 8h10",
    "down": "M4 6.25 8 10l4-3.75",
    "up": "M4 9.75 8 6l4 3.75",
    "right": "M6.25 4 10 8l-3.75 4",
    "left": "M9.75 4 6 8l3.75 4",
    "arrow-up": "M8 13V3M4 6.75 8 3l4 3.75",
    "arrow-down": "M8 3v10M4 9.25 8 13l4-3.75",
    "arrow-right": "M3 8h10M9.25 4 13 8l-3.75 4",
    "check": "M3 8.5l3.25 3.25L13 4.75",
    "cross": "M4 4l8 8M12 4l-8 8",
    "warning": "M8 2.75 14 13H2zM8 6.75v2.75M8 11.4v.01",
    "spinner": "M8 2.5A5.5 5.5 0 1 1 2.5 8",
    "clock": "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11M8 5v3.25l2.25 1.25",
    "drag": "M6 3.75v.01M10 3.75v.01M6 8v.01M10 8v.01M6 12.25v.01M10 12.25v.01",
    "edit": "M3 13l.6-2.9 7.35-7.35 2.3 2.3L5.9 12.4zM9.5 4.2l2.3 2.3",
    "present": "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
    "branch": "M4 5.25v5.5M4 5.25a1.5 1.5 0 1 1 0-3 1.5 1.5 0 0 1 0 3M4 13.75a1.5 1.5 0 1 1 0-3 1.5 1.5 0 0 1 0 3M12 6.25a1.5 1.5 0 1 1 0-3 1.5 1.5 0 0 1 0 3M12 6.25c0 2.5-3.5 2.75-7 4.75",
    "eye": "M1.75 8S4 3.75 8 3.75 14.25 8 14.25 8 12 12.25 8 12.25 1.75 8 1.75 8M8 6.1a1.9 1.9 0 1 1 0 3.8 1.9 1.9 0 0 1 0-3.8",
    "search": "M7 2.75a4.25 4.25 0 1 1 0 8.5 4.25 4.25 0 0 1 0-8.5M10.25 10.25l3.25 3.25",
    "flag": "M3.75 13.75V2.75M3.75 3.25h8.5L10.25 6l2 2.75h-8.5",
    "more": "M3.5 8v.01M8 8v.01M12.5 8v.01",
    "tools": "M13.1 5.25 11 7.25 8.9 6.9 8.5 4.8l2.1-2.1A3.4 3.4 0 0 0 6.7 7.2L3 10.9A1.5 1.5 0 0 0 5.1 13l3.7-3.7a3.4 3.4 0 0 0 4.3-4.05z",
    "fields": "M2.5 3.5h11M2.5 8h11M2.5 12.5h11M6 3.5v9",
    "panel": "M2.25 3.25h11.5v9.5H2.25zM9.75 3.5v9",
    "good": "M5.5 7.25 8 2.5c1.1 0 1.7.8 1.5 1.9L9.2 6.25h3.3c.9 0 1.4.7 1.2 1.5l-1 4c-.2.8-.7 1.25-1.5 1.25H5.5M5.5 7.25H2.75V13H5.5z",
    "bad": "M5.5 8.75 8 13.5c1.1 0 1.7-.8 1.5-1.9l-.3-1.85h3.3c.9 0 1.4-.7 1.2-1.5l-1-4C12.5 3.45 12 3 11.2 3H5.5M5.5 8.75H2.75V3H5.5z",
    "end": "M4 3.75v8.5L9.5 8zM12.5 3.75v8.5",
}
"""The drawings, by name: each is one SVG path on a grid of 16 × 16, drawn with a round stroke of 1.5."""

SOLID = ("run", "stop")
"""Icons that are filled."""

DOTTED = ("more", "drag")
"""Icons made of dots, which a wider stroke draws."""

_FORM = (
    'viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-linecap="round" stroke-linejoin="round" style="vertical-align: -0.24em"'
)


def icon(name: str, title: str = "") -> str:
    """Return an icon as SVG for static HTML; it carries its own look, so it needs no style sheet.

    Args:
        name: of the drawing, such as ``"check"``.
        title: what a screen reader says; without it the icon is decoration, and a word has to stand next to it.

    Raises:
        KeyError: there is no icon of that name.
    """
    kind = ' data-solid=""' if name in SOLID else ' data-dots=""' if name in DOTTED else ""
    spoken = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    fill = ' fill="currentColor"' if name in SOLID else ""
    return f'<svg class="mf-i"{kind} {spoken} {_FORM}><path{fill} d="{ICONS[name]}"/></svg>'


def icons_script() -> str:
    """Return the same set as a line of JavaScript, which stands before the code of each page."""
    return f"const ICONS = {json.dumps(ICONS, separators=(',', ':'))};\n"
