"""Tests a model's Markdown as safe HTML, whole and block by block."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from msgflux_nb.display.markdown import (
    AS_TEXT,
    LIMIT,
    _reader,
    blocks,
    formatted_html,
    link_html,
    markdown_html,
    text_html,
)
from tests.thorough import examples

OPENING = '<div class="msgflux-markdown mathjax_ignore tex2jax_ignore">'
# A second copy of the list, so that nobody can allow something new in the module unnoticed.
ALLOWED = {
    **{tag: set[str]() for tag in ("bdi", "br", "em", "li", "s", "small", "strong")},
    **{tag: set[str]() for tag in ("tbody", "thead")},
    **{tag: {"style"} for tag in ("code", "hr", "td", "th", "tr")},
    **{tag: {"style", "dir"} for tag in ("pre", "table")},
    **{tag: {"dir"} for tag in ("blockquote", "p", "ul")},
    "a": {"href", "rel"},
    "div": {"class"},
    "ol": {"start", "dir"},
}
DANGEROUS = [
    "http://127.0.0.1:8/?q=s",
    "/etc/hostname",
    "<img src=x onerror=alert(1)>",
    "![a](http://127.0.0.1:8/q)",
    "</script><script>alert(2)</script>",
    '<button data-commandlinker-command="x">go</button>',
    "<style>*{background:url(http://127.0.0.1:8/)}</style>",
    '<a href="javascript:alert(3)">x</a> javascript:alert(3) [x](javascript:alert(4)) <javascript:alert(5)>',
    "<img src=http://127.0.0.1:8/i.png> <a href=http://127.0.0.1:8>x</a>",
    "<iframe src=http://127.0.0.1:8></iframe><form action=http://127.0.0.1:8><input autofocus onfocus=alert(6)></form>",
    "<svg onload=alert(7)><a xlink:href=javascript:alert(8)>x</a></svg>",
    '<div class="jp-Button" id="x" style="position:fixed;inset:0">over</div>',
    "[x](data:text/html,<script>alert(9)</script>) ![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    '[x](https://a.b "onmouseover=alert(1) style=x") ![x](https://a.b/i.png "t")',
    "`<img src=x>`\n\n```html\n<img src=x>\n```\n\n    <img src=x>",
    '<table><td style="background:url(http://127.0.0.1:8/)">x</td></table><pre style="position:fixed;inset:0">x</pre>',
    '```x" onclick=alert(1) class=y\n```',
    '[<img src=x>](https://a.b/"onclick=alert(1)>)',
    "[a]: javascript:alert(1)\n\n[a] ![a]",
    "<!-- <img src=x> --> <![CDATA[<img src=x>]]> <?x <img src=x> ?>",
    "&lt;img src=x&gt; &#60;img src=x&#62; \\<img src=x>",
]
MARKS = [
    *"*_`~[]()<>!#|:-+=.\\\"'&;$",
    *(" ", "  ", "    ", "\t", "\n", "\n\n", "\r", "\r\n", "\0", "\ud800", "\u00a0", "\u202e", "\x0b"),
    *("```\n", "~~~", "1. ", "- ", "* ", "> ", "---\n", "===\n", "# ", "|-|-|\n", "a|b\n-|-\n", "a", "word", "7"),
    *("https://a.b", "http://a.b", "javascript:x", "data:", "mailto:a@b.c", "](", "![", "<https://a.b>", "<a@b.c>"),
    *("<img src=x>", "<script>", "</div>", "</pre>", "<!--", "[a]: /x\n", "&amp;", "&#0;"),
]
markdown = st.lists(st.sampled_from(MARKS), max_size=40).map("".join) | st.text()


FORMULA = ("span", {"class": "mathjax_process"})
"""What a formula of which each command is allowed stands in; it has nothing else."""


class Page(HTMLParser):
    """Collects what a browser would find in markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def faults(self) -> list[str]:
        found = []
        for tag, attributes in self.tags:
            if (tag, attributes) == FORMULA:
                continue
            found += [f"{tag} {name}" for name in attributes if name not in ALLOWED.get(tag, set())]
            found += [] if tag in ALLOWED else [tag]
            style = attributes.get("style") or ""
            found += [style] if "url" in style or "position" in style else []
            href = attributes.get("href", "https://")
            found += [] if href and href.lower().startswith(("https://", "mailto:")) else [f"href {href}"]
        return found


