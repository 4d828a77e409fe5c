"""The Game of 24 in exact arithmetic: checks whether a path of steps is solved, dead or open."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from fractions import Fraction
from typing import Any

__all__ = ["exact", "is_24", "is_right", "solves"]

_GOAL = 24
_LONGEST = 200  # four numbers need less; to parse more costs time, and to read it recursion
_OPERATORS: dict[Any, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_STEP = re.compile(r"\(?(-?[\d./]+)\)? ([-+*/]) \(?(-?[\d./]+)\)? [=≈] (-?[\d./]+)")


def exact(path: tuple[str, ...], numbers: str) -> bool | None:
    """Follow the steps of a path exactly.

    Args:
        path: lines such as ``"4 + 5 = 9 (left: 6 9 10)"``.
        numbers: the puzzle, such as ``"4 5 6 10"``.

    Returns:
        True if only 24 is left, False if only another number is, None if more are left or a line cannot be read.
    """
    left = [Fraction(number) for number in numbers.split()]
    for thought in path:
        found = _STEP.match(thought.strip())
        if found is None:
            return None
        try:
            left.remove(Fraction(found[1]))
            left.remove(Fraction(found[3]))
            left.append(_OPERATORS[found[2]](Fraction(found[1]), Fraction(found[3])))
            if left[-1] != Fraction(found[4]):
                return None
        except (ArithmeticError, ValueError):
            return None
    return left == [_GOAL] if len(left) == 1 else None


def solves(path: tuple[str, ...], numbers: str) -> bool:
    """Return whether the steps of a path lead to 24, or its last line is an expression that equals 24."""
    return exact(path, numbers) is True or is_right(path, numbers)


def is_right(path: tuple[str, ...], numbers: str) -> bool:
    """Return whether the last line of a path, such as ``Answer: (5 - 4) * 24 = 24``, is right."""
    last = "".join(path).strip().rpartition("\n")[2]
    return is_24(last.lower().replace("answer: ", "").partition("=")[0], numbers)


def is_24(expression: str, numbers: str) -> bool:
    """Return whether an expression uses each number once and equals 24; one of more than 200 characters does not."""
    if len(expression) > _LONGEST:
        return False
    used: list[int] = []

    def value(node: ast.AST) -> Fraction:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.BinOp(left=left, op=op, right=right):
                return Fraction(_OPERATORS[type(op)](value(left), value(right)))
            case ast.Constant(value=int(number)):
                used.append(number)
                return Fraction(number)
        raise ValueError(node)

    try:
        found = value(ast.parse(expression.strip(), mode="eval"))
    except (ArithmeticError, KeyError, SyntaxError, ValueError):
        return False
    return found == _GOAL and Counter(used) == Counter(map(int, numbers.split()))
