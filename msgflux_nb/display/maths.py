r"""Keeps formulas in Markdown as the model wrote them: ``\(…\)``, ``\[…\]``, ``$$…$$`` and ``$…$``.

Markdown would remove the backslash before a bracket and read ``_`` and ``*`` as emphasis. A formula between single
dollars begins and ends without a space, and no digit follows it, so two prices are not a formula. It is never drawn as
a formula, since prices are more frequent. The other three are drawn if the page has MathJax 3 (JupyterLab 4, Notebook
7).
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

__all__ = ["drawable", "read_maths"]

_LONGEST = 2_000  # characters of a formula
_CLOSERS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_BLOCKS = ("\\[", "$$")
_DOLLARS = re.compile(r"\$(?=[^\s$])[^$\n]{0,300}?(?<=[^\s\\])\$(?!\d)")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_ROW_SPACE = re.compile(r"\\\\\s*\[")
# Commands that only write symbols. Others could link, define commands, or cover the page.
_SIGNS = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma
varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega frac dfrac
tfrac cfrac binom sqrt sum prod int iint iiint oint lim limsup liminf sup inf max min arg argmax argmin log ln lg exp
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh det dim ker gcd deg hom Pr mod bmod pmod operatorname
mathbb mathbf mathcal mathfrak mathit mathrm mathsf mathtt boldsymbol bm text textbf textit textrm hat bar tilde vec
dot ddot check breve acute grave widehat widetilde overline underline overrightarrow overbrace underbrace overset
underset stackrel substack boxed left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr langle rangle
lfloor rfloor lceil rceil lvert rvert lVert rVert vert Vert mid nmid parallel perp angle cdot cdots ldots dots vdots
ddots times div pm mp ast star circ bullet oplus otimes odot wedge vee cap cup setminus bigcap bigcup bigoplus
bigotimes bigwedge bigvee le leq ge geq ne neq lt gt ll gg approx sim simeq cong equiv prec succ preceq succeq propto
in notin ni subset supset subseteq supseteq nsubseteq emptyset varnothing infty partial nabla forall exists nexists
neg lnot land lor top bot vdash models to gets mapsto rightarrow leftarrow Rightarrow Leftarrow leftrightarrow
Leftrightarrow longrightarrow longleftarrow Longrightarrow iff implies impliedby uparrow downarrow hookrightarrow
rightharpoonup therefore because ell hbar Re Im aleph wp prime dagger ddagger degree triangle square checkmark quad
qquad displaystyle textstyle limits nolimits not tag begin end hline lbrace rbrace lbrack rbrack colon
"""
_COMMANDS = frozenset(_SIGNS.split())


def read_maths(reader: MarkdownIt) -> None:
    """Make a Markdown parser keep formulas as ``maths`` tokens, even if their lines look like other Markdown."""
    reader.inline.ruler.before("escape", "maths", _formula)
    reader.block.ruler.before("fence", "maths", _paragraph, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def drawable(formula: str) -> bool:
    """Whether a page may draw a formula: not between single dollars, and with commands that only write symbols."""
    if formula[:2] not in _CLOSERS or _ROW_SPACE.search(formula):
        return False
    return _COMMANDS.issuperset(_COMMAND.findall(formula))


def _formula(state: StateInline, silent: bool) -> bool:
    end = _end(state.src, state.pos, state.posMax)
    if not end:
        return False
    if not silent:
        state.push("maths", "", 0).content = state.src[state.pos : end]
    state.pos = end
    return True


def _end(text: str, begin: int, limit: int) -> int:
    """Return where the formula that begins here ends; 0 if none begins."""
    closer = _CLOSERS.get(text[begin : begin + 2])
    if closer is not None:
        found = text.find(closer, begin + 2, min(limit, begin + _LONGEST))
        return 0 if found < 0 or not text[begin + 2 : found].strip() else found + 2
    match = _DOLLARS.match(text, begin, limit) if text[begin] == "$" else None
    return match.end() if match else 0


def _paragraph(state: StateBlock, begin: int, end: int, silent: bool) -> bool:
    """Read a paragraph that begins with a formula, up to the formula's end or a blank line."""
    opener = _line(state, begin)[:2]
    if state.is_code_block(begin) or opener not in _BLOCKS:
        return False
    if silent:
        return True
    at, text = begin + 1, _line(state, begin)[2:]
    while _CLOSERS[opener] not in text and at < end and not state.isEmpty(at) and state.sCount[at] >= state.blkIndent:
        text = _line(state, at)
        at += 1
    state.line = at
    state.push("paragraph_open", "p", 1).map = [begin, at]
    inline = state.push("inline", "", 0)
    inline.content = state.getLines(begin, at, state.blkIndent, False).strip()
    inline.map, inline.children = [begin, at], []
    state.push("paragraph_close", "p", -1)
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]]
