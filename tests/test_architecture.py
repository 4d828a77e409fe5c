"""Checks the rules of docs/ARCHITECTURE.md in the source and in fresh interpreters."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import msgflux_nb
from scripts.architecture_table import PAGE, ROOMS, room_of, written

ROOT = Path(msgflux_nb.__file__).parent

PURE_ROOMS = ("content", "generation", "display", "protocol")
IMPURE = {"httpx", "aiohttp", "asyncio", "threading", "time", "os", "pathlib", "socket", "subprocess"}
FILES = {"content.source", "content.generated", "content.messages", "content.media", "display.shared"}
"""The modules of pure rooms that know paths: what a person gives as a picture, where one is saved, our own data."""
UPWARD = {("models.answer", "tables.frame"), ("reasoning.result", "tables.frame")}
"""The arrows that go back: ``to_frame``."""
TUPLES = {"_replace", "_asdict", "_fields", "_missing_"}
"""Public names of named tuples and enums."""
FOREIGN = {
    ("generation.annotations", "_attributes_set"),  # pydantic says nowhere else which limits a Field was given
    ("generation.hints", "_name"),  # typing's qualifiers have no other name
    ("local.server", "_exit"),  # a function of the C library
    ("widgets.base.messages", "_on_"),  # ours: how a page's message finds its handler, said in docs/ARCHITECTURE.md
    ("tables.distributed.dask", "_meta"),  # how Dask's own guide says that a frame's columns are read
    ("tables.formats.values", "_ndarray"),  # of pandas' own base class: the cells, without a copy
    ("tables.formats.values", "_str_map"),  # pandas asks its arrays for it: its own answer is handed on
}
"""Private names that are used all the same: mostly of other libraries, which have no public twin."""
DISPLAY_LIBRARIES = {"ipywidgets", "traitlets", "IPython", "anywidget"}
HEAVY = ("ipywidgets", "IPython", "pandas", "dask", "httpx", "aiohttp")
MARKUP = {"HTML", "HTMLMath", "Markdown", "Latex", "SVG", "Javascript"}

parsed = functools.cache(ast.parse)
"""Each module's tree, which every rule walks."""


class Import(NamedTuple):
    """One imported module: ``""`` for the package's front door, None as ``ours`` for somebody else's."""

    line: int
    library: str
    ours: str | None
    function: str | None


