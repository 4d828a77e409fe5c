"""Draws a model's Markdown as safe HTML; the only sanitiser.

markdown-it parses CommonMark with tables and strikethrough, and treats raw HTML as text. The output holds nothing that
a page would load by itself, and a link shows its host. nh3 removes all tags and attributes except the few written here.

Formulas are kept as written. MathJax must not look for formulas, since two prices look like one; it draws only those
that ``maths`` finds. MathJax 3 obeys ``mathjax_ignore`` and ``mathjax_process`` (JupyterLab 4, Notebook 7), MathJax 2
obeys ``tex2jax_ignore`` (nbconvert).
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
from .open_marks import read_open

__all__ = [
    *("AS_TEXT", "CELL_STYLES", "LIMIT", "NO_MATHS", "blocks", "encodable", "formatted_html", "link_html"),
    *("markdown_html", "open_html", "text_html"),
]

LIMIT = 100_000
"""The most characters that are parsed as Markdown; a longer text would take too long, and is shown as plain text."""
NO_MATHS = "mathjax_ignore tex2jax_ignore"

_DEPTH = 24  # twelve nested lists; markdown-it drops deeper ones, so such a text is shown as plain text
_LINES = 5_000  # of a text, and of a block that is still open
_SIGNS = "*_[]`<&!~\\"
_MOST_SIGNS = 10_000  # each sign may open a construct that is never closed
_MOST_BLOCKS = 1_000  # of a growing text that are drawn at once: a short block takes as long as a page of words
_CELLS = 10_000  # short rows are padded, so little text can make very many cells
_SHOWN = 80  # characters of an address

AS_TEXT = (
    '<p style="margin: 0 0 .5em; font-size: .85em; opacity: .75">'
    "Shown as text: it is too long, or too deep, to be drawn as Markdown.</p>"
)
"""The line before such a text."""

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
CELL_STYLES = tuple(_CELL.values())
"""The styles of a table's cells, which are most of its HTML."""

_DRAWN = "mathjax_process"
_OWN_DIRECTION = ("blockquote", "ol", "p", "ul")
_ATTRIBUTES = {
    "a": {"href"},
    "ol": {"start", "dir"},
    "span": {"class"},
    "table": {"style", "dir"},
    **{tag: {"dir"} for tag in ("blockquote", "p", "ul")},
    **{tag: {"style"} for tag in ("code", "hr", "pre", "td", "th", "tr")},
}
_WRITTEN = {
    "style": {_WORDS, _CODE_BLOCK, _CODE, _RULE, _TABLE, _ROW, *_CELL.values()},
    "class": {_DRAWN},
    "dir": {"auto"},
}
_FREE = {tag: names - _WRITTEN.keys() for tag, names in _ATTRIBUTES.items()}
_FIXED = {tag: {name: _WRITTEN[name] for name in names & _WRITTEN.keys()} for tag, names in _ATTRIBUTES.items()}
_TEXT_TAGS = {"a", "bdi", "br", "code", "em", "s", "small", "span", "strong"}
_BLOCK_TAGS = {"blockquote", "hr", "li", "ol", "p", "pre", "table", "tbody", "td", "th", "thead", "tr", "ul"}

