"""Tests that a waiting row gives its place to another, and that no more rows are worked on than there are places."""

from __future__ import annotations

import asyncio

import pytest

from msgflux_nb.tables.crew import Crew
from tests.tables.virtual import run_virtually


class Rows:
    """Rows of which some wait; ``most`` is the largest number that were worked on at once."""

    def __init__(self, count: int, places: int, resting: set[int], seconds: float) -> None:
        self.left, self.resting, self.seconds = iter(range(count)), resting, seconds
        self.places, self.now, self.most = places, 0, 0
        self.ends: dict[int, float] = {}

    async def take(self) -> int | None:
        return next(self.left, None)

    async def work(self, row: int) -> None:
        await self.answer()
        if row in self.resting:
            await self.crew.rest(self.seconds)
            await self.answer()
        self.ends[row] = asyncio.get_running_loop().time()

    async def answer(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(1.0)
        self.now -= 1

    async def run(self) -> BaseException | None:
        self.crew = Crew(self.places, self.take, self.work)
        return await self.crew.run(self.places)


def test_waiting_rows_do_not_hold_up_the_others() -> None:
    rows = Rows(40, 4, set(range(4)), 8.0)
    assert run_virtually(rows.run()) is None
    assert rows.most == 4
    assert max(rows.ends.values()) == pytest.approx(11.0, abs=1.1)  # 44 seconds of work in four places
    assert len(rows.ends) == 40


def test_short_waits_keep_their_place() -> None:
    rows = Rows(8, 4, set(range(8)), 0.2)
    run_virtually(rows.run())
    assert max(rows.ends.values()) == pytest.approx(4.4)


def test_if_all_rows_wait_only_as_many_again_are_begun() -> None:
    rows = Rows(30, 2, set(range(30)), 100.0)
    run_virtually(rows.run())
    assert rows.most == 2
    assert len(rows.ends) == 30


def test_a_row_that_is_cancelled_while_it_waits_ends() -> None:
    rows = Rows(8, 2, set(range(8)), 100.0)

    async def main() -> None:
        running = asyncio.ensure_future(rows.run())
        await asyncio.sleep(5.0)
        rows.crew.cancel()
        await running

    run_virtually(main())
    assert rows.ends == {}


def test_an_error_of_a_worker_is_returned_and_the_others_go_on() -> None:
    rows = Rows(8, 2, set(), 0.0)
    work = rows.work

    async def failing(row: int) -> None:
        if row == 3:
            raise ValueError("row 3")
        await work(row)

    rows.work = failing  # type: ignore[method-assign]  # one row of them fails
    assert str(run_virtually(rows.run())) == "row 3"
    assert sorted(rows.ends) == [0, 1, 2, 4, 5, 6, 7]
