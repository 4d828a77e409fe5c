"""Tests that the joined module of a page does what its modules do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from msgflux_nb.widgets.base.join import WIDGETS, join, modules
from msgflux_nb.widgets.base.view import page_code, page_style
from scripts.check_pages import node, views

MODULES = sorted(WIDGETS.rglob("*.js"))


def written(folder: Path, **texts: str) -> Path:
    """Write modules, and return the folder."""
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def said(code: str) -> str:
    """Return the output of a module under node."""
    done = subprocess.run([node(), "--input-type=module"], input=code, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_modules_keep_their_names_to_themselves(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        low='import WORDS from "./words.json" with { type: "json" };\n'
        "const own = WORDS.low;\nexport function low() {\n  return own;\n}\n"
        "export class Kept {\n  static count = 0;\n}\nexport async function later() {}\n",
        high='import {\n  Kept,\n  low as lower,\n} from "./low.js";\n'
        "const own = 'high';\nKept.count += 1;\nexport const high = () => [own, lower(), Kept.count].join();\n",
        page='import { high } from "./high.js";\nimport { Kept, later, low } from "./low.js";\n'
        "const own = 'page';\nKept.count += 1;\nexport default () => [own, high(), low(), typeof later].join();\n",
    )
    (folder / "words.json").write_text('{"low": "from data"}')
    joined = join(folder / "page.js")
    assert [path.name for path in joined.paths] == ["words.json", "low.js", "high.js", "page.js"]
    assert said(f"{joined.text}console.log({joined.entry}.default());") == "page,high,from data,2,from data,function\n"


def test_a_line_of_a_module_is_a_line_of_the_page() -> None:
    """So the line numbers in an error's details can be used."""
    for path in MODULES:
        lines = join(path).text.split("\n")
        first = lines.index(f"// {path.name}") + 2
        kept = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        there = lines[first : first + len(kept)]
        same = [here == line for here, line in zip(there, kept, strict=True)]
        changed = [line for line, is_same in zip(kept, same, strict=True) if not is_same]
        assert all(line.startswith(("import ", "export ", "} from ")) for line in changed), path


@pytest.mark.parametrize(
    "line",
    [
        'import "./low.js";',
        'import * as low from "./low.js";',
        'import { low } from "https://cdn.test/low.js";',
        'export { low } from "./low.js";',
        "export let low = 1;",
        "export { low };",
    ],
)
def test_what_it_does_not_understand_is_refused_by_name(tmp_path: Path, line: str) -> None:
    written(tmp_path, low="export const low = 1;\n", odd=f"const low = 1;\n{line}\n")
    with pytest.raises(
        ValueError, match=r"odd\.js: an import or export that is not understood here: " + re.escape(line)
    ):
        join(tmp_path / "odd.js")


def test_modules_in_a_circle_are_refused_by_name(tmp_path: Path) -> None:
    written(
        tmp_path,
        one='import { two } from "./two.js";\nexport const one = 1;\n',
        two='import { one } from "./one.js";\nexport const two = 2;\n',
    )
    with pytest.raises(ValueError, match="modules that import each other: one -> two -> one"):
        modules(tmp_path / "one.js")


def test_every_page_is_complete_with_the_files_next_to_its_modules() -> None:
    for stem in views():
        code, style = page_code(stem), page_style(stem)
        assert code.count("export default ") == 1
        assert "\nconst default$ = guarded(" in code  # what it throws is shown in its view, with a copy
        assert not re.search(r"^import ", code, re.MULTILINE)
        for path in join(WIDGETS / f"{stem}.js").paths:
            sheet = path.with_suffix(".css")
            assert not sheet.exists() or sheet.read_text(encoding="utf-8") in style


def test_every_sheet_and_every_module_belongs_to_a_page() -> None:
    used = {path for stem in views() for path in modules(WIDGETS / f"{stem}.js")}
    assert set(MODULES) <= used
    ours = {path.with_suffix(".css") for path in used} | {
        WIDGETS / "base" / f"{name}.css" for name in ("tokens", "parts")
    }
    assert set(WIDGETS.rglob("*.css")) <= ours


def test_every_export_is_imported() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in MODULES}
    called = {"replayPlan", "replayInTwin", "answerWords"}  # by the script of a twin, by a browser test
    tests = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parent.parent / "pages").glob("*.js"))
    for path, text in texts.items():
        for name in re.findall(r"^export (?:async )?(?:function\*?|class|const) (\w+)", text, re.MULTILINE):
            wanted = re.compile(rf'import \{{[^}}]*\b{name}\b[^}}]*\}} from "[^"]*\b{path.name}"')
            users = [other for other, theirs in texts.items() if other != path and wanted.search(theirs)]
            assert users or name in called or wanted.search(tests), f"{path.name}: {name} is exported to nobody"
