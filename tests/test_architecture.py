"""The rules of docs/ARCHITECTURE.md, held by walking the source and by fresh interpreters."""

from __future__ import annotations

import ast
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

ROOT = Path(msgflux_nb.__file__).parent
PAGE = ROOT.parent / "docs" / "ARCHITECTURE.md"

# The table of docs/ARCHITECTURE.md: rooms from left to right, modules of a room from top to bottom.
ROOMS = {
    "": "errors",
    "content": "container source picture sound tokens media generated messages history",
    "generation": "generics dialect nodes restore leaves limits faults schema decode partial outline tool_schema plan",
    "protocol": "profile partial_json prefill turns request sse events chunks tool_call tool_calls snapshot failure "
    "misfit allowance plain accumulate",
    "models": "profiles keys limits retry exchange call prices answer partials environment http1 connect sockets line "
    "aio transport whole response async_response store records quick prepared form recording gguf machine pip weights "
    "local chat model",
    "reasoning": "tools react self_consistency tree_of_thoughts",
    "tables": "dtypes fields lists packed arrays cells template marks examples rows frame export gate outcome labels "
    "ledger reuse memory paths corrections report long compare score spans progress interrupts loop batch run travel "
    "share part scheduler_desk cluster dask extract runs explain review accessor",
    "widgets": "_markdown _feed _run _structure _fields _request _outlook _verdict _sending _struct_code _parts "
    "_attachments _variables _turns _deck _question _twin _transcript _cards answer_card row_card _typed _base _intake "
    "message_builder prefill_editor schema_picker _tool_fields _tool_job "
    "_approval _lane _lane_feed _lane_set _lane_twin _one_run _call_board _tool_source tool_call_view plan_view "
    "_extraction_tally _extraction_picture _extraction_twin _extraction_board extraction_view "
    "_side _code _difference _models _rounds _tokens _play_page playground",
    "doors": "__init__ pandas dask magics cli testing",
}
ORDER = {
    (name if room in ("", "doors") else f"{room}.{name}"): (row, column)
    for row, (room, names) in enumerate(ROOMS.items())
    for column, name in enumerate(names.split())
}

PURE_ROOMS = ("content", "generation", "protocol")
IMPURE = {"httpx", "asyncio", "threading", "time", "os"}
DISPLAY_LIBRARIES = {"ipywidgets", "traitlets", "IPython", "anywidget"}
HEAVY = ("ipywidgets", "IPython", "pandas", "dask", "httpx")
MARKUP = {"HTML", "HTMLMath", "Markdown", "Latex", "SVG", "Javascript"}


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
# The __init__ of a room says what the room is for, and nothing else.
MODULES = {name: path for name, path in SOURCES.items() if name == "__init__" or not name.endswith(".__init__")}


def imports(name: str, tree: ast.Module) -> Iterator[Import]:
    """Find every import, those inside functions too, with the innermost function around it."""
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
    if found.removeprefix("msgflux_nb").lstrip(".") in ORDER or base[0] != "msgflux_nb":
        yield found
    else:  # from . import media: the names are the modules
        yield from (f"{found}.{alias.name}" for alias in node.names)


def is_display(function: str | None) -> bool:
    """Whether a method only converts its value for a table or a page."""
    return function is not None and (function == "to_frame" or function.startswith(("_repr_", "_ipython_display_")))


def order_faults(name: str, source: str) -> list[str]:
    """Rule 1: imports follow the table."""
    if name not in ORDER:
        return [f"{name} is in no row: put it into ROOMS of tests/test_architecture.py, and into docs/ARCHITECTURE.md"]
    faults = []
    for found in imports(name, ast.parse(source)):
        if found.ours is None or is_display(found.function) or name == "__init__":
            continue
        target = "__init__" if found.ours in ("", "__version__") else found.ours
        if ORDER.get(target, (99, 0)) >= ORDER[name]:
            faults.append(f"{name}:{found.line} imports {found.ours or 'the front door'}, which stands after it")
    return faults


def display_faults(name: str, source: str) -> list[str]:
    """Rule 3: only widgets, magics and display methods know widget libraries and IPython."""
    if name.startswith("widgets.") or name == "magics":
        return []
    return [
        f"{name}:{found.line} imports {found.library}"
        for found in imports(name, ast.parse(source))
        if found.library in DISPLAY_LIBRARIES and not is_display(found.function)
    ]


def purity_faults(name: str, source: str) -> list[str]:
    """Rule 4: content, generation and protocol wait for nothing."""
    if name.split(".")[0] not in PURE_ROOMS:
        return []
    return [
        f"{name}:{found.line} imports {found.library}"
        for found in imports(name, ast.parse(source))
        if found.library in IMPURE
    ]


def markup_faults(name: str, source: str) -> list[str]:
    """Rule 6: markup is never built from a value, because its constructor opens URLs, reads files and runs scripts."""
    tree = ast.parse(source)
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


def length_faults(name: str, source: str) -> list[str]:
    """Budget: 400 lines a module, 40 lines a function's body; signature and docstring are its documentation."""
    faults = []
    lines = len(source.splitlines())
    if lines > 400:
        faults.append(f"{name} has {lines} lines; 400 is the budget")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = node.end_lineno - body[0].lineno + 1 if body else 0
            if length > 40:
                faults.append(f"{name}:{node.lineno} {node.name} has {length} lines; 40 is the budget")
    return faults


