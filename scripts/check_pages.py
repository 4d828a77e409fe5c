"""Type-check the widgets' page code against the traits and messages of its Python class.

``python scripts/check_pages.py [name ...]``. TypeScript checks a widget's module and its imports with types made from
the class: its synced traits and the messages that it handles. A name that only one side has is an error, and so is an
export that anywidget does not call.

"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import traitlets as t

ROOT = Path(__file__).parent.parent
WIDGETS = ROOT / "msgflux_nb" / "widgets"
FOLDER = ROOT / ".venv" / "page-types"
OPTIONS = ROOT / "tsconfig.json"
VERSIONS = {"typescript": "7.0.2", "@anywidget/types": "0.4.0", "axe-core": "4.10.3", "pyright": "1.1.414"}
"""Packages from npm; axe-core is for the tests of pages, pyright for ``check_typing.py``."""
ALONE = (ROOT / "tests" / "browser" / "fake_model.js",)
"""Scripts that are checked separately."""

_KINDS = {
    t.Unicode: "string",
    t.Bool: "boolean",
    t.Float: "number",
    t.Int: "number",
    t.List: "any[]",
    t.Tuple: "any[]",
}
_CONTRACT = """import type {{ AnyWidget }} from "@anywidget/types";
import widget from "{page}";
export const kept: AnyWidget<Traits> = widget;
"""
_PLACE = re.compile(r"(?P<file>[^\s(]+)\((?P<line>\d+),(?P<column>\d+)\): (?P<said>.*)")


def views() -> dict[str, Any]:
    """Return the widgets with a page, by the path of their files in ``widgets`` without suffix."""
    found = {}
    for path in sorted(WIDGETS.rglob("*.py")):
        if not path.with_suffix(".js").exists():
            continue
        stem = path.relative_to(WIDGETS).with_suffix("").as_posix()
        module = importlib.import_module(f"msgflux_nb.widgets.{stem.replace('/', '.')}")
        kinds = [getattr(module, name) for name in module.__all__]
        found |= {kind.stem: kind for kind in kinds if getattr(kind, "stem", None) == stem}
    return found


def declared(kind: Any) -> str:
    """Return TypeScript declarations of a widget's synced traits and handled messages."""
    from ipywidgets import DOMWidget

    ours = kind.class_traits(sync=True).keys() - DOMWidget.class_traits(sync=True).keys()
    traits = "".join(f"  {name}: {_type(kind.class_traits()[name])};\n" for name in sorted(ours))
    handled = sorted(name.removeprefix("_on_") for name in dir(kind) if name.startswith("_on_") and name != "_on_msg")
    types = " | ".join(f'"{name}"' for name in handled) or "never"
    return f"interface Traits {{\n{traits}}}\ntype Handled = {types};\n"


def _type(trait: Any) -> str:
    kind = next((name for base, name in _KINDS.items() if isinstance(trait, base)), "any")
    if isinstance(trait, t.Enum):
        kind = " | ".join(json.dumps(value) for value in trait.values)
    return f"{kind} | null" if trait.allow_none and kind != "any" else kind


def install() -> None:
    """Install TypeScript, unless the wanted version is there."""
    modules = FOLDER / "node_modules"

    def there(name: str) -> bool:
        path = modules / name / "package.json"
        return path.exists() and json.loads(path.read_text(encoding="utf-8"))["version"] == VERSIONS[name]

    if all(map(there, VERSIONS)):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text('{ "private": true }')  # else npm would search the parent folders
    wanted = [f"{name}@{version}" for name, version in VERSIONS.items()]
    print("Fetching", *wanted, "from npm ...", flush=True)
    quiet = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    _run(_tool("npm"), "install", *quiet, *wanted, seconds=300)
    if not all(map(there, VERSIONS)):
        sys.exit(f"npm did not bring {' '.join(wanted)} into {FOLDER}")


def node() -> str:
    """Return the path of node."""
    return _tool("node")


def _tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        sys.exit(f"there is no {name}: run this by `make check`, which installs the test group")
    return found


def _run(*command: str | Path, seconds: float) -> str:
    done = subprocess.run(  # noqa: S603 - npm and node, with our arguments
        [str(word) for word in command], cwd=FOLDER, stdout=subprocess.PIPE, timeout=seconds, text=True
    )
    if done.returncode and not done.stdout:
        sys.exit(f"{' '.join(map(str, command[:3]))} ... ended with code {done.returncode}")
    return done.stdout


def compiled(name: str, texts: dict[str, str], *paths: Path) -> str:
    """Compile texts and files together with TypeScript; return its output."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    options = {"extends": str(OPTIONS), "include": [], "files": [*texts, *map(str, paths)]}
    (folder / "tsconfig.json").write_text(json.dumps(options))
    tsc = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    return _run(node(), tsc, "--project", folder, "--pretty", "false", seconds=120)


def faults_of_page(stem: str, kind: Any) -> Iterator[str]:
    """Yield the errors of one widget's page."""
    page = WIDGETS / f"{stem}.js"
    contract = _CONTRACT.format(page=page.as_posix())
    return placed(compiled(Path(stem).name, {"traits.d.ts": declared(kind), "contract.ts": contract}, page))


def faults_of_script(path: Path) -> Iterator[str]:
    """Yield the errors of a script that is checked separately."""
    return placed(compiled(path.stem, {}, path))


def placed(said: str) -> Iterator[str]:
    """Yield TypeScript's lines with paths relative to the project's folder."""
    for line in said.splitlines():
        found = _PLACE.match(line)
        path = (FOLDER / found["file"]).resolve() if found else ROOT
        inside = found is not None and path.is_relative_to(ROOT) and not path.is_relative_to(FOLDER)
        yield f"{path.relative_to(ROOT)}{line[found.end('file') :]}" if found and inside else line


def main(stems: list[str]) -> int:
    """Check the pages that are named, or all; 1 if something is wrong."""
    install()
    jobs = [(faults_of_page, (stem, kind)) for stem, kind in views().items() if not stems or Path(stem).name in stems]
    jobs += [(faults_of_script, (path,)) for path in ALONE if not stems]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda job: list(job[0](*job[1])), jobs))
    # Report an error of a shared module once.
    faults = dict.fromkeys(fault for faults in said for fault in faults)
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"page code: {len(jobs)} pages, {len(faults)} lines of faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
