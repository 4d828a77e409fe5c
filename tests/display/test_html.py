"""Tests the parts that the twins of all widgets share."""

from __future__ import annotations

from html.parser import HTMLParser

from msgflux_nb.display.html import answer_html, boxed, structure_html
from msgflux_nb.display.structure import StructureRow

DANGEROUS = "\n".join(
    [
        "http://127.0.0.1:1/?q=s",
        "<img src=x onerror=alert(1)>",
        "![a](http://127.0.0.1:1/q)",
        "</script><script>alert(2)</script>",
        '<button data-commandlinker-command="x">',
        "</style><style>*{background:url(http://127.0.0.1:1/)}</style>",
        '"> <a href="javascript:alert(3)">',
        "' onmouseover='alert(4)",
        "</pre></div>&amp;",
    ]
)


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_prefill_is_marked() -> None:
    assert Reader(answer_html("{", "}")).tags == ["mark"]
    assert Reader(answer_html("{", "}")).text == "{}"
    assert answer_html("", "}") == "}"


def test_no_text_becomes_markup() -> None:
    page = Reader(answer_html(DANGEROUS, DANGEROUS))
    assert (page.tags, page.names, page.text) == (["mark"], {"style"}, DANGEROUS * 2)


def test_no_structure_becomes_markup() -> None:
    page = Reader(structure_html([StructureRow(DANGEROUS, DANGEROUS, DANGEROUS), StructureRow("later", None, "int")]))
    assert page.tags == ["table", "tbody", "tr", "td", "td", "td", "tr", "td", "td", "td"]
    assert page.names == {"style", "dir"}
    assert page.text == DANGEROUS * 3 + "laterint"


def test_the_box_has_its_number_and_keeps_mathjax_away() -> None:
    box = boxed("<b>x</b>", 7)
    assert box.startswith('<div class="msgflux-twin mathjax_ignore tex2jax_ignore" data-kept="7" dir="ltr" style="')
    assert Reader(box).tags == ["div", "style", "b"]
