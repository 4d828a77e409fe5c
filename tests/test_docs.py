"""Runs the examples of README.md and docs/: every ``python`` block of a page in order, offline, in an empty folder.

A block ``text`` after a ``python`` block is its expected output. ``<!-- local -->`` on the line before a block says
that this block needs the embedded model; such blocks run in a separate test, with all other blocks of their page.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest

import msgflux_nb

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])

_BLOCK = re.compile(
    r"^(?P<local><!-- local -->\n)?```python\n(?P<code>.*?)^```\n(?:\n*```text\n(?P<output>.*?)^```$)?", re.M | re.S
)


class Block(NamedTuple):
    """An example: its source, its first line, its expected output (None: any), and whether it needs a model."""

    code: str
    line: int
    output: str | None
    local: bool


def blocks(page: str) -> list[Block]:
    return [
        Block(
            code=found["code"],
            line=page.count("\n", 0, found.start("code")) + 1,
            output=found["output"],
            local=found["local"] is not None,
        )
        for found in _BLOCK.finditer(page)
    ]


def run(page: str, name: str, *, local: bool) -> int:
    """Run the blocks of a page as one module and compare their output; return the number of blocks that ran."""
    # A separate module, because msgspec looks up the annotations of a Struct in sys.modules.
    module = types.ModuleType("docs_page")
    sys.modules[module.__name__] = module
    chosen = [block for block in blocks(page) if local or not block.local]
    try:
        for block in chosen:
            printed = io.StringIO()
            # The newlines in front make a traceback name the line of the page.
            code = compile("\n" * (block.line - 1) + block.code, name, "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, module.__dict__)
            if block.output is not None:
                assert printed.getvalue().strip() == block.output.strip(), f"{name}, line {block.line}"
    finally:
        del sys.modules[module.__name__]
    return len(chosen)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _empty_folder_and_quick_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MSGFLUX_REPLAY_SPEED", "inf")


# Dask's own reading and writing of Parquet, with pandas 3.1.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_run_offline(path: Path) -> None:
    run(read(path), path.name, local=False)


@pytest.mark.local
def test_the_examples_that_need_the_embedded_model_run() -> None:
    for path in PAGES:
        if any(block.local for block in blocks(read(path))):
            run(read(path), path.name, local=True)


@pytest.mark.parametrize("name", msgflux_nb.__all__)
def test_each_public_name_is_in_the_docs(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", read(path)) for path in PAGES)


@pytest.mark.parametrize("path", [*PAGES, *ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"], ids=str)
def test_what_a_page_links_to_is_there(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", read(path), flags=re.M | re.S)
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, heading = target.partition("#")
        page = path.parent / name if name else path
        assert page.exists(), target
        titles = re.findall(r"^#+ (.*)$", read(page), flags=re.M) if heading else []
        assert not heading or heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_each_item_of_the_gallery_begins_with_its_picture() -> None:
    items = read(ROOT / "docs" / "gallery.md").split("\n## ")[1:]
    assert len(items) >= 20
    for item in items:
        assert re.match(r".*\n\n!\[.+\]\(images/gallery/\w+\.png\)\n\n```python\n", item), item.partition("\n")[0]
    assert sum(path.stat().st_size for path in (ROOT / "docs" / "images" / "gallery").iterdir()) < 1.5e6


def test_what_to_watch_for_stands_in_each_lesson_and_in_the_guide() -> None:
    guide = read(ROOT / "docs" / "teaching.md")
    lessons = sorted((ROOT / "notebooks" / "course").glob("*.ipynb"))
    assert len(lessons) == 13
    for lesson in lessons:
        told = json.loads(read(lesson))["cells"][0]["metadata"]["msgflux_nb"]
        assert told["minutes"] == 25
        assert f"*Watch for:* {told['watch_for']}\n" in guide


PAGE = """\
# Title

```python
import msgspec


class City(msgspec.Struct):
    name: str


city = msgspec.convert({"name": "Ghent"}, City)
```

Text.

<!-- local -->
```python
print("needs a model")
```

```python
print(city.name)
```

```text
Ghent
```

```bash
not run
```
"""


def test_blocks_share_one_module_and_local_ones_are_left_out() -> None:
    assert [(block.line, block.local) for block in blocks(PAGE)] == [(4, False), (18, True), (22, False)]
    assert run(PAGE, "page", local=False) == 2
    assert run(PAGE, "page", local=True) == 3


def test_another_output_than_the_page_shows_fails() -> None:
    with pytest.raises(AssertionError, match="page, line 22"):
        run(PAGE.replace("\nGhent\n", "\nBruges\n"), "page", local=False)


def test_a_failing_example_names_the_line_of_the_page() -> None:
    with pytest.raises(NameError) as caught:
        run(PAGE.replace("print(city.name)", "print(town)"), "page", local=False)
    assert caught.traceback[-1].lineno + 1 == 22