def name_of(path: Path) -> str:
    """``content/media.py`` → ``content.media``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


SOURCES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
# The __init__ of a room holds only a docstring, which says what the room is for.
MODULES = {name: path for name, path in SOURCES.items() if name == "__init__" or not name.endswith(".__init__")}


def imports(name: str, tree: ast.Module) -> Iterator[Import]:
    """Find every import, also inside functions, with the innermost function around it."""
    around = {
        inner: function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = list(_targets(name, node))
        else:
            continue
        for target in targets:
            ours = target.partition("msgflux_nb")[2].lstrip(".") if target.split(".")[0] == "msgflux_nb" else None
            yield Import(node.lineno, target.split(".")[0], ours, around.get(node))


def _targets(name: str, node: ast.ImportFrom) -> Iterator[str]:
    package = ["msgflux_nb", *name.split(".")[:-1]]
    base = (
        [*package[: len(package) - node.level + 1], *filter(None, [node.module])] if node.level else [node.module or ""]
    )
    found = ".".join(base)
    for alias in node.names:  # from . import media: the name is a module
        inner = f"{found}.{alias.name}"
        ours = inner.removeprefix("msgflux_nb.")
        yield inner if base[0] == "msgflux_nb" and {ours, f"{ours}.__init__"} & SOURCES.keys() else found


def is_display(function: str | None) -> bool:
    """Return whether a method only converts its value for a table or a page."""
    return function is not None and (function == "to_frame" or function.startswith(("_repr_", "_ipython_display_")))


def order_faults(name: str, source: str) -> list[str]:
    """Rule 1: a module imports from its own room and from those before it."""
    own = room_of(name)
    if own not in ROOMS:
        return [f"{name} is in no room: put {own} into ROOMS of scripts/architecture_table.py"]
    faults = []
    for found in imports(name, parsed(source)):
        if found.ours is None or own == "doors" or (name, found.ours) in UPWARD:
            continue
        room = room_of(found.ours) if found.ours else "doors"
        if found.ours and f"{found.ours}.__init__" in SOURCES:  # a room, to take a module from it
            room = found.ours.partition(".")[0]
        if ROOMS.index(room) > ROOMS.index(own):
            faults.append(f"{name}:{found.line} imports {found.ours or 'the front door'}, which stands after it")
    return faults


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Find the sets of modules that import each other (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == order[name]:
            place = stack.index(name)
            circle = set(stack[place:])
            del stack[place:]
            if len(circle) > 1:
                found.append(circle)

    for name in graph:
        if name not in order:
            visit(name)
    return found


def display_faults(name: str, source: str) -> list[str]:
    """Rule 3: only widgets, magics and display methods know widget libraries and IPython."""
    if name.startswith("widgets.") or name == "magics":
        return []
    return [
        f"{name}:{found.line} imports {found.library}"
        for found in imports(name, parsed(source))
        if found.library in DISPLAY_LIBRARIES and not is_display(found.function)
    ]


def purity_faults(name: str, source: str) -> list[str]:
    """Rule 4: content, generation, display and protocol wait for nothing."""
    if name.split(".")[0] not in PURE_ROOMS:
        return []
    return [
        f"{name}:{found.line} imports {found.library}"
        for found in imports(name, parsed(source))
        if found.library in IMPURE and not (found.library == "pathlib" and name in FILES)
    ]


def markup_faults(name: str, source: str) -> list[str]:
    """Rule 6: markup is never built from a value, because its constructor opens URLs, reads files and runs scripts."""
    tree = parsed(source)
    renamed = {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    faults = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        values = [*node.args, *(k.value for k in node.keywords if k.arg in (None, "value", "data", "url", "filename"))]
        if renamed.get(called, called) in MARKUP and not all(isinstance(value, ast.Constant) for value in values):
            faults.append(f"{name}:{node.lineno} builds {called} from a value; build it empty and set .data, or escape")
    return faults


def private_faults(name: str, source: str) -> list[str]:
    """Rule 7: a name that begins with ``_`` is used by its own class and module only."""
    tree = parsed(source)
    own = _own_names(tree)
    faults = []
    for node in ast.walk(tree):
        attribute = ""
        if isinstance(node, ast.Attribute) and not _is_own(node.value, node.attr in own):
            attribute = node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            named = node.args[1].values[0] if isinstance(node.args[1], ast.JoinedStr) else node.args[1]
            attribute = str(getattr(named, "value", "")) if not _is_own(node.args[0], False) else ""
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("msgflux_nb")):
            attribute = next((alias.name for alias in node.names if alias.name.startswith("_")), "")
        if _is_private(attribute) and (name, attribute) not in FOREIGN:
            faults.append(f"{name}:{node.lineno} reaches for {attribute}, which is private to another module")
    return faults


def _is_private(attribute: str) -> bool:
    shown = attribute.startswith(("_repr_", "_ipython_display_"))
    return attribute.startswith("_") and not attribute.startswith("__") and not shown and attribute not in TUPLES


def _is_own(value: ast.expr, known: bool) -> bool:
    """Return whether the name before the dot is this object, its parent or class, or an object of this module."""
    if isinstance(value, ast.Call):
        return getattr(value.func, "id", "") in ("super", "type")
    return isinstance(value, ast.Name) and (known or value.id in ("self", "cls"))


def _own_names(tree: ast.Module) -> set[str]:
    """Return the attributes of this module's classes: methods, fields, slots, and attributes set on ``self``."""
    own = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                targets = inner.targets if isinstance(inner, ast.Assign) else [getattr(inner, "target", None)]
                own |= {target.id for target in targets if isinstance(target, ast.Name)}
                own |= {getattr(inner, "name", "")}
                if any(getattr(target, "id", "") == "__slots__" for target in targets):
                    own |= {slot.value for slot in ast.walk(inner) if isinstance(slot, ast.Constant)}
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own |= {node.attr} if getattr(node.value, "id", "") in ("self", "cls") else set()
    return own


