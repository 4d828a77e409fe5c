"""Settings and hooks for all tests."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from tests.thorough import examples

# On import jsonschema compiles grammars for "iri" formats, which takes four seconds in each worker. No schema has such
# a format. With an empty module in place of the grammars, jsonschema leaves this check out.
sys.modules.setdefault("rfc3987_syntax", ModuleType("rfc3987_syntax"))

# Every run uses the same examples, so that only a change of the code changes a result; --hypothesis-profile=chance
# draws others. There are no deadlines, since no test should fail on a busy machine.
settings.register_profile("same", deadline=None, derandomize=True, max_examples=examples(100))
settings.register_profile("chance", deadline=None)
settings.load_profile("same")

# The slowest files, in the order in which they begin, so that no worker begins one of them at the end.
# `make test` prints the longest tests.
LONGEST = [
    "models/test_contract.py",
    "test_docs.py",
    "tables/test_dask.py",
    "tables/test_interrupt.py",
    "http/test_hostile.py",
    "tables/test_kill.py",
    "tables/test_chaos.py",
    "course/test_exercises.py",
    "test_interrupts.py",
    "models/test_key_canary.py",
    "widgets/test_review_view.py",
    "models/test_embedded.py",
    "generation/test_round_trip.py",
    "tables/test_store_faults.py",
    "protocol/test_quirks.py",
    "test_recorded_notebook.py",
    "protocol/test_plain.py",
    "test_nbval.py",
    "models/test_third_party.py",
    "fuzz/test_growth.py",
    "test_typing.py",
    "storage/test_recordings.py",
    "http/test_limits.py",
    "display/test_markdown.py",
    "browser/test_quickstart.py",
    "browser/test_no_network.py",
    "browser/test_playground_lab.py",
    "browser/test_kernels_lab.py",
    "browser/test_playground_hands_esm.py",
    "browser/test_tool_call_view_esm.py",
    "browser/test_message_builder_files_esm.py",
    "browser/test_view_pictures.py",
]
_RANKS = {Path(__file__).parent / name: rank for rank, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the slowest files to the beginning; workers take files in this order."""
    items.sort(key=lambda item: _RANKS.get(item.path, len(LONGEST)))


def pytest_collection_finish() -> None:
    """Exclude all tests and modules from garbage collection: they live to the end, and there are thousands of them."""
    gc.collect()
    gc.freeze()
