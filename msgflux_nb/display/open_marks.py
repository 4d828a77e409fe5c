r"""Reads Markdown that is still being written: closes half-open marks, and leaves out an end that is not decided yet.

An open ``**``, ``*``, ``_``, ``~~`` or backtick is closed at the end of the text; an open link is its label; a line of
``|`` is the head of a table. Marks at the very end, such as a ``*`` or the ``[`` of a link, are left out until what
follows says what they are. So what is drawn only grows, unless a mark is never closed.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

__all__ = ["read_open"]

_OPEN = "open"  # in the environment of the inline text that is still being written
_LONGEST_LABEL = 120  # characters after a "[" for which it may become a link
_LONGEST_LINK = 2_500
_LONGEST_CODE = 200
_LONGEST_MATHS = 2_000
_LONGEST_END = 200  # of an address between angle brackets
_LINE_MARKS = " \t-=_*+>#|:~`"
_END_MARKS = "*_~`!\\"
_HALF_LINE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d{1,9}[.)][ \t])*(?:\d{1,9}[.)]?|`{3,}[^`]*|~{3,}.*)\Z")
_HALF_END = re.compile(r"(?:&#?\w{0,31}|<[^\s<>]*)\Z")
_PIPE = re.compile(r"(?<!\\)\|")
_NO_CONTAINER = re.compile(r"[^ \t>]")
_TICKS = re.compile("`+")
_LINK = re.compile(
    r"""\[(?P<label>(?:[^\[\]\\\n]|\\.|\[[^\[\]\n]*\])*)(?:\]?|\](?P<place>\(\S*(?:\s+["'(][^\n]*)?))\Z"""
)
_CLOSERS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}


def read_open(reader: MarkdownIt) -> None:
    """Make a Markdown parser that keeps formulas read texts that are still being written."""
    reader.core.ruler.before("inline", "open_blocks", _blocks)
    reader.core.ruler.at("inline", _inlines)
    reader.inline.ruler.after("maths", "open_maths", _maths)
    reader.inline.ruler.before("backticks", "open_code", _code)
    reader.inline.ruler.after("link", "open_link", _link)
    reader.inline.ruler.after("image", "open_image", _image)
    reader.inline.ruler2.after("balance_pairs", "open_emphasis", _emphasis)


# -- blocks -----------------------------------------------------------------------------------------------------------


def _blocks(state: StateCore) -> None:
    """Leave out an undecided last line, complete a table of only a head, and find the text that is still written."""
    at = _last(state.tokens)
    if at is not None and _is_in_code(state.src, state.tokens[at]):
        _leave_out_fence(state.tokens[at])
        return
    text = _without_half_line(state.src)
    if text != state.src:
        _read_again(state, text)
    table = _with_table(text, state.tokens)
    if table != text:
        _read_again(state, table)
    at = _last(state.tokens)
    if at is None or not _is_open(text, state.tokens, at):
        return
    token = state.tokens[at]
    if not text.endswith("\n"):
        token.content = _without_half_end(token.content)
    token.meta[_OPEN] = True


def _read_again(state: StateCore, text: str) -> None:
    state.tokens.clear()
    state.md.block.parse(text, state.md, state.env, state.tokens)


def _last(tokens: list[Token]) -> int | None:
    """Return where the last token with content is."""
    for at in range(len(tokens) - 1, -1, -1):
        if tokens[at].type in ("fence", "code_block", "hr") or (tokens[at].type == "inline" and tokens[at].content):
            return at
    return None


def _is_in_code(text: str, token: Token) -> bool:
    """Whether a text ends in code, and not in the line that opens it."""
    return token.type in ("fence", "code_block") and (token.map or [0])[0] < text.count("\n")


def _leave_out_fence(token: Token) -> None:
    """Leave out a last line that may become the end of the fence."""
    line = token.content.rpartition("\n")[2]
    if token.markup and line.strip() and not line.strip(token.markup[0] + " \t"):
        token.content = token.content[: -len(line)]


def _without_half_line(text: str) -> str:
    """Leave out a last line of which only marks have come: a list's bullet, a rule, a fence, a row of a table."""
    begin = text.rfind("\n") + 1
    line = text[begin:]
    return text if line.strip(_LINE_MARKS) and not _HALF_LINE.match(line) else text[:begin]


def _with_table(text: str, tokens: list[Token]) -> str:
    """Add the second line of a table of which only the first has come."""
    at = _last(tokens)
    if at is None or tokens[at - 1].type != "paragraph_open" or _ends_with_blank_line(text):
        return text
    before, _, head = tokens[at].content.rpartition("\n")
    if not head.startswith("|") or before.rpartition("\n")[2].startswith("|"):
        return text
    line = text.rstrip().rpartition("\n")[2]
    columns = len(_PIPE.findall(line)) - (_PIPE.search(line, len(line) - 1) is not None)
    if not columns:
        return text
    return f"{text.rstrip()}\n{_NO_CONTAINER.sub(' ', line[: line.index('|')])}|{'-|' * columns}"


def _ends_with_blank_line(text: str) -> bool:
    end = text[-_LONGEST_END:]
    return end[len(end.rstrip(" \t\n")) :].count("\n") > 1


def _is_open(text: str, tokens: list[Token], at: int) -> bool:
    """Whether what comes next belongs to the same inline text."""
    if tokens[at].type != "inline" or _ends_with_blank_line(text):
        return False
    match tokens[at - 1].type:
        case "paragraph_open":
            return True
        case "heading_open":
            return not text.endswith("\n")
    return not text.rstrip(" \t").endswith(("\n", "|"))  # a cell of a table


def _without_half_end(text: str) -> str:
    """Leave out marks at the end that may open, close or escape something."""
    text = text.rstrip(_END_MARKS)
    found = _HALF_END.search(text, max(0, len(text) - _LONGEST_END))
    return text[: found.start()] if found else text


# -- inline -----------------------------------------------------------------------------------------------------------


def _inlines(state: StateCore) -> None:
    """Parse inline texts, the one that is still being written by the rules below."""
    for token in state.tokens:
        if token.type == "inline":
            token.children = token.children or []
            state.md.inline.parse(token.content, state.md, {_OPEN: _OPEN in token.meta}, token.children)


def _reaches(state: StateInline, silent: bool, opener: str, most: int) -> bool:
    """Whether an opener stands here, not too far from an end that is still open."""
    if silent or not state.env.get(_OPEN) or not state.src.startswith(opener, state.pos):
        return False
    return state.posMax == len(state.src) and state.posMax - state.pos <= most


def _maths(state: StateInline, silent: bool) -> bool:
    """Show the beginning of a formula as the model writes it."""
    opener = state.src[state.pos : state.pos + 2]
    if opener not in _CLOSERS or not _reaches(state, silent, opener, _LONGEST_MATHS):
        return False
    if _CLOSERS[opener] in state.src[state.pos + 2 :]:
        return False
    state.push("text", "", 0).content = state.src[state.pos :]
    state.pos = state.posMax
    return True


def _code(state: StateInline, silent: bool) -> bool:
    """Read code whose closing backticks have not come."""
    if not _reaches(state, silent, "`", _LONGEST_CODE):
        return False
    found = _TICKS.match(state.src, state.pos)
    marks = found[0] if found else ""
    rest = state.src[state.pos + len(marks) :]
    if not rest or "\n" in rest or marks in _TICKS.findall(rest):
        return False
    token = state.push("code_inline", "code", 0)
    token.markup, token.content = marks, rest.rstrip("`")
    state.pos = state.posMax
    return True


def _link(state: StateInline, silent: bool) -> bool:
    """Show the label of a link whose address has not ended; leave out what may become a label."""
    found = _LINK.match(state.src, state.pos) if _reaches(state, silent, "[", _LONGEST_LINK) else None
    if found is None or (found["place"] is None and state.posMax - state.pos > _LONGEST_LABEL):
        return False
    end = state.posMax
    if found["place"] is not None:
        state.pos, state.posMax = found.span("label")
        state.linkLevel += 1
        state.md.inline.tokenize(state)
        state.linkLevel -= 1
    state.pos = state.posMax = end
    return True


def _image(state: StateInline, silent: bool) -> bool:
    """Leave out an image whose address has not ended."""
    if not _reaches(state, silent, "![", _LONGEST_LINK) or not _LINK.match(state.src, state.pos + 1):
        return False
    state.pos = state.posMax
    return True


def _emphasis(state: StateInline) -> None:
    """Close emphasis that is still open, the last opened first; none that begins inside of a closed one."""
    if not state.env.get(_OPEN):
        return
    marks, enclosed = state.delimiters, -1
    waiting: list[Delimiter] = []
    for index, mark in enumerate(marks):
        if mark.end >= 0:
            enclosed = max(enclosed, mark.end)
        elif mark.open and index > enclosed and not _is_literal(state.tokens, mark):
            waiting.append(mark)
    for mark in reversed(waiting):
        state.push("text", "", 0).content = state.tokens[mark.token].content
        mark.end, mark.close = len(marks), False
        at = len(state.tokens) - 1
        marks.append(Delimiter(mark.marker, mark.length, at, end=-1, open=False, close=True))


def _is_literal(tokens: list[Token], mark: Delimiter) -> bool:
    """Whether a mark inside a word is probably no emphasis, as in ``2*n`` and ``x**2``."""
    sign, begin, end = tokens[mark.token].content, mark.token, mark.token
    while begin > 0 and tokens[begin].content == sign:
        begin -= 1
    while end < len(tokens) - 1 and tokens[end].content == sign:
        end += 1
    before, after = tokens[begin].content[-1:], tokens[end].content[:1]
    if not (before.isascii() and before.isalnum()):
        return False
    return (sign == "*" and mark.length == 1) or before.isdigit() or after.isdigit()
