"""No regular expression over foreign text repeats what is repeated already: such a one may take for ever."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb

parser: Any = importlib.import_module("re._parser")
constants: Any = importlib.import_module("re._constants")
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)
_MANY = 16  # a repeat that is bounded by less is none

# Reviewed: why each is linear all the same. The shorter the list, the better.
KNOWN: dict[str, str] = {}


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every compiled pattern that a module of the package holds, alone or in a table; and those written in calls."""
    root = Path(next(iter(msgflux_nb.__path__)))
    for found in pkgutil.walk_packages([str(root)], "msgflux_nb."):
        if found.name in ("msgflux_nb.dask", "msgflux_nb.pandas"):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            for pattern in inside(value):
                yield f"{found.name}.{name}", pattern
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
                    flags = re.I if "re.I" in ast.unparse(node) else re.NOFLAG
                    yield f"{path.stem}: {first.value!r}", re.compile(first.value, flags)


def inside(value: Any, around: tuple[int, ...] = ()) -> Iterator[re.Pattern[Any]]:
    """Yield the patterns in a value; one that holds itself, as what other tests have left may, is entered once."""
    if id(value) in around:
        return
    within = (*around, id(value))
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for one in list(value.values()):
            yield from inside(one, within)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in list(value):
            yield from inside(one, within)
    elif hasattr(value, "prose") and hasattr(value, "codes"):  # a row of a table
        yield from inside([value.prose, value.codes], within)


def faults(pattern: re.Pattern[Any]) -> list[str]:
    return list(nested(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG), within=False))


def nested(tree: Any, *, within: bool) -> Iterator[str]:
    """Yield what repeats something that repeats itself or can be read in two ways.

    A repeat that gives nothing back (possessive, atomic) is harmless, and so is one whose rounds are told apart by
    what each begins with.
    """
    for kind, value in tree:
        if kind in _REPEATS:
            _, most, inner = value
            many = most is constants.MAXREPEAT or most > _MANY
            if many and is_ambiguous(inner):
                yield f"a repeat of {inner!r}"[:200]
            yield from nested(inner, within=within or many)
        elif kind is constants.SUBPATTERN:
            yield from nested(value[-1], within=within)
        elif kind is constants.BRANCH:
            for one in value[1]:
                yield from nested(one, within=within)
        elif kind in (constants.ASSERT, constants.ASSERT_NOT):
            yield from nested(value[1], within=within)


def is_ambiguous(tree: Any) -> bool:
    """Whether one round may end at several places, so that rounds may share out a text in many ways.

    It does not, where it begins with letters that its repeats cannot hold: then each such letter begins a round.
    """
    items = flat(tree)
    repeats = [
        value for kind, value in items if kind in _REPEATS and (value[1] is constants.MAXREPEAT or value[1] > _MANY)
    ]
    branches = [value[1] for kind, value in items if kind is constants.BRANCH]
    if any(overlap(one) for one in branches):
        return True
    if not repeats:
        return False
    first = letters(items[:1])
    return first is None or any(letters(flat(value[2])) is None or letters(flat(value[2])) & first for value in repeats)  # type: ignore[operator]


def flat(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for kind, value in tree:
        found += flat(value[-1]) if kind is constants.SUBPATTERN else [(kind, value)]
    return found


def overlap(branches: list[Any]) -> bool:
    """Whether two of some alternatives may begin with the same letter, and one of them repeats something."""
    starts = [letters(flat(one)[:1]) for one in branches]
    long = any(kind in _REPEATS for one in branches for kind, _ in flat(one))
    if not long:
        return False
    seen: set[int] = set()
    for start in starts:
        if start is None or start & seen:
            return True
        seen |= start
    return False


ALPHABET = [*range(256), 0x3000, 0x200B, 0xFEFF, 0x4E00, 0xFF5C]


def letters(items: Any) -> set[int] | None:
    """Which letters of an alphabet a piece of one letter may be; None where it is no such piece."""
    found: set[int] = set()
    for kind, value in items:
        if kind in (*_REPEATS, constants.POSSESSIVE_REPEAT) and value[0] > 0:
            inner = letters(flat(value[2])[:1])
            if inner is None:
                return None
            found |= inner
        elif kind in (constants.LITERAL, constants.NOT_LITERAL, constants.IN, constants.ANY):
            one = re.compile(source(kind, value), re.S)
            found |= {number for number in ALPHABET if one.fullmatch(chr(number))}
        else:
            return None
    return found


def source(kind: Any, value: Any) -> str:
    """Write a piece of one letter as a pattern again."""
    if kind is constants.ANY:
        return "."
    if kind is constants.LITERAL:
        return re.escape(chr(value))
    if kind is constants.NOT_LITERAL:
        return f"[^{re.escape(chr(value))}]"
    words = {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}
    words |= {"CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_NOT_SPACE": r"\S", "CATEGORY_NOT_WORD": r"\W"}
    written = ""
    for part, inner in value:
        if part is constants.NEGATE:
            written += "^"
        elif part is constants.LITERAL:
            written += re.escape(chr(inner))
        elif part is constants.RANGE:
            written += f"{re.escape(chr(inner[0]))}-{re.escape(chr(inner[1]))}"
        else:
            written += words[str(inner)]
    return f"[{written}]"


def test_no_pattern_repeats_what_is_repeated_already() -> None:
    found = [f"{name}: {fault}" for name, pattern in patterns() for fault in faults(pattern) if name not in KNOWN]
    assert found == []


def test_every_exception_is_still_one() -> None:
    named = {name for name, pattern in patterns() if faults(pattern)}
    assert set(KNOWN) <= named


@pytest.mark.parametrize(
    "bad", ["(a+)+", r"(\w+\s*)+", "(a|a+)*", r"(?:\d+,?)+", "(.*x)*", r"([a-z]+|\w+)+", r"(?:a*b*)*"]
)
def test_the_check_finds_the_known_kinds(bad: str) -> None:
    assert faults(re.compile(bad))


@pytest.mark.parametrize(
    "good", ["a+b+", r"(?:,\d+)*", '"(?:[^"]++|x)*+"', "(?:ab|cd)*", r"(?:\.[a-z]+)+", "(?:a+){1,3}"]
)
def test_the_check_lets_linear_ones_pass(good: str) -> None:
    assert not faults(re.compile(good))