def whole(text: str) -> str:
    drawn = markdown_html(text)
    assert drawn.startswith(OPENING)
    return drawn.removeprefix(OPENING).removesuffix("</div>")


def inner(text: str) -> str:
    """Return the drawn HTML without the directions of its blocks."""
    return re.sub(r'(<(?:blockquote|ol|p|table|ul)) dir="auto"', r"\1", whole(text))


# What is drawn


@pytest.mark.parametrize(
    "text", ["a\nb", "  a\n    b", "<b>a</b> &amp; 3 * 4 - 1", "a\\*b", "x" * (LIMIT + 1), "{{a_b_c}}"]
)
def test_what_a_person_wrote_without_markdown_stands_as_it_is(text: str) -> None:
    assert formatted_html(text) == ""


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("שלום\n\nHello", '<p dir="auto">שלום</p>\n<p dir="auto">Hello</p>\n'),
        ("# שלום\n- א\n\n  ב", '<p dir="auto"><strong>שלום</strong></p>\n<ul dir="auto">\n<li>\n<p>א</p>\n<p>ב</p>\n'),
        ("> 2. שלום", '<blockquote dir="auto">\n<ol start="2">\n<li>שלום</li>\n'),
        ("| שם |\n|---|\n| ג |", '<table dir="auto" style='),
    ],
)
def test_each_block_is_laid_out_in_the_direction_of_its_text(text: str, drawn: str) -> None:
    assert whole(text).startswith(drawn)
    assert text_html(text).startswith('<pre dir="auto"')


def test_what_a_person_wrote_with_markdown_keeps_its_lines() -> None:
    drawn = formatted_html("a **b**\nc\n\n* <b>d</b>")
    assert '<p dir="auto">a <strong>b</strong><br>\nc</p>' in drawn
    assert "<li>&lt;b&gt;d&lt;/b&gt;</li>" in drawn


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a *b* **c** ~~d~~ `e`", "<p>a <em>b</em> <strong>c</strong> <s>d</s> <code>e</code></p>\n"),
        ("one\ntwo  \nthree", "<p>one\ntwo<br>\nthree</p>\n"),
        ("> a\n\n---", '<blockquote>\n<p>a</p>\n</blockquote>\n<hr style="…">\n'),
        ("3. a\n   - b\n4. c", '<ol start="3">\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n<li>c</li>\n</ol>\n'),
        ("```python\nx < 1\n```", '<pre style="…"><code style="…">x &lt; 1\n</code></pre>\n'),
        ("    x < 1", '<pre style="…"><code style="…">x &lt; 1\n</code></pre>\n'),
    ],
)
def test_commonmark_becomes_plain_tags(text: str, drawn: str) -> None:
    assert re.sub(r'style="[^"]*"', 'style="…"', inner(text)) == drawn


@pytest.mark.parametrize("text", ["# Big", "###### small", "Big\n==="])
def test_a_heading_is_a_bold_line(text: str) -> None:
    assert re.fullmatch(r"<p><strong>(Big|small)</strong></p>\n", inner(text))


def test_a_table_keeps_the_sides_of_its_columns() -> None:
    drawn = inner("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert re.findall(r"<(t[hd]) style=\"[^\"]*text-align: (\w+)\">(.)<", drawn) == [
        *(("th", "left", "a"), ("th", "right", "b")),
        *(("td", "left", "1"), ("td", "right", "2")),
    ]


def test_html_is_text() -> None:
    assert inner("a <b>c</b>\n\n<p>d</p>") == "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n<p>&lt;p&gt;d&lt;/p&gt;</p>\n"