def length_faults(name: str, source: str) -> list[str]:
    """Budget: 450 lines a module (aim at 400), 40 lines a function's body without signature and docstring."""
    faults = []
    lines = len(source.splitlines())
    if lines > 450:
        faults.append(f"{name} has {lines} lines; 450 is the budget")
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            if length > 40:
                faults.append(f"{name}:{node.lineno} {node.name} has {length} lines; 40 is the budget")
    return faults


RULES = [order_faults, display_faults, purity_faults, markup_faults, private_faults, length_faults]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Any) -> None:
    assert [fault for name, path in MODULES.items() for fault in rule(name, path.read_text(encoding="utf-8"))] == []


def test_no_imports_form_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, path in MODULES.items():
        found = {one.ours for one in imports(name, ast.parse(path.read_text(encoding="utf-8")))}
        graph[name] = {target for target in found if target in MODULES and target != "__init__"} - {name}
    assert circles(graph) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [{"b", "c"}]


def test_no_folder_has_more_than_40_files() -> None:
    folders = [ROOT, *(path for path in ROOT.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    assert [str(folder) for folder in folders if sum(path.is_file() for path in folder.iterdir()) > 40] == []


@pytest.mark.parametrize(
    ("rule", "name", "source", "fault"),
    [
        (order_faults, "cellar.surprise", "", "cellar.surprise is in no room"),
        (order_faults, "protocol.sse", "from ..models.chat import Model", "imports models.chat, which stands after"),
        (order_faults, "protocol.sse", "from ..tables import frame", "imports tables.frame"),
        (order_faults, "protocol.sse", "import msgflux_nb.models.chat", "imports models.chat"),
        (order_faults, "protocol.sse", "from msgflux_nb import models", "imports models, which"),
        (order_faults, "protocol.sse", "import msgflux_nb", "imports the front door"),
        (order_faults, "protocol.sse", "def late():\n    from ..tables import frame", "sse:2 imports tables.frame"),
        (order_faults, "models.chat", "class A:\n  def go(self):\n    from ..tables.frame import x", "tables.frame"),
        (display_faults, "tables.extract", "def f():\n    import ipywidgets", "imports ipywidgets"),
        (display_faults, "models.response", "from IPython.display import display", "imports IPython"),
        (purity_faults, "protocol.sse", "import os.path", "imports os"),
        (purity_faults, "content.media", "def f():\n    from time import sleep", "content.media:2 imports time"),
        (markup_faults, "widgets.playground.playground", "display(HTML(text))", "builds HTML from a value"),
        (markup_faults, "widgets.playground.playground", "display.Markdown(data=text)", "builds Markdown"),
        (markup_faults, "widgets.playground.playground", "widgets.HTML(value=f'<b>{x}</b>')", "builds HTML"),
        (
            markup_faults,
            "widgets.playground.playground",
            "from IPython.display import HTML as H\nH(x)",
            "builds H from",
        ),
        (markup_faults, "widgets.playground.playground", "HTML(**options)", "builds HTML"),
        (private_faults, "models.again", "def f(model):\n  return model._exchange", "reaches for _exchange"),
        (
            private_faults,
            "models.again",
            "class A:\n  def f(self):\n    self.view._end()\n  def _end(self): ...",
            "_end",
        ),
        (private_faults, "models.again", "def f():\n  made()._end", "reaches for _end"),
        (private_faults, "models.again", "value = getattr(model, '_wire', None)", "reaches for _wire"),
        (private_faults, "models.again", "value = getattr(model, f'_{name}', None)", "reaches for _"),
        (private_faults, "reasoning.react", "from .tools import _Loop, run_tools", "reaches for _Loop"),
        (length_faults, "errors", "x = 1\n" * 451, "451 lines"),
        (length_faults, "errors", "def f():\n" + "    x = 1\n" * 41, "f has 41 lines"),
        (length_faults, "errors", "class A:\n  async def f(self):\n" + "    x = 1\n" * 41, "f has 41 lines"),
    ],
)
def test_each_rule_finds_its_fault(rule: Any, name: str, source: str, fault: str) -> None:
    faults = rule(name, source)
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (order_faults, "models.chat", "from ..protocol.sse import SSEDecoder\nfrom . import keys\nimport httpx"),
        (order_faults, "models.answer", "class A:\n  def to_frame(self):\n    from ..tables.frame import to_frame"),
        (order_faults, "protocol.sse", "from .accumulate import Accumulator"),
        (display_faults, "models.response", "class A:\n  def _repr_mimebundle_(self):\n    import IPython"),
        (display_faults, "widgets.base.view", "import anywidget"),
        (purity_faults, "models.chat", "import os, asyncio"),
        (
            markup_faults,
            "widgets.playground.playground",
            "box = HTML()\nbox.data = clean\nHTML('<hr>')\nhtml.HTML(layout=wide)",
        ),
        (private_faults, "a", "class A:\n  __slots__ = ('_x',)\n  def f(self, other):\n    return self._y, other._x"),
        (
            private_faults,
            "a",
            "class A(B):\n  def f(self, other: A):\n    self._z = super()._z, other._z, type(self)._z",
        ),
        (private_faults, "a", "from typing import _Final\npair._replace(a=1)._asdict()\nview._repr_html_()"),
        (length_faults, "errors", "def f():\n    '''One.\n" + "\n" * 50 + "    '''\n" + "    x = 1\n" * 40),
    ],
)
def test_no_rule_reports_what_is_allowed(rule: Any, name: str, source: str) -> None:
    assert rule(name, source) == []