# Strict, since browsers repair more than our parser does; other characters were percent-encoded before.
_HTTPS = re.compile(r"https://([a-z0-9._-]+(?::[0-9]{1,5})?)(?=[/?#]|\Z)", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:([a-z0-9._%+-]+@[a-z0-9.-]+)(?=\?|\Z)", re.IGNORECASE)
_ANY_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//([^/?#]+)", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r(?=[\s\S])")  # a carriage return at the end of the text may be half a line end
_FORMATS = re.compile(r"[*_`~\[|#>=\\$-]|^[ ]{0,3}[0-9+]", re.MULTILINE)  # without one of these nothing is formatted
_ANY_WORD = re.compile(r">[^<\s]")
_FORMATTED = frozenset({"maths", "strong_open", "em_open", "s_open", "code_inline", "link_open", "heading_open", "hr"})
_FORMATTED |= {"bullet_list_open", "ordered_list_open", "fence", "table_open", "blockquote_open"}
_ENDED_BY_A_BLANK_LINE = frozenset({"paragraph_open", "heading_open", "hr", "table_open", "blockquote_open", "fence"})


def markdown_html(text: str) -> str:
    """Draw Markdown as one ``div`` of safe HTML.

    A text that would take long is shown as plain text, after a line that says so: a text longer than ``LIMIT``, with
    more than 5,000 lines, 10,000 Markdown signs or 10,000 table cells, or with lists nested more than twelve deep.
    """
    return f'<div class="msgflux-markdown {NO_MATHS}">{_drawn(text)}</div>'


def open_html(text: str) -> str:
    """Draw Markdown that is still being written, as ``markdown_html`` draws it once it is finished.

    Half-open marks are closed, and marks at the end are left out until it is decided what they are; "" if no word
    has come.
    """
    drawn = _drawn(text, growing=True)
    return f'<div class="msgflux-markdown {NO_MATHS}">{drawn}</div>' if _ANY_WORD.search(drawn) else ""


def formatted_html(text: str) -> str:
    """Draw a person's text if it is formatted, with its line ends kept; "" if it is better shown as plain text.

    A text is formatted if at least one Markdown sign changes how it looks; indented lines alone do not count.
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
    """Draw plain text, its lines broken at words."""
    return f'<pre dir="auto" style="{_WORDS}">{_safe(text)}</pre>'


def link_html(label: str, url: str) -> str:
    """Draw a link followed by its host; an address that is neither https nor mailto is shown as text."""
    url = normalizeLink(url)
    opening, closing = _link(url, label)
    return _cleaned(f"{opening}{_safe(label)}{closing}")


def blocks(text: str) -> tuple[list[str], str]:
    """Split a growing Markdown text into finished blocks, drawn, and the open rest, as text.

    A finished block does not change, whatever follows: a blank line finishes a paragraph, a line that cannot belong to
    it finishes a list. So a view draws each block once, and calls this again with the open rest plus the new text.
    Of more than 1,000 blocks the others stay in the rest.
    """
    sources, rest = _split(text)
    return [markdown_html(source) for source in sources], rest


def _drawn(text: str, *, growing: bool = False) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = _reader(growing=growing)
    if _is_too_much(text):
        return AS_TEXT + text_html(text)
    tokens = reader.parse(text)
    if any(token.level >= _DEPTH - 1 or _is_deep(token) for token in tokens):
        return AS_TEXT + text_html(text)
    drawn: str = reader.renderer.render(tokens, reader.options, {})
    return _cleaned(encodable(drawn))


def _is_too_much(text: str) -> bool:
    """Whether parsing a text as Markdown may take long."""
    if len(text) > LIMIT or text.count("\n") > _LINES or sum(map(text.count, _SIGNS)) > _MOST_SIGNS:
        return True
    return max(_cells(text.split("\n"))) > _CELLS


def _cleaned(drawn: str) -> str:
    return nh3.clean(
        drawn,
        tags=_TEXT_TAGS | _BLOCK_TAGS,
        attributes=_FREE,
        tag_attribute_values=_FIXED,  # no function of ours: one that nh3 calls would swallow an interrupt
        url_schemes={"https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def _is_deep(token: Token) -> bool:
    return any(child.level >= 4 * _DEPTH for child in token.children or ())


def _cells(lines: Iterable[str]) -> Iterator[int]:
    """Yield, for each line, the most table cells that there can be up to it."""
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
        """Accept every address; the renderer decides whether it becomes a link."""
        return True


class _Renderer(RendererHTML):
    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Write a heading as a bold line, so that it is not large and not in JupyterLab's table of contents."""
        return f"<p{_direction(tokens[idx])}><strong>"

    def renderToken(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: N802
        """Write a block with its own direction: a text may hold paragraphs of both."""
        token = tokens[idx]
        drawn = super().renderToken(tokens, idx, options, env)
        opening = f"<{token.tag}"
        if token.nesting < 0 or token.tag not in _OWN_DIRECTION or not drawn.startswith(opening):
            return drawn
        return f"{opening}{_direction(token)}{drawn.removeprefix(opening)}"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</strong></p>\n"

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.code_block(tokens, idx, options, env)

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<pre style="{_CODE_BLOCK}"><code style="{_CODE}">{_safe(tokens[idx].content)}</code></pre>\n'

    def hr(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<hr style="{_RULE}">\n'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<table{_direction(tokens[idx])} style="{_TABLE}">\n'

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


def _direction(token: Token) -> str:
    """Return the attribute for the direction of a block by its own text; what is inside a block follows it."""
    return "" if token.level else ' dir="auto"'


def _attribute(token: Token, name: str) -> str:
    return str(token.attrGet(name) or "")


def _link(url: str, label: str) -> tuple[str, str]:
    """Return the markup before and after a link's label."""
    match = _HTTPS.match(url) or _MAILTO.match(url)
    shown = match[1] if match else _short(url)
    behind = f" <small><bdi>({_safe(shown)})</bdi></small>" if shown and label.strip() not in (url, shown) else ""
    return (f'<a href="{_safe(url)}">', f"</a>{behind}") if match else ("", behind)


def _place(url: str) -> str:
    """Return the host of an image, or the start of its address if it has no host."""
    match = _ANY_HOST.match(url)
    if match:
        return _short(match[1])
    return f"data, {len(url):,} characters" if url[:5].lower() == "data:" else _short(url)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _safe(text: str) -> str:
    return html.escape(encodable(text), quote=True)


def encodable(text: str) -> str:
    """Replace lone surrogates: they cannot be encoded, and the page would not get the output."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@functools.cache
def _reader(*, breaks: bool = False, growing: bool = False) -> MarkdownIt:
    reader = _Reader("commonmark", {"html": False, "maxNesting": _DEPTH, "breaks": breaks}, renderer_cls=_Renderer)
    read_maths(reader)
    if growing:
        read_open(reader)
    # Without reference definitions, since one would change the text before it.
    return reader.enable(["table", "strikethrough"]).disable("reference")


@functools.cache
def _block_reader() -> MarkdownIt:
    """Return a parser of blocks only, without their inline content."""
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEPTH}).enable("table").disable("reference")
    read_maths(reader)
    reader.core.ruler.enableOnly(["normalize", "block"])
    return reader


def _split(text: str) -> tuple[list[str], str]:
    """Return the sources of the finished blocks, and the rest; together they are the text."""
    sources: list[str] = []
    begin = 0
    while ends := _ends(text[begin : begin + LIMIT])[: _MOST_BLOCKS - len(sources)]:
        sources += [text[begin + start : begin + end] for start, end in itertools.pairwise([0, *ends])]
        begin += ends[-1]
    return sources, text[begin:]


def _ends(text: str) -> list[int]:
    """Return where finished blocks end. Blank lines between two blocks belong to the second.

    CommonMark is parsed by lines, and a closed block is never reopened. So only the last block may change, and after a
    blank line only some kinds of blocks can.
    """
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    lines = [text[start:end].strip(" \t\r\n") for start, end in itertools.pairwise(starts)]
    lines = lines[: min(_LINES, sum(cells <= _CELLS for cells in _cells(lines)))]
    tokens = _block_reader().parse(text[: starts[len(lines)]])
    found = [token for token in tokens if token.level == 0 and token.nesting >= 0]
    ends = []
    for position, token in enumerate(found):
        begin, end = token.map or [0, 0]
        last = position == len(found) - 1 and not _is_closed_fence(token, end - begin)
        if last and (token.type not in _ENDED_BY_A_BLANK_LINE or end >= len(lines)):
            break
        while not lines[end - 1]:
            end -= 1
        ends.append(starts[end])
    return ends


def _is_closed_fence(token: Token, lines: int) -> bool:
    """Whether the last of a token's lines ends a block of code, and is not code."""
    return token.type == "fence" and token.content.count("\n") + 2 == lines
