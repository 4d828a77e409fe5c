"""The icons of all views, for pages and static HTML."""

from __future__ import annotations

from html import escape

from .shared import shared

__all__ = ["ICONS", "icon"]

ICONS: dict[str, str] = shared("icons")
"""The drawings by name: each is an SVG path on a grid of 16 × 16, drawn with a round stroke of 1.5.

They are in ``icons.json``, which the pages import too.
"""

SOLID = ("run", "stop")
"""Icons that are filled."""

DOTTED = ("more", "drag")
"""Icons made of dots, which a wider stroke draws."""

_FORM = (
    'viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" '
    'stroke-linecap="round" stroke-linejoin="round" style="vertical-align: -0.24em"'
)


def icon(name: str, title: str = "") -> str:
    """Return an icon as SVG for static HTML; it needs no style sheet.

    Args:
        name: the name of the drawing, such as ``"check"``.
        title: the text for a screen reader; without it the icon is decoration, and needs a word next to it.

    Raises:
        KeyError: there is no icon with that name.
    """
    kind = ' data-solid=""' if name in SOLID else ' data-dots=""' if name in DOTTED else ""
    spoken = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    fill = ' fill="currentColor"' if name in SOLID else ""
    return f'<svg class="mf-i"{kind} {spoken} {_FORM}><path{fill} d="{ICONS[name]}"/></svg>'