def test_scripts_and_styles_keep_the_budget() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.[jc]ss*")}
    lengths |= {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.rglob("*.js")}
    assert [path.name for path, lines in lengths.items() if lines > 400] == []


def test_the_init_of_a_room_is_a_docstring() -> None:
    for name in sorted(SOURCES.keys() - MODULES.keys()):
        body = ast.parse(SOURCES[name].read_text(encoding="utf-8")).body
        assert len(body) == 1, name
        assert ast.get_docstring(ast.Module(body, [])) is not None, name


def test_the_page_holds_the_table_of_today() -> None:
    assert written() == PAGE.read_text(encoding="utf-8"), "run: python scripts/architecture_table.py"


# Fresh interpreters


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after running ``code``."""
    tail = "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_imports_without_the_heavy_libraries() -> None:
    assert loaded_after("import msgflux_nb").isdisjoint(HEAVY)


def test_the_pure_rooms_load_no_heavy_library_either() -> None:
    pure = [name for name in MODULES if name.split(".")[0] in PURE_ROOMS]
    code = "; ".join(f"import msgflux_nb.{name}" for name in pure)
    assert loaded_after(code).isdisjoint((*HEAVY, "PIL", "numpy"))


def test_the_probe_sees_what_is_loaded() -> None:
    assert "httpx" in loaded_after("import httpx")


# The front door


def test_dunder_all_is_sorted_and_has_no_name_twice() -> None:
    assert msgflux_nb.__all__ == sorted(set(msgflux_nb.__all__))


def test_each_public_name_resolves_and_has_a_docstring() -> None:
    assert [name for name in msgflux_nb.__all__ if not (getattr(msgflux_nb, name).__doc__ or "").strip()] == []


def test_every_name_in_a_modules_dunder_all_exists_and_has_a_docstring() -> None:
    explained = (type, types.FunctionType)
    for name in MODULES.keys() - {"__init__"}:
        module = importlib.import_module(f"msgflux_nb.{name}")
        assert (module.__doc__ or "").strip(), name
        offered = [getattr(module, public) for public in getattr(module, "__all__", ())]
        silent = [thing for thing in offered if isinstance(thing, explained) and not (thing.__doc__ or "").strip()]
        assert silent == [], name


def test_the_type_checker_is_told_the_same_names_as_the_interpreter() -> None:
    tree = ast.parse(SOURCES["__init__"].read_text(encoding="utf-8"))
    told = {
        alias.asname: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert told == msgflux_nb._HOME


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Modell'"):
        _ = msgflux_nb.Modell


def test_dir_shows_the_lazy_names_too() -> None:
    assert set(msgflux_nb.__all__) <= set(dir(msgflux_nb))
