"""Runs nbval on small notebooks of this test, with the conftest.py and the sanitiser of notebooks/."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SANITIZE = NOTEBOOKS / "nbval_sanitize.cfg"
SETTINGS = NOTEBOOKS.parent / "pyproject.toml"


def stream(value: str) -> Any:
    return new_output("stream", name="stdout", text=value)


Cells = dict[str, tuple[str, list[Any]]]


def outcomes(folder: Path, cells: Cells, option: str) -> dict[str, str]:
    """Run nbval on a notebook of named cells, with the conftest of notebooks/ and this project's settings.

    All cells share one run, because a kernel takes seconds to start. Return PASSED or FAILED by the cell's name.
    """
    notebook = new_notebook()
    for number, (source, outputs) in enumerate(cells.values(), 1):
        notebook.cells.append(new_code_cell(source, execution_count=number, outputs=outputs))
    nbformat.write(notebook, folder / "small.ipynb")
    shutil.copy(NOTEBOOKS / "conftest.py", folder)
    command = [sys.executable, "-m", "pytest", "-v", "-v", "-p", "no:cacheprovider", "-c", str(SETTINGS)]
    done = subprocess.run(
        [
            *command,
            "--rootdir",
            str(folder),
            option,
            "--nbval-current-env",
            "--nbval-sanitize-with",
            str(SANITIZE),
            str(folder),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.findall(r"Cell (\d+) (PASSED|FAILED|ERROR)", done.stdout)
    assert len(found) == len(cells), done.stdout + done.stderr
    names = list(cells)
    return {names[int(number)]: outcome for number, outcome in found}


UPDATED = """\
from IPython.display import display
handle = display({"text/plain": "waiting"}, raw=True, display_id=True)
other = display({"text/plain": "untouched"}, raw=True, display_id=True)
print("between")
handle.update({"text/plain": "half"}, raw=True)
handle.update({"text/plain": "done", "text/html": "<b>done</b>"}, raw=True)"""

REPLACED = """\
handle = display({"text/plain": "live", "text/html": "<i>live</i>"}, raw=True, display_id=True)
handle.update({"text/plain": "twin"}, raw=True)"""

TIMED = """\
import time
print(f"20 rows in {time.perf_counter():.3f} s, {object()}")"""


def updated(last: str, between: str = "between") -> list[Any]:
    return [
        new_output("display_data", {"text/plain": last, "text/html": f"<b>{last}</b>"}),
        new_output("display_data", {"text/plain": "untouched"}),
        stream(f"{between}\n"),
    ]


STRICT: Cells = {
    "the state that the updates leave": (UPDATED, updated("done")),
    "the first state": (UPDATED, updated("waiting")),
    "a state on the way": (UPDATED, updated("half")),
    "a tampered display": (UPDATED, updated("Done")),
    "a tampered line beside it": (UPDATED, updated("done", between="beyond")),
    "a bundle that lost a type": (REPLACED, [new_output("display_data", {"text/plain": "twin"})]),
    "a bundle that should have lost it": (
        REPLACED,
        [new_output("display_data", {"text/plain": "twin", "text/html": "<i>live</i>"})],
    ),
    "other times and addresses": (TIMED, [stream("20 rows in 4.125 s, <object object at 0x7f0000000000>\n")]),
    "another count": (TIMED, [stream("21 rows in 4.125 s, <object object at 0x7f0000000000>\n")]),
}
GOOD = {"the state that the updates leave", "a bundle that lost a type", "other times and addresses"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return outcomes(tmp_path_factory.mktemp("strict"), STRICT, "--nbval")


@pytest.mark.parametrize("cell", STRICT)
def test_a_strict_run_takes_the_last_state_of_a_display_and_nothing_else(strict: dict[str, str], cell: str) -> None:
    assert strict[cell] == ("PASSED" if cell in GOOD else "FAILED")


VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "gone", "version_major": 2, "version_minor": 0}}
LAX: Cells = {
    "a progress bar": (
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass",
        [new_output("display_data", {"text/plain": "  0%|          | 0/20 [00:00<?, ?it/s]", **VIEW})],
    ),
    "a widget": (
        "import ipywidgets\nbox = ipywidgets.IntSlider(value=3)\ndisplay(box)",
        [new_output("display_data", {"text/plain": "IntSlider(value=9)", **VIEW})],
    ),
    "a widget that is driven": ("box.value = 5\nassert box.value == 5", []),
    "a checked cell": ("# NBVAL_CHECK_OUTPUT\nprint(box.value)", [stream("5\n")]),
    "a checked cell that differs": ("# NBVAL_CHECK_OUTPUT\nprint(box.value)", [stream("6\n")]),
    "an assertion that fails": ("assert box.value == 6", []),
}


@pytest.fixture(scope="module")
def lax(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return outcomes(tmp_path_factory.mktemp("lax"), LAX, "--nbval-lax")


@pytest.mark.parametrize("cell", LAX)
def test_a_lax_run_takes_bars_and_widgets_and_still_checks_what_is_marked(lax: dict[str, str], cell: str) -> None:
    assert lax[cell] == ("FAILED" if cell in ("a checked cell that differs", "an assertion that fails") else "PASSED")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("first 0.21 s · 0.74 s", "first TIME · TIME"),
        ("1,204 ms, 3µs", "TIME, TIME"),
        ("100%|███| 3/3 [00:00<00:00, 1523.99it/s]", "100%|███| 3/3 [PROGRESS]"),
        ("  0%|   | 0/3 [00:00<?, ?it/s]", "  0%|   | 0/3 [PROGRESS]"),
        ("<Thing at 0x7f8c85d00e10>", "<Thing at ADDRESS>"),
        ("http://127.0.0.1:43211/v1", "http://LOOPBACK/v1"),
        ("61 + 31 tokens · 34 years · 5 samples · 0xff", "61 + 31 tokens · 34 years · 5 samples · 0xff"),
    ],
)
def test_the_sanitiser_replaces_what_differs_from_run_to_run(before: str, after: str) -> None:
    for regex, replace in get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")):
        before = re.sub(regex, replace, before)
    assert before == after
