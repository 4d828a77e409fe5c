"""Tests that pages and static HTML draw states alike: both read display/states.json."""

from __future__ import annotations

from msgflux_nb.display.icons import ICONS
from msgflux_nb.display.shared import shared
from msgflux_nb.display.states import CALLS, COLOURS, PHASES, ROWS, word_colour
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


def test_a_word_in_a_colour_of_a_state_can_be_read_on_white_and_on_black() -> None:
    for colour in COLOURS.values():
        share = int(word_colour(colour).split("%")[0].split()[-1]) / 100
        parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        for words, ground in ((0x21, 255), (255, 0x11)):  # JupyterLab's text and page, light and dark
            mixed = _light([share * part + (1 - share) * words for part in parts])
            lighter, darker = sorted([mixed, _light([ground] * 3)], reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (colour, ground)


def _light(parts: list[float]) -> float:
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in (p / 255 for p in parts)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
