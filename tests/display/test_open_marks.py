"""Markdown that is still being written: its marks are closed or left out, and in the end it is drawn as finished."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings

from msgflux_nb.display.markdown import AS_TEXT, LIMIT, blocks, markdown_html, open_html
from tests.thorough import examples

from .test_markdown import DANGEROUS, SLOW, TABLE, Page, markdown

SAMPLE = """# The **sea**

It is **wide**, *very `deep`* and ***cold***, see [the map](https://a.b/c "t") or <https://a.b>; AT&amp;T ~~no~~ costs
$5, 2 * 3 = 6, un**believ**able, snake_case_name, _so_ and `` a`b ``;
[**all**](https://a.b/d), **[of](mailto:a@b.c) it**.

| Name | **Depth** |
|------|----------:|
| `North` | 95 m |
| Baltic | **459** m |

1. One
   - two **bold
     more**

     ```sh
     cd "**"
     ```
2. [ ] three [1] and ![pic](https://a.b/x.png) end

~~~python
x = "**a**" # `
``
~~~

> quote *it*
> more

Big
===

Formula \\(x_1 + y\\), \\[ a_1 \\] and $$b*c*d$$, 这是**粗体**文字 end.

---

Done! \\*Not\\* this.
"""


def drawn(text: str) -> str:
    """Return everything that a page shows of a text so far."""
    finished, rest = blocks(text)
    return "".join(finished) + open_html(rest)


def words(html: str) -> str:
    """Return the text that a person reads, without spaces."""
    return re.sub(r"\s", "", Page(html).text)


def plain(html: str) -> str:
    """Return markup without its outer element and without attributes."""
    bare = re.sub(r' (?:style|dir|rel|class)="[^"]*"', "", html).removeprefix("<div>").removesuffix("</div>").strip()
    return re.sub(" +</", "</", bare)


@pytest.mark.parametrize("text", [SAMPLE, SAMPLE.replace("\n", "\r\n")], ids=["lf", "crlf"])
def test_at_every_split_point_a_person_reads_a_beginning_of_the_finished_text(text: str) -> None:
    whole = words(drawn(text))
    for at in range(len(text)):
        shown = words(drawn(text[:at]))
        assert whole.startswith(shown), text[max(0, at - 40) : at]


def test_no_more_than_a_few_words_are_left_out() -> None:
    texts = [words(drawn(SAMPLE[:at])) for at in range(len(SAMPLE))]
    waits = [sum(texts[at] == texts[before] for before in range(max(0, at - 40), at)) for at in range(len(texts))]
    assert max(waits) < 40  # the address of a picture


def test_at_every_split_point_the_markup_is_allowed_and_whole() -> None:
    for at in range(len(SAMPLE)):
        html = drawn(SAMPLE[:at])
        assert Page(html).faults() == []
        for tag in ("strong", "em", "code", "table", "td", "li", "pre", "a", "p"):
            assert len(re.findall(f"<{tag}[ >]", html)) == html.count(f"</{tag}>"), SAMPLE[max(0, at - 40) : at]


def test_what_is_finished_is_drawn_as_finished() -> None:
    for at in range(len(SAMPLE)):
        if SAMPLE[at - 1 : at + 1] == "\n\n":
            assert drawn(SAMPLE[: at + 1]) == "".join(blocks(SAMPLE[: at + 1])[0]) + (
                markdown_html(rest) if (rest := blocks(SAMPLE[: at + 1])[1]).strip() else ""
            )
    assert drawn(SAMPLE) == "".join(blocks(SAMPLE)[0]) + markdown_html(blocks(SAMPLE)[1])


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a **b", "<p>a <strong>b</strong></p>"),
        ("a **b*", "<p>a <strong>b</strong></p>"),
        ("a **b** **", "<p>a <strong>b</strong></p>"),
        ("***a** b", "<p><em><strong>a</strong> b</em></p>"),
        ("**a *b", "<p><strong>a <em>b</em></strong></p>"),
        ("a ~~b ~", "<p>a <s>b</s></p>"),
        ("a `b *c", "<p>a <code>b *c</code></p>"),
        ("a ``b`c`", "<p>a <code>b`c</code></p>"),
        ("a [b *c*](https", "<p>a b <em>c</em></p>"),
        ("a [b](", "<p>a b</p>"),
        ("a [b", "<p>a</p>"),
        ("a [b]", "<p>a</p>"),
        ("a [1].", "<p>a [1].</p>"),
        ("**a [b", "<p><strong>a</strong></p>"),
        ("a ![b](https://a", "<p>a</p>"),
        ("a <https://a", "<p>a</p>"),
        ("a < b", "<p>a &lt; b</p>"),
        ("a &am", "<p>a</p>"),
        ("a\\", "<p>a</p>"),
        (r"a \(x_1 + _y", r"<p>a \(x_1 + _y</p>"),
        ("x = 2*n or x**2 and so on", "<p>x = 2*n or x**2 and so on</p>"),
        ("y = 2**n and so on", "<p>y = 2**n and so on</p>"),
        ("# **a", "<p><strong><strong>a</strong></strong></p>"),
        ("- a\n- **b", "<ul>\n<li>a</li>\n<li><strong>b</strong></li>\n</ul>"),
        ("- **a\n\n", "<ul>\n<li>**a</li>\n</ul>"),
        ("a\n-", "<p>a</p>"),
        ("a\n==", "<p>a</p>"),
        ("a\n``", "<p>a</p>"),
        ("```", ""),
        ("```py", ""),
        ("- ", ""),
        ("12.", ""),
        ("**", ""),
        ("[", ""),
        ("```py\na *b", "<pre><code>a *b</code></pre>"),
        ("```py\na\n``", "<pre><code>a\n</code></pre>"),
        ("```py\na\n```", "<pre><code>a\n</code></pre>"),
    ],
)
def test_half_open_marks_are_closed_or_left_out(text: str, html: str) -> None:
    assert plain(open_html(text)) == html


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("| a", ["a"]),
        ("| a | **b", ["a", "b"]),
        ("| a | b |", ["a", "b"]),
        ("| a | b |\n", ["a", "b"]),
        ("| a | b |\n|--", ["a", "b"]),
        ("| a | b |\n|---|--:|\n| c", ["a", "b", "c", ""]),
        ("| a | b |\n|---|--:|\n| c | `d", ["a", "b", "c", "d"]),
        ("so:\n| a \\| b |", ["a | b"]),
        ("- x\n\n  | a | b |\n  |", ["a", "b"]),
        ("> | a | b |\n> |--", ["a", "b"]),
    ],
)
def test_a_table_is_a_table_from_its_first_line_on(text: str, cells: list[str]) -> None:
    found = re.findall(r"<t[hd]>(.*?)</t[hd]>", plain(open_html(text)))
    assert [re.sub("<[^>]*>", "", cell) for cell in found] == cells


def test_lines_with_bars_that_are_not_a_table_are_text_from_the_next_line_on() -> None:
    assert plain(open_html("| a | b |\n| c")) == "<p>| a | b |\n| c</p>"
    assert plain(open_html("| a | b |\nc")) == "<p>| a | b |\nc</p>"


@pytest.mark.parametrize("text", ["a [" + "b" * 200, "a `" + "b" * 300, "a `b\nc", "a <b c", "a & b"])
def test_a_mark_that_is_not_closed_for_long_is_text(text: str) -> None:
    assert open_html(text) == markdown_html(text)


@pytest.mark.parametrize("text", [*DANGEROUS, "\n\n".join(DANGEROUS)])
def test_dangerous_text_is_allowed_tags_only_at_every_split_point(text: str) -> None:
    for at in range(len(text)):
        assert Page(open_html(text[:at])).faults() == []


@settings(max_examples=examples(300), deadline=None)
@given(markdown)
@example("$$*$$")
@example("- ```\n  a\n  **b")
def test_any_text_becomes_allowed_tags_only(text: str) -> None:
    assert Page(open_html(text)).faults() == []


@pytest.mark.parametrize(
    "piece", [*SLOW, "    a\n", TABLE, "|a\n|-\n", "```\n", "| ", "[a](", '[a](b "', "<a", "&", "- - "]
)
def test_the_largest_text_of_any_kind_is_drawn_or_shown(piece: str) -> None:
    text = (piece * (LIMIT // len(piece) + 1))[:LIMIT]
    assert open_html(text) or not text.strip("-> #\n\r`")
    assert AS_TEXT in open_html(text * 2)
