"""Reads a docstring: its description, and what it says about each parameter, field or member.

The styles of Google, NumPy and Sphinx are read line by line. Text that belongs to no parameter goes into the
description. Doctests, references and the types of parameters are left out, since they are for readers of code.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["Doc", "class_doc", "read_doc"]

_SECTIONS = "Args|Arguments|Parameters|Params|Attributes|Fields|Members|Keyword Args|Keyword Arguments|Other Parameters"
_GOOGLE = re.compile(rf"(?:{_SECTIONS}):\s*", re.IGNORECASE)
_NUMPY = re.compile(rf"(?:{_SECTIONS})\s*", re.IGNORECASE)
_REFERENCES = re.compile(r"References?:?\s*", re.IGNORECASE)
_RULE = re.compile(r"[-=]{3,}\s*")
_ENTRY = re.compile(r"(\*{0,2}\w++(?:\s*+,\s*+\*{0,2}\w++)*+)\s*+(?:\(.*?\)\s*+)?:(?!:)\s*+(.*)")
_NAMES = re.compile(r"\*{0,2}\w++(?:\s*+,\s*+\*{0,2}\w++)*+")
_FIELD = re.compile(
    r"[:@](?:param|parameter|arg|argument|key|keyword|attribute|ivar|cvar|var)\s(?:[^:]*\s)?(\w++):\s*+(.*)"
)
_TYPE = re.compile(r"[:@](?:type|vartype|rtype)\b.*")
_SAID = re.compile(r"^[:@](returns?|raises?|yields?)\b")
_BULLET = re.compile(r"\s*(?:[-*•]|\d+[.)])\s")
_EXAMPLE = re.compile(r"Examples?:?", re.IGNORECASE)


class Doc(msgspec.Struct, frozen=True):
    """The contents of a docstring.

    Attributes:
        text: the description, with empty lines between paragraphs; may be empty.
        parts: the text about each parameter, field or member, by name.
    """

    text: str = ""
    parts: dict[str, str] = {}


def read_doc(text: str | None) -> Doc:
    r"""Read a docstring.

    Example:
        >>> read_doc("Look a city up.\\n\\nArgs:\\n    city: its name.\\n")
        Doc(text='Look a city up.', parts={'city': 'its name.'})
    """
    lines = inspect.cleandoc(text or "").splitlines()
    parts: dict[str, str] = {}
    rest: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        if _GOOGLE.fullmatch(line):
            end = _end_of_block(lines, position + 1)
            parts |= _google(lines[position + 1 : end])
        elif _NUMPY.fullmatch(line) and _RULE.fullmatch("".join(lines[position + 1 : position + 2])):
            end = _end_of_numpy(lines, position + 2)
            parts |= _numpy(lines[position + 2 : end])
        elif _REFERENCES.fullmatch(line):
            end = _end_of_block(lines, position + 1)
            if _RULE.fullmatch("".join(lines[position + 1 : position + 2])):
                end = _end_of_numpy(lines, position + 2, entries=False)
        elif _FIELD.match(line) or _TYPE.match(line):
            end = _end_of_block(lines, position + 1, blank=False)
            found = _FIELD.match(" ".join(part.strip() for part in lines[position:end]))
            parts |= {found[1]: _flat(found[2])} if found else {}
        else:
            rest.append(_SAID.sub(lambda said: said[1].capitalize(), line))
            end = position + 1
        position = end
    return Doc(_prose(rest), {name: said for name, said in parts.items() if said})


@functools.lru_cache(maxsize=256)
def class_doc(cls: type) -> Doc:
    """Read a class's own docstring, and the docstrings of its fields or members.

    A field is described by the string below it in the source, else by a section of the class's docstring, else by the
    class from which it is inherited.
    """
    parts: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        parts |= read_doc(_written(base)).parts | _below_fields(base)
    return Doc(read_doc(_written(cls)).text, parts)


def _written(cls: type) -> str | None:
    """Return the docstring that was written for a class; None for a generated one, such as a dataclass's."""
    doc = cls.__dict__.get("__doc__")
    generated = not isinstance(doc, str) or doc.startswith(f"{cls.__name__}(") or doc == "An enumeration."
    return None if generated or cls.__module__ in ("msgspec", "enum", "typing", "builtins") else doc


