"""A model's Markdown as safe HTML: the one sanitiser.

markdown-it reads CommonMark with tables and strikethrough; raw HTML is text to it. Nothing that a page would load by
itself is written, a link shows its host, and nh3 lets nothing pass but the few tags and attributes written here.

Formulas are kept as they came. MathJax looks for none by itself, since two prices look like one; those that ``maths``
finds it draws. MathJax 3 obeys ``mathjax_ignore`` and ``mathjax_process`` (JupyterLab 4, Notebook 7), MathJax 2
``tex2jax_ignore`` (nbconvert).
"""

from __future__ import annotations

import functools
import html
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from .maths import drawable, read_maths

__all__ = ["LIMIT", "NO_MATHS", "blocks", "encodable", "formatted_html", "link_html", "markdown_html", "text_html"]

LIMIT = 100_000
"""How many characters are read as Markdown; a longer text is shown as it is, for time's sake."""
NO_MATHS = "mathjax_ignore tex2jax_ignore"

_DEPTH = 24  # twelve lists in one another; markdown-it drops what is deeper, so such a text is shown as it is
_LINES = 5_000  # of a text; a block that is still open is read up to so many
_SIGNS = "*_[]`<&!~\\"
_MOST_SIGNS = 10_000  # of those, each of which may begin something that never ends
_CELLS = 10_000  # short rows are filled up, so that little text makes very many cells
_SHOWN = 80  # characters of an address

AS_TEXT = (
    '<p style="margin: 0 0 .5em; font-size: .85em; opacity: .75">'
    "Shown as text: it is too long, or too deep, to be drawn as Markdown.</p>"
)
"""What stands before such a text."""

# JupyterLab breaks words in a pre anywhere.
_WORDS = (
    "margin: 0; padding: 0; font-family: inherit; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"
)
_LINE = "solid rgba(128, 128, 128, 0.35)"
_CODE_BLOCK = (
    "margin: 8px 0; padding: 8px 12px; background: rgba(128, 128, 128, 0.08); border-radius: 5px; overflow-x: auto"
)
_CODE = "white-space: pre; word-break: normal; background: transparent"
_RULE = f"margin: 12px 0; border: 0; border-top: 1px {_LINE}"
# JupyterLab centres tables, and stripes their rows.
_TABLE = (
    "display: block; width: max-content; max-width: 100%; overflow-x: auto; margin: 8px 0; border: 0; "
    "border-collapse: collapse; font-size: 13px"
)
_ROW = "background: transparent"
_CELL = {
    side: f"padding: 4px 16px 4px 0; border: 0; border-bottom: 1px {_LINE}; line-height: 20px; vertical-align: top; "
    f"text-align: {side}"
    for side in ("left", "center", "right")
}
_DRAWN = "mathjax_process"
_ATTRIBUTES = {
    "a": {"href"},
    "ol": {"start"},
    "span": {"class"},
    **{tag: {"style"} for tag in ("code", "hr", "pre", "table", "td", "th", "tr")},
}
_WRITTEN = {"style": {_WORDS, _CODE_BLOCK, _CODE, _RULE, _TABLE, _ROW, *_CELL.values()}, "class": {_DRAWN}}
_TEXT_TAGS = {"a", "bdi", "br", "code", "em", "s", "small", "span", "strong"}
_BLOCK_TAGS = {"blockquote", "hr", "li", "ol", "p", "pre", "table", "tbody", "td", "th", "thead", "tr", "ul"}

