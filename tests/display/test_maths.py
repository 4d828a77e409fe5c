"""Formulas in Markdown: they are kept unchanged, and the page draws only harmless ones."""

from __future__ import annotations

import html
import re

import pytest

from msgflux_nb.display.markdown import blocks, markdown_html
from msgflux_nb.display.maths import drawable


def formulas(text: str) -> list[str]:
    """Return the formulas of a text that a page may draw."""
    return [html.unescape(one) for one in re.findall('<span class="mathjax_process">(.*?)</span>', drawn(text), re.S)]


def drawn(text: str) -> str:
    return re.sub(r"\A<div[^>]*>|\s*</div>\Z", "", markdown_html(text)).replace('<p dir="auto">', "<p>")


@pytest.mark.parametrize(
    "formula",
    [
        r"\(E = m_1 c_2^*\)",
        r"\[ \mathbb{E}[X] = \int_0^1 x_1 * x_2 \, dx \]",
        r"$$\frac{a_1}{b_1} < \{c\}$$",
        "\\[\na\n- b\n+ c\n= d\n\\]",
        "$$\na_1 \\\\\n---\nb_1\n$$",
    ],
)
def test_a_formula_is_kept_letter_by_letter_and_drawn(formula: str) -> None:
    assert formulas(f"So:\n{formula}\nand *so* on") == [formula]
    assert "<em>so</em>" in drawn(f"So:\n{formula}\nand *so* on")


def test_a_formula_between_single_dollars_is_kept_and_not_drawn() -> None:
    assert drawn("$a*b*c$ and $x_1$") == "<p>$a*b*c$ and $x_1$</p>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$5 and *really* $6", "<p>$5 and <em>really</em> $6</p>"),
        ("$5-*$6*", "<p>$5-<em>$6</em></p>"),
        (r"\$5*a*\$", "<p>$5<em>a</em>$</p>"),
        (r"a \( that *never* ends", "<p>a ( that <em>never</em> ends</p>"),
        (r"\(\) and \* and \[ \]", "<p>() and * and [ ]</p>"),
        ("$$\n\n*a*", "<p>$$</p>\n<p><em>a</em></p>"),
        (r"`\(a\)`", r"<p><code>\(a\)</code></p>"),
    ],
)
def test_text_that_only_resembles_a_formula_is_markdown(text: str, shown: str) -> None:
    assert drawn(text) == shown


@pytest.mark.parametrize(
    "formula",
    [
        r"\[\href{https://a.b}{x}\]",
        r"\(\class{jp-Button}{x}\)",
        r"$$\def\a{\a\a}\a$$",
        r"\[a \\[-99em] b\]",
        r"\(\kern-99em x\)",
        r"\(\unknown x\)",
        "$x$",
    ],
)
def test_a_formula_that_does_more_than_write_signs_is_text(formula: str) -> None:
    assert not drawable(formula)
    assert (formulas(formula), html.unescape(drawn(formula))) == ([], f"<p>{formula}</p>")


def test_a_formula_is_never_markup() -> None:
    assert formulas(r"\(<img src=x onerror=alert(1)>\)") == ["\\(<img src=x onerror=alert(1)>\\)"]
    assert "<img" not in drawn(r"\(<img src=x onerror=alert(1)>\)")


def test_a_formula_that_still_arrives_is_not_drawn_as_a_list() -> None:
    arriving = "So:\n\\[\na\n- b\n"
    assert [re.sub("<[^>]*>", "", block).strip() for block in blocks(arriving)[0]] == ["So:"]
    finished, rest = blocks(arriving + "\\]\n\nthen")
    assert ("- b\n\\]" in finished[1], rest) == (True, "\nthen")


def test_many_beginnings_that_never_end_are_read_at_once() -> None:
    assert drawn(r"\(a " * 9_000).startswith("<p>(a (a ")
    assert drawn("$a" * 9_000).startswith("<p>$a$a")