def test_no_formula_is_looked_for() -> None:
    assert markdown_html("$5 or $7").startswith(
        '<div class="msgflux-markdown mathjax_ignore tex2jax_ignore"><p dir="auto">$5 or $7'
    )


def test_half_a_surrogate_pair_is_a_replacement_character_and_a_whole_one_its_character() -> None:
    assert inner("a\ud83d b\ud83d\ude00") == "<p>a\ufffd b\U0001f600</p>\n"


def test_a_text_is_drawn_as_it_is() -> None:
    assert re.fullmatch(
        r'<pre dir="auto" style="[^"]*">\*a\* &lt;b&gt;\n&quot;\ufffd</pre>', text_html('*a* <b>\n"\ud800')
    )


# Links and images


@pytest.mark.parametrize(
    ("text", "href", "shown"),
    [
        ("[x](https://a.b/c?d=1#e)", "https://a.b/c?d=1#e", "x (a.b)"),
        ("[x](https://a.b:8443)", "https://a.b:8443", "x (a.b:8443)"),
        ("[https://good.com](https://evil.com)", "https://evil.com", "https://good.com (evil.com)"),
        ("[https://a.b](https://a.b)", "https://a.b", "https://a.b"),
        ("[**x** y](HTTPS://A.B)", "HTTPS://A.B", "x y (A.B)"),
        ("<https://a.b/c>", "https://a.b/c", "https://a.b/c"),
        ("<https://münchen.de>", "https://xn--mnchen-3ya.de", "https://münchen.de (xn--mnchen-3ya.de)"),
        ("<a@b.c>", "mailto:a@b.c", "a@b.c"),
        ("[x](mailto:a@b.c?subject=d)", "mailto:a@b.c?subject=d", "x (a@b.c)"),
        ("[x](https://münchen.de)", "https://xn--mnchen-3ya.de", "x (xn--mnchen-3ya.de)"),
    ],
)
def test_a_link_shows_its_host(text: str, href: str, shown: str) -> None:
    page = Page(inner(text))
    assert [attributes for tag, attributes in page.tags if tag == "a"] == [
        {"href": href, "rel": "noopener noreferrer nofollow"}
    ]
    assert page.text.strip() == shown


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.b", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "ftp://a.b", "vbscript:x"),
        *("/etc/hostname", "//a.b", "#a", "https:a.b", "https:/a.b", "https:///a.b", "file:///etc/hostname"),
        *("https://good.com@evil.com", "https://good.com%5C@evil.com", "https://a%2Eb", "https://a.b:x", "mailto:x"),
    ],
)
def test_an_address_that_is_not_plainly_https_or_mailto_is_text(url: str) -> None:
    page = Page(inner(f"[x]({url}) <a>"))
    assert [tag for tag, _ in page.tags] == ["p", "small", "bdi"]
    assert page.text.strip() == f"x ({url}) <a>"


def test_a_long_refused_address_is_cut() -> None:
    assert "x (data:text/plain," in Page(inner(f"[x](data:text/plain,{'y' * 5_000})")).text
    assert len(inner(f"[x](data:text/plain,{'y' * 5_000})")) < 200


def test_an_override_of_direction_does_not_turn_the_host_around() -> None:
    assert "<bdi>(a.b)</bdi>" in inner("\u202e[x\u202e](https://a.b)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![a chart](http://host:8/x?q=s)", "[image: a chart · host:8]"),
        ("![](https://user@host/x)", "[image: user@host]"),
        ("![*a* b](//host/x)", "[image: a b · host]"),
        ("![a](data:image/png;base64,AAAA)", "[image: a · data, 26 characters]"),
        ("![a](x.png)", "[image: a · x.png]"),
        ("![<b>](//host/x)", "[image: <b> · host]"),
        ("[![a](https://i.j/x.png)](https://a.b)", "[image: a · i.j] (a.b)"),
    ],
)
def test_an_image_is_words_with_its_host(text: str, shown: str) -> None:
    page = Page(inner(text))
    assert page.text.strip() == shown
    assert "img" not in dict(page.tags)
    assert not [tag for tag, attributes in page.tags if "src" in attributes]


