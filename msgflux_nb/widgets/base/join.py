"""A page's modules, joined to one: anywidget loads a page from a blob, where a relative import has nowhere to go."""

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
    """Modules as one text.

    Attributes:
        text: a script of constants, one for each module, which holds what that module exports.
        paths: the modules, each behind those that it imports.
        entry: the constant of the module that was asked for.
    """

    text: str
    paths: tuple[Path, ...]
    entry: str


def join(entry: Path) -> JoinedModules:
    """Join a module and all that it imports. Each module keeps a scope of its own.

    Understood are, each at the start of a line: ``import { a, b as c } from "./x.js";``, ``import NAME from "./x.json"
    with { type: "json" };``, ``export`` before a function, a class or a constant, and ``export default``.

    Raises:
        ValueError: a module imports or exports in another way, or modules import each other in a circle.
    """
    paths = modules(entry)
    texts = [f"// {path.name}\nconst {_constant(path)} = {_value(path)};\n" for path in paths]
    return JoinedModules("".join(texts), paths, _constant(entry))


@functools.cache
def modules(entry: Path) -> tuple[Path, ...]:
    """Return a module and all that it imports, each behind those that it imports itself.

    Raises:
        ValueError: modules import each other in a circle.
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
    """Name the constant that holds a module's exports; no name in a module has a dollar sign."""
    return "$" + _MARK.sub("_", "/".join(path.with_suffix("").parts[-2:]))


@functools.cache
def _value(path: Path) -> str:
    """Return an expression for what a module exports; its lines are the file's, from the second on."""
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