RULES = [order_faults, display_faults, purity_faults, markup_faults, length_faults]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", MODULES)
def test_every_module_keeps_the_rule(name: str, rule: Any) -> None:
    assert rule(name, MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("rule", "name", "source", "fault"),
    [
        (order_faults, "content.surprise", "", "content.surprise is in no row"),
        (order_faults, "protocol.sse", "from ..models.chat import Model", "imports models.chat, which stands after"),
        (order_faults, "protocol.sse", "from .accumulate import Accumulator", "imports protocol.accumulate"),
        (order_faults, "protocol.sse", "from . import accumulate", "imports protocol.accumulate"),
        (order_faults, "protocol.sse", "import msgflux_nb.models.chat", "imports models.chat"),
        (order_faults, "protocol.sse", "from msgflux_nb import models", "imports models, which"),
        (order_faults, "protocol.sse", "import msgflux_nb", "imports the front door"),
        (order_faults, "protocol.sse", "def late():\n    from ..tables import frame", "sse:2 imports tables.frame"),
        (order_faults, "models.chat", "class A:\n  def go(self):\n    from ..tables.frame import x", "tables.frame"),
        (display_faults, "tables.extract", "def f():\n    import ipywidgets", "imports ipywidgets"),
        (display_faults, "models.response", "from IPython.display import display", "imports IPython"),
        (purity_faults, "protocol.sse", "import os.path", "imports os"),
        (purity_faults, "content.media", "def f():\n    from time import sleep", "content.media:2 imports time"),
        (markup_faults, "widgets.playground", "display(HTML(text))", "builds HTML from a value"),
        (markup_faults, "widgets.playground", "display.Markdown(data=text)", "builds Markdown"),
        (markup_faults, "widgets.playground", "widgets.HTML(value=f'<b>{x}</b>')", "builds HTML"),
        (markup_faults, "widgets.playground", "from IPython.display import HTML as H\nH(x)", "builds H from"),
        (markup_faults, "widgets.playground", "HTML(**options)", "builds HTML"),
        (length_faults, "errors", "x = 1\n" * 401, "401 lines"),
        (length_faults, "errors", "def f():\n" + "    x = 1\n" * 41, "f has 41 lines"),
        (length_faults, "errors", "class A:\n  async def f(self):\n" + "    x = 1\n" * 41, "f has 41 lines"),
    ],
)
def test_each_rule_bites(rule: Any, name: str, source: str, fault: str) -> None:
    faults = rule(name, source)
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (order_faults, "models.chat", "from ..protocol.sse import SSEDecoder\nfrom . import keys\nimport httpx"),
        (order_faults, "models.response", "class A:\n  def to_frame(self):\n    from ..tables.frame import to_frame"),
        (display_faults, "models.response", "class A:\n  def _repr_mimebundle_(self):\n    import IPython"),
        (display_faults, "widgets._base", "import anywidget"),
        (purity_faults, "models.chat", "import os, asyncio"),
        (markup_faults, "widgets.playground", "box = HTML()\nbox.data = clean\nHTML('<hr>')\nhtml.HTML(layout=wide)"),
        (length_faults, "errors", "def f():\n    '''One.\n" + "\n" * 50 + "    '''\n" + "    x = 1\n" * 40),
    ],
)
def test_no_rule_bites_what_is_allowed(rule: Any, name: str, source: str) -> None:
    assert rule(name, source) == []


@pytest.mark.parametrize("path", sorted([*ROOT.rglob("*.js"), *ROOT.rglob("*.css")]), ids=lambda path: path.name)
def test_scripts_and_styles_keep_the_budget(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - MODULES.keys()))
def test_the_init_of_a_room_is_a_docstring(name: str) -> None:
    body = ast.parse(SOURCES[name].read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert ast.get_docstring(ast.Module(body, [])) is not None


def test_the_page_names_every_module() -> None:
    page = PAGE.read_text(encoding="utf-8")
    stems = {name: name.rpartition(".")[2] for name in MODULES}
    assert [name for name, stem in stems.items() if f"`{stem}" not in page and f"{stem}.py" not in page] == []


# Fresh interpreters


def loaded_after(code: str) -> set[str]:
    """Which top-level packages a fresh interpreter has loaded after running ``code``."""
    tail = "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_imports_without_the_heavy_libraries() -> None:
    assert loaded_after("import msgflux_nb").isdisjoint(HEAVY)


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] in PURE_ROOMS])
def test_a_pure_module_loads_no_heavy_library_either(name: str) -> None:
    assert loaded_after(f"import msgflux_nb.{name}").isdisjoint((*HEAVY, "PIL", "numpy"))


def test_the_probe_sees_what_is_loaded() -> None:
    assert "httpx" in loaded_after("import httpx")


# The front door


def test_all_is_sorted_and_has_no_name_twice() -> None:
    assert msgflux_nb.__all__ == sorted(set(msgflux_nb.__all__))


@pytest.mark.parametrize("name", msgflux_nb.__all__)
def test_each_public_name_resolves_and_has_a_docstring(name: str) -> None:
    assert (getattr(msgflux_nb, name).__doc__ or "").strip()


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_what_a_module_offers_is_there_and_explained(name: str) -> None:
    module = importlib.import_module(f"msgflux_nb.{name}")
    assert (module.__doc__ or "").strip()
    offered = [getattr(module, public) for public in getattr(module, "__all__", ())]
    explained = (type, types.FunctionType)
    assert [thing for thing in offered if isinstance(thing, explained) and not (thing.__doc__ or "").strip()] == []


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
