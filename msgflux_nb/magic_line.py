"""Parses the line and the cell of a magic: flags, a name to assign to, variables in ``{{ }}``; pure."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import msgspec

from .content.checks import meant

__all__ = ["MagicLineError", "MagicRequest", "flags_of", "inserted", "parsed"]

_ASSIGNED = re.compile(r"\s*([^\W\d]\w*)\s*<<(?:\s+|$)")
_LONGEST_LINE = 20_000  # characters; the time of shlex grows with the square of a word
_VARIABLE = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")
_FLAGS: dict[str, tuple[tuple[tuple[str, ...], dict[str, Any]], ...]] = {
    "chat": (
        (("--model", "-m"), {"metavar": "MODEL", "help": "a model's name, or a variable that holds a model"}),
        (("--chat", "-c"), {"metavar": "NAME", "help": "go on with the conversation of this name"}),
        (("--schema", "-s"), {"metavar": "TYPE", "help": "the type that the answer is decoded to"}),
        (("--prefill", "-p"), {"metavar": "TEXT", "help": "how the answer begins"}),
        (("--system",), {"metavar": "TEXT", "help": "the system prompt"}),
        (("--no-stream",), {"action": "store_true", "help": "show the answer when it is whole"}),
        (("--reset",), {"metavar": "NAME", "help": "forget the conversation of this name"}),
        (("--output", "-o"), {"metavar": "NAME", "help": "the variable that the answer is assigned to"}),
    ),
    "extract": (
        (("--model", "-m"), {"metavar": "MODEL", "help": "a model's name, or a variable that holds a model"}),
        (("--from",), {"metavar": "DATA", "dest": "source", "help": "the rows: df, df.text, texts"}),
        (("--store",), {"metavar": "FILE", "help": "keep the answers in this file, and resume from it"}),
        (("--sample",), {"metavar": "N", "type": int, "help": "read only this many rows"}),
        (("--output", "-o"), {"metavar": "NAME", "help": "the variable that the table is assigned to"}),
    ),
}


class MagicLineError(ValueError):
    """A magic's line or cell has an error."""


class MagicRequest(msgspec.Struct, frozen=True):
    """A parsed line.

    Attributes:
        flags: the values of flags by name, None for those that are not given.
        words: the words after the flags.
        output: the variable to assign to, or None.
    """

    flags: dict[str, Any]
    words: tuple[str, ...]
    output: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MagicLineError(f"{self.prog}: {message}. The flags are: {', '.join(flags_of(self.prog.strip('%')))}")


def flags_of(magic: str) -> list[str]:
    """Return the long flags of ``chat`` or ``extract``."""
    return [names[0] for names, _ in _FLAGS[magic]]


def parsed(magic: str, line: str) -> MagicRequest:
    """Parse the line of a magic.

    Args:
        magic: ``chat`` or ``extract``.
        line: the text after its name, such as ``answer << --model openai/gpt-4.1-nano``.

    Raises:
        MagicLineError: a flag is unknown or lacks its value; the error suggests the nearest known one.

    Example:
        >>> parsed("chat", "answer << --schema Person --no-stream").output
        'answer'
    """
    begun = _ASSIGNED.match(line)
    if begun is not None:
        line = line[begun.end() :]
    if len(line) > _LONGEST_LINE:
        raise MagicLineError(
            f"%{magic}: expected a line of at most {_LONGEST_LINE:,} characters, got {len(line):,}. Write a long text "
            f"below the line, in a cell that begins with %%{magic}, or put it into a variable: {{{{name}}}}"
        )
    parser = _Parser(prog=f"%{magic}", add_help=False, allow_abbrev=False)
    for names, options in _FLAGS[magic]:
        parser.add_argument(*names, **options)
    try:
        parts = shlex.split(line)
    except ValueError as error:
        raise MagicLineError(f"%{magic}: {error} in {line.strip()!r}") from None
    found, rest = parser.parse_known_args(parts)
    wrong = next((part for part in rest if part.startswith("--") or re.fullmatch(r"-[A-Za-z]", part)), None)
    if wrong is not None:
        known = flags_of(magic)
        raise MagicLineError(
            f"%{magic}: {wrong.partition('=')[0]!r} is not a flag.{meant(wrong.partition('=')[0], known)} "
            f"The flags are: {', '.join(known)}"
        )
    flags = vars(found)
    output = flags.pop("output") or (begun[1] if begun is not None else None)
    if output is not None and not output.isidentifier():
        raise MagicLineError(f"%{magic}: expected the name of a variable to assign to, got {output!r}")
    return MagicRequest(flags, tuple(rest), output)


def inserted(text: str, variables: Mapping[str, Any]) -> str:
    """Return the text with ``{{name}}`` replaced by the variable's text.

    A text is inserted unchanged, a dict, a list or a Struct as JSON, anything else by ``str``. Only names are replaced:
    ``{name}``, ``{"a": 1}`` and ``{{ x + 1 }}`` stay, and names in a variable's text are not replaced.

    Raises:
        MagicLineError: there is no variable of this name.

    Example:
        >>> inserted('Say {{word}} in {"json": true}', {"word": "hello"})
        'Say hello in {"json": true}'
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name not in variables:
            near = meant(name, _own_names(variables))
            raise MagicLineError(f"{{{{{name}}}}}: there is no variable {name!r}.{near}")
        return _text_of(variables[name])

    return _VARIABLE.sub(value, text)


def _own_names(variables: Iterable[str]) -> list[str]:
    return [name for name in variables if not name.startswith("_")]


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple | msgspec.Struct):
        try:
            return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        except (TypeError, ValueError):
            return str(value)
    return str(value)
