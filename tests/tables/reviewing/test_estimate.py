from __future__ import annotations

import numpy as np
import pytest

from msgflux_nb.tables.reviewing.estimate import estimate_of
from msgflux_nb.tables.reviewing.intervals import wilson
from msgflux_nb.tables.reviewing.order import mixed_order


def test_the_least_sure_rows_come_first_and_every_fourth_is_drawn_at_random() -> None:
    doubts = np.linspace(0, 1, 400)
    order = mixed_order(range(400), doubts, random_share=0.25)
    first = order.queue[:40]
    assert first[:3] == [399, 398, 397]
    assert sum(position >= 360 for position in first) >= 30
    assert sum(position < 360 for position in first) >= 7
    assert sorted(order.queue) == list(range(400))


def test_chance_is_the_same_for_other_doubts_and_after_a_restart() -> None:
    one = mixed_order(range(50), np.zeros(50), random_share=0.25)
    other = mixed_order(range(50), np.linspace(1, 0, 50), random_share=0.25)
    assert one.drawn == other.drawn
    assert one.doubtful != other.doubtful


def test_an_invalid_share_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        mixed_order([0], [0.0], random_share=2)


def test_with_random_rows_alone_the_interval_is_wilsons_for_many_rows() -> None:
    order = mixed_order(range(100_000), np.zeros(100_000), random_share=1)
    read = {position: number >= 4 for number, position in enumerate(order.queue[:60])}
    found = estimate_of(order, read)
    assert found.share == pytest.approx(56 / 60)
    assert (found.low, found.high) == pytest.approx(wilson(56, 60, cautious=True), abs=0.001)
    assert str(found) == "reviewed 60 of 100,000: 93% right (83–98)"


def test_doubtful_rows_alone_say_nothing_of_the_others() -> None:
    order = mixed_order(range(100), np.linspace(0, 1, 100), random_share=0)
    found = estimate_of(order, dict.fromkeys(order.queue[:20], False))
    assert found.share is None
    assert (found.low, found.high) == (0.0, 0.8)


def test_once_all_is_read_nothing_is_uncertain() -> None:
    order = mixed_order(range(40), np.linspace(0, 1, 40), random_share=0.25)
    found = estimate_of(order, {position: position % 4 != 0 for position in order.queue})
    assert (found.share, found.low, found.high) == (0.75, 0.75, 0.75)


def test_unusable_rows_count_for_nothing() -> None:
    order = mixed_order(range(40), np.linspace(0, 1, 40), random_share=0.25)
    found = estimate_of(order, {position: None if position < 20 else True for position in order.queue})
    assert (found.share, found.read, found.right) == (1.0, 20, 20)


def test_a_row_that_was_skipped_ends_what_was_drawn_fairly() -> None:
    order = mixed_order(range(100), np.zeros(100), random_share=1)
    read = dict.fromkeys(order.queue[:20], True)
    del read[order.queue[5]]
    assert estimate_of(order, read).drawn == 5


@pytest.mark.parametrize("errors", [0.05, 0.15, 0.3])
@pytest.mark.parametrize("read", [40, 60])
def test_the_interval_holds_the_truth_in_93_of_100_repetitions(errors: float, read: int) -> None:
    held = 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        right = chance.random(200) >= errors
        doubts = np.where(right, chance.beta(2, 6, 200), chance.beta(5, 2, 200))
        order = mixed_order(range(200), doubts, random_share=0.25, seed=seed)
        found = estimate_of(order, {position: bool(right[position]) for position in order.queue[:read]})
        held += found.low - 1e-9 <= right.mean() <= found.high + 1e-9
    assert held >= 93
