"""Write the table of modules in docs/ARCHITECTURE.md from the first sentences of each module, Python and JavaScript.

``python scripts/architecture_table.py`` writes it; ``--check`` exits with 1 if the page is not up to date.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "msgflux_nb"
PAGE = ROOT / "docs" / "ARCHITECTURE.md"
ROOMS = (
    *("errors", "content", "generation", "display", "protocol", "http", "storage", "local"),
    *("models", "reasoning", "tables", "widgets", "course", "doors"),
)
"""The rooms in order: a module imports from its own room and from rooms before it."""
BEGIN, END = "<!-- modules: written by scripts/architecture_table.py -->", "<!-- end of modules -->"


def modules() -> dict[str, Path]:
    """Return all modules except the ``__init__`` of rooms, by dotted name without the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name == "__init__" or not name.endswith("__init__"):
            found[name] = path
    return found


def room_of(name: str) -> str:
    """Return the room of a module: ``content`` for ``content.media``, ``doors`` for ``cli``."""
    room, _, rest = name.partition(".")
    return room if rest or room == "errors" else "doors"


def table() -> str:
    """Return the table: one row per module, room by room."""
    lines = ["| room | module | what it is |", "| --- | --- | --- |"]
    found = modules()
    for room in ROOMS:
        label = f"`{room}/`" if room not in ("errors", "doors") else room
        for name, path in found.items():
            if room_of(name) == room:
                words = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
                inner = name.removeprefix(f"{room}.").replace(".", "/")
                lines.append(_row(label, inner, words))
                label = ""
        lines += [_row("", name, words) for name, words in page_modules(room)]
    return "\n".join(lines)


def page_modules(room: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each JavaScript module of a room, and its first comment."""
    for path in sorted((PACKAGE / room).rglob("*.js")):
        comments = itertools.takewhile(lambda line: line.startswith("//"), path.read_text(encoding="utf-8").split("\n"))
        words = " ".join(line.removeprefix("//").strip() for line in comments if line != "// @ts-check")
        yield path.relative_to(PACKAGE / room).as_posix(), words


def _row(room: str, module: str, words: str) -> str:
    return f"| {room} | `{module}` | {' '.join(words.split()).replace('|', chr(92) + '|')} |"


def written() -> str:
    """Return the page with a fresh table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> int:
    """Write the table, or with ``--check`` report whether it is up to date."""
    page = written()
    if "--check" not in arguments:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    fresh = page == PAGE.read_text(encoding="utf-8")
    print("docs/ARCHITECTURE.md is up to date" if fresh else "run: python scripts/architecture_table.py")
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
