"""Joins a page's modules to one, because anywidget loads a page from a blob, where relative imports do not work."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["WIDGETS", "JoinedModules", "join", "modules"]

WIDGETS = Path(__file__).parent.parent

_IMPORT = re.compile(
    r'^import (?P<names>\{[^{}]*\}|\w+) from "(?P<path>\.[^"]+\.(?P<kind>js|json))"(?: with \{ type: "json" \})?;$',
    re.MULTILINE,
)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (?P<name>\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_MARK = re.compile(r"\W")


class JoinedModules(NamedTuple):
    """Modules joined to one text.

    Attributes:
        text: a script with one constant per module, which holds the module's exports.
        paths: the modules, each after those that it imports.
        entry: the constant of the requested module.
    """

    text: str
    paths: tuple[Path, ...]
    entry: str


def join(entry: Path) -> JoinedModules:
    """Join a module and all that it imports; each keeps its own scope.

    The supported forms, at the start of a line, are ``import { a, b as c } from "./x.js";``, ``import NAME from
    "./x.json" with { type: "json" };``, ``export`` before a function, a class or a constant, and ``export default``.

    Raises:
        ValueError: a module uses another form of import or export, or imports form a circle.
    """
    paths = modules(entry)
    texts = [f"// {path.name}\nconst {_constant(path)} = {_value(path)};\n" for path in paths]
    return JoinedModules("".join(texts), paths, _constant(entry))


@functools.cache
def modules(entry: Path) -> tuple[Path, ...]:
    """Return a module and all that it imports, each after its own imports.

    Raises:
        ValueError: imports form a circle.
    """
    return tuple(dict.fromkeys(_walked(entry.resolve(), ())))


def _walked(path: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    if path in above:
        circle = " -> ".join(each.stem for each in (*above[above.index(path) :], path))
        raise ValueError(f"modules that import each other: {circle}")
    if path.suffix == ".js":
        for found in _IMPORT.finditer(path.read_text(encoding="utf-8")):
            yield from _walked((path.parent / found["path"]).resolve(), (*above, path))
    yield path


def _constant(path: Path) -> str:
    """Return the name of the constant with a module's exports; its dollar sign occurs in no module's names."""
    return "$" + _MARK.sub("_", "/".join(path.with_suffix("").parts[-2:]))


@functools.cache
def _value(path: Path) -> str:
    """Return an expression for a module's exports; its lines are the file's lines, shifted by one."""
    text = path.read_text(encoding="utf-8").strip("\n")
    if path.suffix == ".json":
        return text

    def imported(found: re.Match[str]) -> str:
        constant = _constant((path.parent / found["path"]).resolve())
        return f"const {found['names'].replace(' as ', ': ')} = {constant};"

    names = [found["name"] for found in _EXPORT.finditer(text)]
    body, defaults = _DEFAULT.subn("const default$ = ", _EXPORT.sub("", _IMPORT.sub(imported, text)))
    names += ["default: default$"] * defaults
    if left := _LEFT.search(body):
        raise ValueError(f"{path.name}: an import or export that is not understood here: {left[0]}")
    return f"(() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})()"