def test_a_definition_of_a_reference_is_text() -> None:
    assert Page(inner("[a]\n\n[a]: https://a.b")).text.split() == ["[a]", "[a]:", "https://a.b"]


def test_our_own_links_are_drawn_like_those_of_markdown() -> None:
    assert inner("[x < y](https://a.b)") == f"<p>{link_html('x < y', 'https://a.b')}</p>\n"
    assert link_html("<b>", "javascript:alert(1)") == "&lt;b&gt; <small><bdi>(javascript:alert(1))</bdi></small>"


# Whatever a model writes


@pytest.mark.parametrize("text", [*DANGEROUS, "\n\n".join(DANGEROUS), "\n".join(DANGEROUS)])
def test_dangerous_text_becomes_allowed_tags_only(text: str) -> None:
    assert Page(markdown_html(text)).faults() == []


@pytest.mark.parametrize("markup", [text for text in DANGEROUS if text.startswith(("<", "</"))])
def test_dangerous_markup_is_shown_as_the_text_it_is(markup: str) -> None:
    assert Page(markdown_html(markup)).text.strip().startswith(markup[:20])


@pytest.mark.parametrize("text", DANGEROUS)
def test_the_sanitiser_removes_markup_that_the_reader_let_through(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_reader().options, "html", True)
    assert Page(markdown_html(text)).faults() == []


@settings(max_examples=examples(300), deadline=None)
@given(markdown)
@example("$$*$$")
@example(r"\(\alpha\) and \[x < 1\]")
def test_any_text_becomes_allowed_tags_only(text: str) -> None:
    page = Page(markdown_html(text))
    assert page.faults() == []
    classes = [(tag, attributes) for tag, attributes in page.tags if "class" in attributes]
    assert [tag for tag, attributes in classes if (tag, attributes) != FORMULA] == ["div"]


@settings(max_examples=examples(100), deadline=None)
@given(st.text(), st.sampled_from([*DANGEROUS, "https://a.b", ""]) | st.text())
def test_any_link_becomes_allowed_tags_only(label: str, url: str) -> None:
    assert Page(link_html(label, url)).faults() == []


# Size


SLOW = [
    "[",
    "![",
    "*",
    "*a **b ",
    "`a``b```",
    ">",
    "> a\n",
    "a\n",
    "- a\n",
    "- ",
    "[a](",
    "](",
    "&",
    "<",
    "# a\n",
    "\r",
]
TABLE = "a|" * 50 + "\n" + "-|" * 50 + "\n" + "a|\n" * 500 + "\n"