def _below_fields(cls: type) -> dict[str, str]:
    """Return the strings below the fields of a class by field; empty if its source is not available."""
    if cls.__module__ in ("msgspec", "msgspec._core", "enum", "typing", "builtins"):
        return {}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError, ValueError):
        return {}
    return dict(_texts_below(body.body)) if isinstance(body, ast.ClassDef) and body.name == cls.__name__ else {}


def _texts_below(statements: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in itertools.pairwise(statements):
        target: Any = getattr(statement, "target", None) or (getattr(statement, "targets", None) or [None])[0]
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr):
            said = below.value.value if isinstance(below.value, ast.Constant) else None
            if isinstance(said, str) and said.strip():
                yield target.id, _flat(inspect.cleandoc(said))


def _end_of_block(lines: list[str], start: int, *, blank: bool = True) -> int:
    """Return where the indented lines that begin at ``start`` end; blank lines between them are included."""
    end = position = start
    while position < len(lines) and (lines[position][:1] in (" ", "\t") or (blank and not lines[position].strip())):
        position += 1
        end = position if lines[position - 1].strip() else end
    return end


def _end_of_numpy(lines: list[str], start: int, *, entries: bool = True) -> int:
    """Return the end of a NumPy section: the next header, or in a list of entries the first line that is not one."""
    position = start
    while position < len(lines):
        line = lines[position]
        following = "".join(lines[position + 1 : position + 2])
        indented = not line.strip() or line[:1] in (" ", "\t")
        entry = _NAMES.fullmatch(line.partition(" :")[0].partition(":")[0].strip())
        described = following[:1] in (" ", "\t") or ":" in line
        if not indented and (_RULE.fullmatch(following) or (entries and not (entry and described))):
            break
        position += 1
    return position


def _google(lines: list[str]) -> dict[str, str]:
    entries: list[tuple[str, list[str]]] = []
    for line in textwrap.dedent("\n".join(lines)).splitlines():
        entry = _ENTRY.match(line)
        if entry:
            entries.append((entry[1], [entry[2]]))
        elif entries:
            entries[-1][1].append(line)
    return _named(entries)


def _numpy(lines: list[str]) -> dict[str, str]:
    entries: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.strip() and line[:1] not in (" ", "\t"):
            entries.append((line.partition(" :")[0].partition(":")[0], []))
        elif entries:
            entries[-1][1].append(line)
    return _named(entries)


def _named(entries: list[tuple[str, list[str]]]) -> dict[str, str]:
    return {name.strip().lstrip("*"): _flat("\n".join(text)) for names, text in entries for name in names.split(",")}


def _flat(text: str) -> str:
    return " ".join(text.split())


def _prose(lines: list[str]) -> str:
    """Join the lines of each paragraph; keep lists and fenced code as they are."""
    kept: list[str] = []
    for line in lines:
        if _RULE.fullmatch(line) and kept and kept[-1].strip():  # NumPy underlines its headings
            kept[-1] = f"{kept[-1].rstrip().rstrip(':')}:"
        else:
            kept.append(line)
    paragraphs = [_paragraph(block) for block in re.split(r"\n\s*\n", "\n".join(kept).strip())]
    return "\n\n".join(text for text in paragraphs if text and not _EXAMPLE.fullmatch(text))


def _paragraph(block: str) -> str:
    if "```" in block:
        return block.strip("\n")
    kept = block.split(">>>", 1)[0].rstrip()  # a doctest is for readers of the code
    text = ""
    for line in kept.splitlines():
        text += ("\n" if text and _BULLET.match(line) else " " if text else "") + " ".join(line.split())
    return text
