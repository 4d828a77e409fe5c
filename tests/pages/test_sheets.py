"""Checks that no view's sheet styles buttons, menus, fields, tabs, chips or marks: widgets/base does.

A view's sheet may place a control (margin, width, grid, what is hidden) and set the size of a mark; colours, edges and
fonts are the same in all views. A part of a drawing that can be pressed, such as a block of a histogram, is a
``mf-tile``, whose drawing styles it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

WIDGETS = Path(__file__).parents[2] / "msgflux_nb" / "widgets"
SHEETS = sorted(path for path in WIDGETS.glob("*/*.css") if path.parent.name != "base")
PAGES = sorted(path for path in WIDGETS.glob("*/*.js") if path.parent.name != "base")

CONTROL = re.compile(
    r"^(button|select|input|textarea|kbd)\b|\[role\W*=\W*(tab|menuitem)"
    r"|\.mf-(btn|pick|icon|bare|option|offer|input|pill|chip|menu|tabbar|primary|line|dim|small)(?![\w-])"
)
MARK = re.compile(r"\.mf-(is|i|dot|meter)(?![\w-])")
LOOKS = re.compile(
    r"(background|border|color|font|height|padding|box-shadow|text-decoration|text-transform|letter-spacing|line-height|"
    r"appearance|transition|cursor)"
)
MARK_LOOKS = re.compile(r"(background|border|color|font$|font-family|box-shadow|fill|stroke$)")
KINDS = {
    "button": {"mf-btn", "mf-pick", "mf-icon", "mf-bare", "mf-option", "mf-offer", "mf-tile"},
    "input": {"mf-input"},
    "textarea": {"mf-input", "mf-prompt", "mf-opening"},  # the message and the start of an answer have their box's edge
}
KINDLESS = re.compile(r"type: \"(checkbox|radio|range|file)\"")  # the browser's own, in the accent
TABS = {"panels.js"}  # a tab is known by its role
LATER = ("...attributes", "class: answers")  # their class is set elsewhere
PILLS = {"variables.js"}  # a field in a pill is known by that


def split(text: str) -> list[str]:
    """Split at commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def subjects(selector: str) -> list[str]:
    """Return the subjects of a selector: its last compound, or each one in its ``:is(…)``."""
    last, depth = "", 0
    for letter in selector:
        depth += (letter in "([") - (letter in ")]")
        last = "" if not depth and letter in " >+~" else last + letter
    if last.startswith(":is(") and last.endswith(")"):
        return [one for part in split(last[4:-1]) for one in subjects(part)]
    return [last]


def own_rules(css: str) -> Iterator[str]:
    """Yield the rules that style a control or a mark."""
    for found in re.finditer(r"([^{};]+)\{([^{}]*)\}", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        names = [declaration.partition(":")[0].strip() for declaration in found[2].split(";")]
        for selector in split(found[1].strip()):
            for subject in subjects(selector):
                if CONTROL.search(subject):
                    wrong = [name for name in names if LOOKS.match(name)]
                elif MARK.search(subject):
                    wrong = [name for name in names if MARK_LOOKS.match(name)]
                else:
                    wrong = []
                if wrong:
                    yield f"{selector}: {', '.join(wrong)}"


def reaching_rules(css: str) -> Iterator[str]:
    """Yield the selectors that style descendants or later siblings of an element with ``:has``.

    After each change of a text in such an element the browser styles all of it again: 10 ms and more per frame. The
    page's code sets a class or an attribute instead.
    """
    for found in re.finditer(r"([^{};]+)\{[^{}]*\}", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        for selector in split(found[1].strip()):
            if ":has(" in selector and ":has(" not in subjects(selector)[-1]:
                yield selector


def own_controls(name: str, code: str) -> Iterator[str]:
    """Yield the controls of a page that have no class of the design system."""
    for found in re.finditer(r"element\(\s*\"(button|input|textarea)\",\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\w+)", code):
        tag, given = found.groups()
        if not given.startswith("{"):
            given = (re.findall(rf"const {given} = (\{{[^{{}}]*\}})", code[: found.start()]) or [""])[-1]
        words = set(re.findall(r"mf-[\w-]+", given))
        tab, pill = name in TABS and 'role: "tab"' in given, name in PILLS and tag == "textarea"
        later = any(part in given for part in LATER)
        if not (tab or pill or later or KINDLESS.search(given) or words & KINDS[tag]):
            yield f"{tag}: {given}"


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.stem)
def test_a_view_has_no_rules_of_its_own_for_controls(path: Path) -> None:
    assert list(own_rules(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_view_has_no_controls_of_its_own(path: Path) -> None:
    assert list(own_controls(path.name, path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", sorted(WIDGETS.glob("*/*.css")), ids=lambda path: path.stem)
def test_no_text_that_changes_restyles_a_whole_view(path: Path) -> None:
    assert list(reaching_rules(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "selector",
    [
        ".msgflux-a:has(> .mf-b) > .mf-top > :not(.mf-c, :last-child)",
        ".msgflux-a .mf-b:has(.mf-c:hover) ~ .mf-d",
        ".mf-a, .mf-b:has(> [hidden]) .mf-c",
    ],
)
def test_a_rule_that_restyles_a_view_is_seen(selector: str) -> None:
    assert len(list(reaching_rules(f"{selector} {{ color: red }}"))) == 1
    assert not list(reaching_rules(".mf-a:has(> .mf-b), .mf-a > .mf-c:has(:focus) { color: red }"))


@pytest.mark.parametrize(
    "css",
    [
        ".msgflux-a .mf-top > .mf-btn { color: red }",
        ".msgflux-a .b button:hover { margin: 0; background: red }",
        '.msgflux-a .b :is(.mf-tabbar [role="tab"], em) { padding: 1px }',
        ".msgflux-a .mf-is { color: red }",
        "@container (max-width: 3em) { .msgflux-a .mf-chip { height: 2px; } }",
    ],
)
def test_a_rule_of_its_own_is_seen(css: str) -> None:
    assert len(list(own_rules(css))) == 1


def test_a_control_is_placed_and_a_mark_sized() -> None:
    assert not list(
        own_rules(".a .mf-btn { margin: 0; width: 3em } .a .mf-i { height: 1em } .a .mf-button-row { color: red }")
    )


def test_a_control_of_its_own_is_seen() -> None:
    assert list(own_controls("a.js", 'element("button", { type: "button", class: "mf-mine", onclick })'))
    assert not list(own_controls("a.js", 'element("button", { type: "button", class: "mf-btn", onclick })'))