@pytest.mark.parametrize("piece", [*SLOW, "    a\n", TABLE, "|a\n|-\n", "```\n"])
def test_the_largest_text_of_any_kind_is_drawn_or_shown(piece: str) -> None:
    text = (piece * (LIMIT // len(piece) + 1))[:LIMIT]
    assert inner(text)


@pytest.mark.parametrize("piece", SLOW)
def test_a_megabyte_is_shown_as_it_is(piece: str) -> None:
    text = (piece * 1_000_000)[:1_000_000]
    assert inner(text) == AS_TEXT + text_html(text.replace("\r", "\n"))


@pytest.mark.parametrize(
    "text",
    [
        *("- " * 30 + "deep", "> " * 30 + "deep", TABLE * 2, "x" * (LIMIT + 1), "*a **b " * 60 + "b** a*" * 60),
    ],
)
def test_what_is_too_deep_or_too_large_is_shown_as_it_is_and_not_cut(text: str) -> None:
    assert inner(text) == AS_TEXT + text_html(text)


def test_a_large_table_that_is_not_filled_up_is_drawn() -> None:
    assert inner("|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * 1_000).count("<td") == 3_000


@pytest.mark.parametrize(
    ("text", "tag"), [("---\n" * 4_900, "<hr"), ("a|b|c|d|e\n-|-|-|-|-\n\n" + "x\n\n" * 2_400, "<p")]
)
def test_what_only_resembles_a_large_table_is_drawn(text: str, tag: str) -> None:
    assert inner(text).count(tag) >= 2_400


@pytest.mark.parametrize("text", ["x\n" * 5_001, "![" * 5_001, "*_" * 5_001, "- a\n" * 25_000, "`" * 10_001])
def test_what_would_take_long_to_draw_is_shown_as_it_is(text: str) -> None:
    assert inner(text) == AS_TEXT + text_html(text)
    assert inner("word " * 19_000) != text_html("word " * 19_000)


# Block by block


@pytest.mark.parametrize(
    ("text", "finished", "rest"),
    [
        ("a", 0, "a"),
        ("a\n", 0, "a\n"),
        ("a\n\n", 1, "\n"),
        ("a\n\nb", 1, "\nb"),
        ("a\n# b\n", 1, "# b\n"),
        ("a\n---", 0, "a\n---"),
        ("a\r\n\r", 0, "a\r\n\r"),
        ("a\r\n\r\n", 1, "\r\n"),
        ("```\na\n\n", 0, "```\na\n\n"),
        ("```\na\n```\n\nb", 1, "\nb"),
        ("```\na\n```", 0, "```\na\n```"),
        ("```\na\n```\n", 1, ""),
        ("```\na\n``` b\n", 0, "```\na\n``` b\n"),
        ("- a\n\n- b\n\n", 0, "- a\n\n- b\n\n"),
        ("- a\n\nb", 0, "- a\n\nb"),
        ("- a\n\nb\n", 1, "\nb\n"),
        ("    a\n\n", 0, "    a\n\n"),
        ("a|b\n-|-\n1|2\n", 0, "a|b\n-|-\n1|2\n"),
        ("a|b\n-|-\n1|2\n\n", 1, "\n"),
        ("# a|b\n-|-\n", 0, "# a|b\n-|-\n"),
        ("[a]: /x\n\n[a]", 1, "\n[a]"),
        ("\n\n", 0, "\n\n"),
        ("", 0, ""),
    ],
)
def test_a_block_is_finished_once_nothing_can_change_it(text: str, finished: int, rest: str) -> None:
    drawn, open_rest = blocks(text)
    assert len(drawn) == finished
    assert open_rest == rest


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(markdown, max_size=6))
def test_finished_blocks_stay_whatever_follows(pieces: list[str]) -> None:
    finished: list[str] = []
    rest = ""
    for piece in pieces:
        drawn, rest = blocks(rest + piece)
        finished += drawn
    assert (finished, rest) == blocks("".join(pieces))


@settings(max_examples=examples(300), deadline=None)
@given(markdown)
@example("$$*$$")
@example(r"\(\alpha\) and \[x < 1\]")
def test_blocks_and_the_rest_show_what_the_whole_shows(text: str) -> None:
    finished, rest = blocks(text)
    assert text.endswith(rest)
    parts = [*finished, markdown_html(rest)]
    assume(text_html("")[:20] not in "".join(parts))  # too deep: the whole text is then shown unchanged
    assert "".join(part.removeprefix(OPENING).removesuffix("</div>") for part in parts) == whole(text)


def test_a_block_longer_than_the_limit_stays_open_and_those_before_it_do_not() -> None:
    long = "x" * LIMIT + "\n\n"
    assert blocks("a\n\n" * 3 + long)[1] == "\n" + long
    paragraph = "a" * 98 + "\n\n"
    assert len(blocks(paragraph * (LIMIT // 100 - 1))[0]) == LIMIT // 100 - 1


def test_of_very_many_blocks_the_first_thousand_are_drawn_and_the_others_stay_open() -> None:
    finished, rest = blocks("# a\n" * 5_000)
    assert len(finished) == 1_000
    assert rest.strip() == ("# a\n" * 4_000).strip()
    finished, rest = blocks(rest + "# b\n")
    assert (len(finished), len(rest.strip().split("\n"))) == (1_000, 3_001)


def test_a_megabyte_of_table_stays_open() -> None:
    assert blocks(TABLE * (1_000_000 // len(TABLE))) == ([], TABLE * (1_000_000 // len(TABLE)))