# Strict, since a browser repairs more than any parser of ours would; other letters than these were encoded before.
_HTTPS = re.compile(r"https://([a-z0-9._-]+(?::[0-9]{1,5})?)(?=[/?#]|\Z)", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:([a-z0-9._%+-]+@[a-z0-9.-]+)(?=\?|\Z)", re.IGNORECASE)
_ANY_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//([^/?#]+)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r(?=[\s\S])")  # a carriage return at the very end may be half a line end
_FORMATS = re.compile(r"[*_`~\[|#>=\\$-]|^[ ]{0,3}[0-9+]", re.MULTILINE)  # without one of these nothing is formatted
_FORMATTED = frozenset({"maths", "strong_open", "em_open", "s_open", "code_inline", "link_open", "heading_open", "hr"})
_FORMATTED |= {"bullet_list_open", "ordered_list_open", "fence", "table_open", "blockquote_open"}
_ENDED_BY_A_BLANK_LINE = frozenset({"paragraph_open", "heading_open", "hr", "table_open", "blockquote_open", "fence"})


def markdown_html(text: str) -> str:
    """Draw Markdown: one ``div`` of safe HTML.

    A text is shown as it is, which a line before it says, where drawing it would take long: it is longer than
    ``LIMIT``, has more than 5,000 lines, 10,000 signs of Markdown or table cells, or is deeper than twelve lists.
    """
    return f'<div class="msgflux-markdown {NO_MATHS}">{_drawn(text)}</div>'


def formatted_html(text: str) -> str:
    """Draw what a person wrote if it is formatted, each of its line ends kept; "" if it is better shown as it stands.

    It is formatted if it has at least one sign of Markdown that changes how it looks; indented lines alone are none.
    """
    if _is_too_much(text) or not _FORMATS.search(text):
        return ""
    reader = _reader(breaks=True)
    tokens = reader.parse(text)
    if any(token.level >= _DEPTH - 1 or _is_deep(token) for token in tokens):
        return ""
    kinds = {one.type for token in tokens for one in (token, *(token.children or ()))}
    if not kinds & _FORMATTED:
        return ""
    drawn: str = reader.renderer.render(tokens, reader.options, {})
    return f'<div class="msgflux-markdown {NO_MATHS}">{_cleaned(encodable(drawn))}</div>'


def text_html(text: str) -> str:
    """Draw a text as it is, its lines broken at words."""
    return f'<pre style="{_WORDS}">{_safe(text)}</pre>'


def link_html(label: str, url: str) -> str:
    """Draw a link with its host behind it; an address that is neither https nor mailto is only shown."""
    url = normalizeLink(url)
    opening, closing = _link(url, label)
    return _cleaned(f"{opening}{_safe(label)}{closing}")


def blocks(text: str) -> tuple[list[str], str]:
    """Split a Markdown text that still grows into finished blocks, drawn, and the open rest, as text.

    A finished block does not change, whatever follows: a paragraph is finished by a blank line, a list by a line that
    certainly does not belong to it. So a view draws each block once, and calls this with the unfinished rest and the
    new text.
    """
    sources, rest = _split(text)
    return [markdown_html(source) for source in sources], rest


def _drawn(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = _reader()
    if _is_too_much(text):
        return AS_TEXT + text_html(text)
    tokens = reader.parse(text)
    if any(token.level >= _DEPTH - 1 or _is_deep(token) for token in tokens):
        return AS_TEXT + text_html(text)
    drawn: str = reader.renderer.render(tokens, reader.options, {})
    return _cleaned(encodable(drawn))


def _is_too_much(text: str) -> bool:
    """Whether reading a text as Markdown may take longer than a moment."""
    if len(text) > LIMIT or text.count("\n") > _LINES or sum(map(text.count, _SIGNS)) > _MOST_SIGNS:
        return True
    return max(_cells(text.split("\n"))) > _CELLS


def _cleaned(drawn: str) -> str:
    return nh3.clean(
        drawn,
        tags=_TEXT_TAGS | _BLOCK_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=lambda _, name, value: value if value in _WRITTEN.get(name, {value}) else None,
        url_schemes={"https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _is_deep(token: Token) -> bool:
    return any(child.level >= 4 * _DEPTH for child in token.children or ())


def _cells(lines: Iterable[str]) -> Iterator[int]:
    """How many table cells there are at most, up to each line."""
    found = columns = 0
    for line in lines:
        if not line.strip(" \t"):
            columns = 0
        elif "|" in line and not line.strip("|:- \t>"):
            columns = max(columns, line.count("|") + 1)
        found += columns
        yield found


class _Reader(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 (markdown-it's name)
        """Accept every address; whether it becomes a link is decided when it is written."""
        return True


class _Renderer(RendererHTML):
    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write a bold line: an answer does not shout, and stays out of JupyterLab's table of contents."""
        return "<p><strong>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</strong></p>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.code_block(tokens, idx, options, env)

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<pre style="{_CODE_BLOCK}"><code style="{_CODE}">{_safe(tokens[idx].content)}</code></pre>\n'

    def hr(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<hr style="{_RULE}">\n'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<table style="{_TABLE}">\n'

    def tr_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<tr style="{_ROW}">\n'

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        side = str(tokens[idx].attrGet("style") or "").removeprefix("text-align:")
        return f'<{tokens[idx].tag} style="{_CELL.get(side, _CELL["left"])}">'

    td_open = th_open

    def maths(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        formula = tokens[idx].content
        return f'<span class="{_DRAWN}">{_safe(formula)}</span>' if drawable(formula) else _safe(formula)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        alt = self.renderInlineAsText(tokens[idx].children, options, env)
        words = " · ".join(filter(None, [alt, _place(_attribute(tokens[idx], "src"))]))
        return f"<small>[image: {_safe(words)}]</small>"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _link(_attribute(tokens[idx], "href"), "")[0]

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        begin = idx
        while tokens[begin].type != "link_open":
            begin -= 1
        label = "".join(token.content for token in tokens[begin + 1 : idx])
        return _link(_attribute(tokens[begin], "href"), label)[1]


def _attribute(token: Token, name: str) -> str:
    return str(token.attrGet(name) or "")


def _link(url: str, label: str) -> tuple[str, str]:
    """What stands before a link's label and behind it."""
    match = _HTTPS.match(url) or _MAILTO.match(url)
    shown = match[1] if match else _short(url)
    behind = f" <small><bdi>({_safe(shown)})</bdi></small>" if shown and label.strip() not in (url, shown) else ""
    return (f'<a href="{_safe(url)}">', f"</a>{behind}") if match else ("", behind)


def _place(url: str) -> str:
    """The place of an image: its host, or the start of its address if that has no host."""
    match = _ANY_HOST.match(url)
    if match:
        return _short(match[1])
    return f"data, {len(url):,} characters" if url[:5].lower() == "data:" else _short(url)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _safe(text: str) -> str:
    return html.escape(encodable(text), quote=True)


def encodable(text: str) -> str:
    """Half a surrogate pair has no bytes, and would keep the whole output from its way to the page."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@functools.cache
def _reader(*, breaks: bool = False) -> MarkdownIt:
    reader = _Reader("commonmark", {"html": False, "maxNesting": _DEPTH, "breaks": breaks}, renderer_cls=_Renderer)
    read_maths(reader)
    # Without definitions of references, since one would change what stands before it.
    return reader.enable(["table", "strikethrough"]).disable("reference")


@functools.cache
def _block_reader() -> MarkdownIt:
    """Reads blocks and not what is in them."""
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEPTH}).enable("table").disable("reference")
    read_maths(reader)
    reader.core.ruler.enableOnly(["normalize", "block"])
    return reader


def _split(text: str) -> tuple[list[str], str]:
    """The sources of the finished blocks, and the rest; together they are the text."""
    sources: list[str] = []
    begin = 0
    while ends := _ends(text[begin : begin + LIMIT]):
        sources += [text[begin + start : begin + end] for start, end in itertools.pairwise([0, *ends])]
        begin += ends[-1]
    return sources, text[begin:]


def _ends(text: str) -> list[int]:
    """Where finished blocks end. Blank lines between two blocks belong to the second.

    CommonMark is read by lines, and a block that was closed is never opened again. So of whole lines only the last
    block may change, and of that only some kinds once a blank line follows.
    """
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    lines = [text[start:end].strip(" \t\r\n") for start, end in itertools.pairwise(starts)]
    lines = lines[: min(_LINES, sum(cells <= _CELLS for cells in _cells(lines)))]
    tokens = _block_reader().parse(text[: starts[len(lines)]])
    found = [token for token in tokens if token.level == 0 and token.nesting >= 0]
    ends = []
    for position, token in enumerate(found):
        end = (token.map or [0, 0])[1]
        if position == len(found) - 1 and (token.type not in _ENDED_BY_A_BLANK_LINE or end >= len(lines)):
            break
        while not lines[end - 1]:
            end -= 1
        ends.append(starts[end])
    return ends
