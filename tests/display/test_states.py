"""States are drawn alike by pages and by static HTML: both read display/states.json."""

from __future__ import annotations

from msgflux_nb.display.icons import ICONS
from msgflux_nb.display.shared import shared
from msgflux_nb.display.states import CALLS, COLOURS, PHASES, ROWS
from msgflux_nb.tables.outcome import STATES

SHARED = shared("states")


def test_every_state_has_a_mark_a_colour_and_a_word() -> None:
    for group in ("rows", "calls", "phases"):
        for standing, word, icon in SHARED[group].values():
            assert standing in COLOURS
            assert word
            assert icon == "" or icon in ICONS
            assert icon in SHARED["signs"]


def test_the_states_are_those_that_there_are() -> None:
    assert list(ROWS) == list(STATES)
    assert list(CALLS) == ["streaming", "complete", "repaired", "invalid"]
    assert list(PHASES) == ["asked", "running", "done", "failed", "rejected", "stopped"]


def test_static_html_shows_the_same_marks() -> None:
    assert ROWS["pending"] == ("›", "#8a8a8a", "not asked for", "right")
    assert CALLS["invalid"] == ("✕", "#e5484d", "invalid", "cross")
    assert PHASES["stopped"] == ("■", "#c07a00", "stopped", "stop")
