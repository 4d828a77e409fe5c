"""What a saved notebook keeps of a widget."""

from __future__ import annotations

from html.parser import HTMLParser

from msgflux_nb.widgets._structure import Row
from msgflux_nb.widgets._twin import Picture, twin_html, twin_text

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
FULL = Picture(
    run=3,
    state="complete",
    model="local/smollm2-135m",
    schema="Person",
    system_prompt="Be brief.",
    prompt="Who is she?",
    images=("photo.png, 640 × 480 px, 12.3 kB",),
    prefill='{"name": ',
    continuation='"Maria"}',
    rows=(Row("name", "Maria", "str"),),
    status=("61 + 31 tokens", "– cost", "first 0.21 s", "0.74 s", "stop"),
    lasting_status=("61 + 31 tokens", "– cost", "stop"),
)


class Reader(HTMLParser):
    """Lists tags and attributes, and gathers text outside the style sheet."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.marked = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        if self.tags[-1] != "style":
            self.text += data
        if self.tags[-1] == "mark":
            self.marked += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("mark", "style"):
            self.tags.append(f"/{tag}")


def test_the_html_shows_everything_that_was_asked_and_answered() -> None:
    page = Reader(twin_html(FULL, "Playground"))
    for text in ["local/smollm2-135m", "Person", "Be brief.", "Who is she?", "photo.png", "Maria", "first 0.21 s"]:
        assert text in page.text
    assert '{"name": "Maria"}' in page.text


def test_the_prefill_is_marked() -> None:
    assert Reader(twin_html(FULL, "Playground")).marked == '{"name": '


def test_no_value_becomes_markup() -> None:
    picture = Picture(
        run=1,
        state=DANGEROUS,
        model=DANGEROUS,
        schema=DANGEROUS,
        system_prompt=DANGEROUS,
        prompt=DANGEROUS,
        images=(DANGEROUS,),
        prefill=DANGEROUS,
        continuation=DANGEROUS,
        rows=(Row(DANGEROUS, DANGEROUS, DANGEROUS),),
        error=(DANGEROUS, DANGEROUS),
        status=(DANGEROUS,),
    )
    page = Reader(twin_html(picture, DANGEROUS))
    ours = {"div", "style", "small", "span", "b", "pre", "mark", "table", "tbody", "tr", "td", "code"}
    assert {tag for tag in page.tags if not tag.startswith("/")} <= ours
    assert page.names == {"class", "data-run", "style"}
    assert page.tags.count("style") == 1
    assert page.text.count("<img src=x onerror=alert(1)>") == 15  # every field there is


def test_jupyter_is_told_to_look_for_no_formulas() -> None:
    assert 'class="msgflux-twin mathjax_ignore tex2jax_ignore"' in twin_html(FULL, "Playground")


def test_the_text_is_the_same_for_the_same_content() -> None:
    assert twin_text(FULL, "Playground") == (
        "Playground · local/smollm2-135m · Person · complete\n"
        "system: Be brief.\n"
        "user: Who is she?\n"
        "image: photo.png, 640 × 480 px, 12.3 kB\n"
        'assistant: {"name": "Maria"}\n'
        "name: Maria  (str)\n"
        "61 + 31 tokens · – cost · stop"
    )


def test_a_failure_is_told_with_its_class_and_what_had_come() -> None:
    picture = Picture(
        run=1, state="failed", model="m", continuation="half", error=("ServerError", "boom"), rows=(Row("a", None, ""),)
    )
    assert twin_text(picture, "Playground") == "Playground · m · failed\nassistant: half\nServerError: boom"
    assert "<b>ServerError</b> boom" in twin_html(picture, "Playground")
    assert "<table>" not in twin_html(picture, "Playground")


def test_before_the_first_run_the_twin_says_what_it_is() -> None:
    assert twin_text(Picture(model="m"), "Playground") == "Playground · m · idle"
