"""Build the site into build/site: docs, lessons, an API reference; without a network, and with warnings as errors.

``python scripts/site.py``; then open build/site/index.html.
"""

from __future__ import annotations

import operator
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE, TARGET = ROOT / "build" / "site-source", ROOT / "build" / "site"
sys.path.insert(0, str(ROOT))

_LESSONS = """# The lessons, as saved

The views in them are pictures that replay in the page, without a kernel.

```{{toctree}}
:maxdepth: 1

{names}
```
"""


def assemble() -> None:
    """Copy the sources of the site into one folder."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    lessons = SOURCE / "lessons"
    lessons.mkdir()
    names = []
    for notebook in [
        ROOT / "notebooks" / "00_quickstart.ipynb",
        *sorted((ROOT / "notebooks" / "course").glob("*.ipynb")),
    ]:
        _show(notebook, lessons / notebook.name)
        names.append(f"lessons/{notebook.stem}")
    (SOURCE / "lessons.md").write_text(_LESSONS.format(names="\n".join(names)), encoding="utf-8")
    for page in SOURCE.glob("*.md"):  # notebooks have another folder in the site
        text = page.read_text(encoding="utf-8").replace("](../notebooks/course/", "](lessons/")
        text = text.replace("](../benchmarks/README.md", "](benchmarks.md")
        page.write_text(text, encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    (SOURCE / "changelog.md").write_text(changes, encoding="utf-8")
    measured = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").replace("](../docs/", "](")
    (SOURCE / "benchmarks.md").write_text(measured, encoding="utf-8")
    (SOURCE / "api.md").write_text(reference(), encoding="utf-8")


def _show(notebook: Path, target: Path) -> None:
    """Copy a notebook, with a line below its title about how to get and run it."""
    import nbformat

    (target.parent / "saved").mkdir(exist_ok=True)
    shutil.copyfile(notebook, target.parent / "saved" / notebook.name)
    shown = nbformat.read(notebook, as_version=4)
    line = f"{{download}}`This notebook <saved/{notebook.name}>` · [how to run it](../begin.md)"
    shown.cells.insert(1, nbformat.v4.new_markdown_cell(line, id="how-to-get-it"))
    nbformat.write(shown, target)


REFERENCE = {
    "Ask a model": "Model ChatCompletion ChatBlock Timeout",
    "Tools": "run_tools arun_tools tool_schemas ToolCall ToolCallAggregator",
    "Plans": "plan.react plan.self_consistency plan.tree_of_thoughts plan.start",
    "Tables": "to_frame extract aextract Chunk runs resume",
    "Judge": "grid agrid score",
    "Record and teach": "record replay lesson",
    "Views": "Playground MessageBuilder PrefillEditor SchemaPicker ToolCallView PlanView ExtractionView GridView "
    "ReviewView display",
    "Errors": "Fault",
}
"""The public names in the order in which a user meets them; errors are added automatically."""


def reference() -> str:
    """Return the API page: public names by purpose, with their docstrings."""
    import msgflux_nb as mf

    errors = [name for name in mf.__all__ if _is_error(getattr(mf, name))]
    groups = {title: names.split() for title, names in REFERENCE.items()}
    groups["Errors"] += errors
    told = {name.partition(".")[0] for names in groups.values() for name in names}
    if missing := set(mf.__all__) - told:
        raise SystemExit(f"scripts/site.py: REFERENCE lacks {', '.join(sorted(missing))}")
    parts = ["# Reference\n\nEverything is imported as `import msgflux_nb as mf`.\n"]
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        for name in names:
            thing = operator.attrgetter(name)(mf)
            home = f"{getattr(thing, '__module__', 'msgflux_nb')}.{getattr(thing, '__qualname__', name)}"
            directive, options = "autofunction", ""
            if name in errors:
                directive = "autoexception"
            elif isinstance(thing, type):
                directive, options = "autoclass", "   :members:\n   :exclude-members: tag\n"
            parts.append(f"### {name}\n\n```{{eval-rst}}\n.. {directive}:: {home}\n{options}```\n")
    return "\n".join(parts)


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)


def dead_links() -> list[str]:
    """Return links of the built pages without a page or an anchor."""
    pages = {page: page.read_text(encoding="utf-8") for page in TARGET.rglob("*.html") if "_static" not in page.parts}
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', text)) for page, text in pages.items()}
    dead = []
    for page, text in pages.items():
        for link in set(re.findall(r'href="([^"]+)"', text)):
            if re.match(r"[a-z]+:|//|#$", link) or "_sources" in link:
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path.partition("?")[0]).resolve() if path else page
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (anchor and target in anchors and anchor not in anchors[target]):
                dead.append(f"{page.relative_to(TARGET)}: {link}")
    return sorted(dead)


def main() -> int:
    """Build the site; return 0, or 1 if there was a warning or a dead link."""
    assemble()
    shutil.rmtree(TARGET, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", str(SOURCE), str(TARGET)]
    done = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603  # our own arguments
    if done.returncode:
        return 1
    dead = dead_links()
    print("\n".join(dead) or f"{len(list(TARGET.rglob('*.html')))} pages in {TARGET}, no dead link")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
