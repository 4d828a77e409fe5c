"""Checks that each regular expression reads foreign text in time proportional to its length.

None repeats a repetition, which may take exponential time. None begins again at each character of a run that it has
just read to its end, and none can split one run between two repetitions: both take quadratic time.
"""

from __future__ import annotations

import ast
import functools
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
_MANY = 16  # a repetition with a lower bound does not count

# Reviewed by hand, with the reason why each is linear. Keep the list short.
KNOWN: dict[str, str] = {}


@functools.cache
def patterns() -> list[tuple[str, re.Pattern[Any]]]:
    return list(_patterns())


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Return the compiled patterns in the package's modules, alone or in tables, and the patterns written in calls."""
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
    """Yield the patterns in a value; a value that contains itself, perhaps from another test, is entered once."""
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
    """Yield each repetition of something that repeats itself or can be read in two ways.

    A repetition that never backtracks (possessive, atomic) is harmless, and so is one whose rounds can be told apart
    by their first character.
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
    """Return whether one round may end at several places, so that rounds may split a text in many ways.

    It cannot if it begins with characters that its repetitions cannot hold: then each such character begins a round.
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
    """Return whether two alternatives may begin with the same character, and one of them repeats something."""
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
    """Return the characters of an alphabet that match a piece of one character; None for another piece."""
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


# Reviewed by hand, with the reason why the time is not quadratic, or quadratic only in something short.
SHORT: dict[str, str] = {
    "msgflux_nb.storage.recordings.hidden._LINE": "what has no end of line is taken by the other branch",
    "msgflux_nb.widgets.base.sheet._SPACE": "our own style sheets",
    "msgflux_nb.widgets.playground.difference._LINES": "what has no end of line is taken by the other branch",
}
_SEARCHES = "search|finditer|findall|sub|subn|split"


def is_searched(name: str) -> bool:
    """Return whether the module of a pattern searches a text for it, instead of matching only its beginning."""
    module, _, own = name.rpartition(".")
    if not module.startswith("msgflux_nb"):  # written in a call, and for the most part here twice
        return False
    path = importlib.import_module(module).__file__
    assert path is not None
    return re.search(rf"\b{own}\.({_SEARCHES})\(", Path(path).read_text(encoding="utf-8")) is not None


def squares(pattern: re.Pattern[Any], *, searched: bool) -> list[str]:
    """Return the runs of one character that take quadratic time."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    branches = tree[0][1][1] if len(tree) == 1 and tree[0][0] is constants.BRANCH else [tree]
    return [fault for branch in branches for fault in _squares(flat(branch), searched)]


def _squares(items: list[tuple[Any, Any]], searched: bool) -> Iterator[str]:
    run: set[int] | None = set(ALPHABET) if searched else set()  # characters that match all pieces so far
    shared: set[int] = set()  # characters of a repetition that backtracks, up to here
    for place, (kind, value) in enumerate(items):
        if kind in (constants.AT, constants.ASSERT, constants.ASSERT_NOT):
            if not place and (kind is constants.AT or value[0] < 0):
                run = set()  # a beginning, or a letter before it, is looked at
            continue
        repeat = kind in (*_REPEATS, constants.POSSESSIVE_REPEAT)
        if repeat and not value[0] and value[1] <= 300:
            continue  # it may be missing
        own = letters(flat(value[2])) if repeat and len(flat(value[2])) == 1 else letters([(kind, value)])
        if own is None:
            run, shared = set(), set()
        elif repeat and value[1] > 300:
            after = next((one for one in items[place + 1 :] if one[0] not in _REPEATS or one[1][0]), None)
            ends = after is not None and (letters([after]) or set())
            if run and ends is not False and run & own - ends:
                yield f"begins again in a run of {chr(min(run & own - ends))!r}"
            if kind is not constants.POSSESSIVE_REPEAT and shared & own:
                yield f"shares out a run of {chr(min(shared & own))!r}"
            if value[0]:
                run, shared = (run or set()) & own, shared & own
            shared = shared if kind is constants.POSSESSIVE_REPEAT else shared | own
        else:
            run, shared = (run or set()) & own, shared & own


def source(kind: Any, value: Any) -> str:
    """Return a piece of one character as a pattern."""
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


def test_no_pattern_has_a_repeat_within_a_repeat() -> None:
    found = [f"{name}: {fault}" for name, pattern in patterns() for fault in faults(pattern) if name not in KNOWN]
    assert found == []


def test_every_listed_exception_still_has_its_fault() -> None:
    named = {name for name, pattern in patterns() if faults(pattern)}
    assert set(KNOWN) <= named


def test_no_pattern_takes_quadratic_time() -> None:
    found = {name: fault for name, one in patterns() for fault in squares(one, searched=is_searched(name))}
    assert {name: fault for name, fault in found.items() if name not in SHORT} == {}
    assert set(SHORT) <= set(found)


@pytest.mark.parametrize(
    ("pattern", "searched", "fault"),
    [
        ("[a-z]+$", True, True),
        ("[a-z]+$", False, False),
        ("(?<![a-z])[a-z]++$", True, False),
        (r"[.!?]+[\"')]*[ \t]+", True, True),
        (r"name\s*(?:\(.*?\))?\s*:", False, True),
        (r"```[ \t]*[\w+-]*[ \t]*\n", True, True),
        (r"```[ \t]*+[\w+-]*+[ \t]*+\n", True, False),
        (r"[a-z]+", True, False),
    ],
)
def test_the_check_finds_quadratic_patterns(pattern: str, searched: bool, fault: bool) -> None:
    assert bool(squares(re.compile(pattern), searched=searched)) is fault


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
