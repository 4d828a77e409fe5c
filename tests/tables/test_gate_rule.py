"""Tests the gate's rule on many servers in virtual time, and event by event."""

from __future__ import annotations

import random
from typing import Any

import pytest

from msgflux_nb.tables.gate import Gate
from msgflux_nb.tables.gate_rule import Rule, Ticket, row_wait
from msgflux_nb.tables.pace import Pace
from tests.tables.gate_servers import Case, Server, simulate

AT_ONCE = 64


def case(server: Server, *, rows: int = 1_500, start: int = 16, most: int = AT_ONCE, seed: int = 1) -> Case:
    gate = Gate(start=start, most=most, chance=random.Random(seed).random)
    return simulate(gate, server, rows=rows, at_once=most)


def rule(start: int = 8, most: int = 64) -> Rule:
    return Rule(start=start, most=most, pace=Pace(chance=lambda: 0.5), chance=lambda: 0.5)


def filled(known: Rule, now: float) -> list[Ticket]:
    """Begin as many requests as the rule allows."""
    tickets = []
    while known.has_room(now):
        tickets.append(known.begin(now))
    return tickets


# Refusals that do not depend on load


@pytest.mark.parametrize("seconds", [0.1, 1.0, 10.0])
@pytest.mark.parametrize(
    ("share", "times"), [(0, 1.15), (0.005, 1.2), (0.01, 1.2), (0.02, 1.3), (0.03, 1.5), (0.06, 2)]
)
def test_an_occasional_refusal_delays_a_batch_only_by_its_own_wait(share: float, times: float, seconds: float) -> None:
    ideal = 1_500 * seconds / AT_ONCE
    assert case(Server(seconds, share=share)).seconds < times * ideal


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_even_many_refusals_that_do_not_depend_on_load_leave_most_of_the_rate(share: float) -> None:
    assert case(Server(1.0, share=share)).seconds < 3 * 1_500 / AT_ONCE


def test_refusals_as_slow_as_answers_do_not_count_as_congestion_either() -> None:
    assert case(Server(1.0, share=0.03, refusal_seconds=1.0)).seconds < 1.5 * 1_500 / AT_ONCE


def test_a_wait_that_an_occasional_refusal_asks_for_delays_only_its_row() -> None:
    assert case(Server(0.1, share=0.03, retry_after=1.0)).seconds < 3 * 150 / AT_ONCE


def test_answers_of_very_different_length_do_not_hide_free_capacity() -> None:
    assert case(Server(1.0, share=0.03, spread=1.0)).seconds < 2 * 1.65 * 1_500 / AT_ONCE


# Hard limits


@pytest.mark.parametrize("seconds", [0.1, 1.0])
@pytest.mark.parametrize("room", [1, 2, 10, 40])
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_a_limit_of_how_many_at_once_is_found_and_used(room: int, seconds: float, retry_after: float | None) -> None:
    found = case(Server(seconds, room=lambda _: room, retry_after=retry_after))
    assert found.seconds < 1.15 * 1_500 * seconds / room + (retry_after or 0.0)
    assert found.refused < 0.25 * 1_500
    assert room <= found.limit < 1.4 * room + 1


def test_a_limit_is_found_among_refusals_that_do_not_depend_on_it() -> None:
    found = case(Server(0.1, room=lambda _: 10, share=0.03))
    assert found.seconds < 1.2 * 15
    assert found.refused < 0.15 * 1_500


def test_a_limit_that_moves_is_followed() -> None:
    found = case(Server(0.1, room=lambda now: 10 if 2 < now < 7 else 40), rows=3_000)
    assert found.seconds < 12.5  # 2 s of 40 at once, 5 s of 10, and the rest of 40 are 11.3
    assert found.refused < 300


@pytest.mark.parametrize("told", ["window", None])
def test_requests_a_minute_are_used_up_in_each_minute(told: str | None) -> None:
    found = case(Server(0.1, a_minute=500, retry_after=told))
    assert 120 < found.seconds < 130
    assert found.refused < 250


@pytest.mark.parametrize(("size", "seconds"), [(500, 0.1), (10, 0.1), (10, 1.0)])
def test_a_bucket_of_requests_is_used_as_fast_as_it_fills(size: int, seconds: float) -> None:
    found = case(Server(seconds, bucket=(size, 500 / 60)))
    assert found.seconds < 1.05 * (1_500 - size) / (500 / 60) + 5
    assert found.refused < 0.3 * 1_500


def test_a_server_that_lets_requests_wait_in_line_is_not_sent_more_and_more() -> None:
    found = case(Server(1.0, workers=8), rows=3_000, start=4, most=256)
    assert found.seconds < 1.05 * 3_000 / 8
    assert found.most < 100


# Storms


@pytest.mark.parametrize("seconds", [0.1, 1.0])
@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("share", [0.0, 0.03])
def test_a_storm_costs_its_length_and_little_more(seconds: float, retry_after: float | None, share: float) -> None:
    rows = 6_000
    found = case(Server(seconds, storms=[(1, 4)], retry_after=retry_after, share=share), rows=rows)
    resting = rows * share * (retry_after or 0.0) / AT_ONCE
    assert found.seconds < 1.3 * (rows * seconds / AT_ONCE + 3 + resting)
    assert found.refused < 200 + 1.2 * share * rows


def test_a_short_storm_is_forgotten_at_once() -> None:
    found = case(Server(0.1, storms=[(2, 2.3)]), rows=3_000)
    assert found.seconds < 1.3 * 5
    assert found.limit == AT_ONCE


def test_in_a_storm_single_requests_find_out_whether_it_is_over() -> None:
    found = case(Server(1.0, storms=[(0, 300)]), rows=64)
    assert found.seconds < 315
    assert found.refused < 64 + 45


def test_the_limit_comes_back_after_a_storm_in_a_few_rounds() -> None:
    known, now = rule(start=64), 0.0
    for ticket in filled(known, now):
        known.refuse(ticket, now)
    assert known.in_storm
    now = 10.0
    (probe,) = filled(known, now)
    known.succeed(probe, now + 1)
    assert not known.in_storm
    assert known.limit == 32
    for _ in range(2):
        now += 2
        for ticket in filled(known, now):
            known.succeed(ticket, now + 1)
    assert known.limit == 64


def test_an_answer_to_what_began_before_a_storm_does_not_end_it() -> None:
    known = rule(start=8)
    hanging = known.begin(0.0)
    for ticket in filled(known, 100.0):
        known.refuse(ticket, 100.0)
    assert known.in_storm
    known.succeed(hanging, 101.0)
    assert known.in_storm


def test_a_wait_that_is_asked_for_while_most_requests_are_refused_delays_all() -> None:
    pace = Pace(chance=lambda: 0.5)
    known = Rule(start=64, pace=pace)
    tickets = filled(known, 0.0)
    known.refuse(tickets[0], 0.0, retry_after=20.0)
    assert pace.wait(0.0, 0) <= 0
    for ticket in tickets[1:50]:
        known.refuse(ticket, 0.0, retry_after=20.0)
    assert pace.wait(0.0, 0) >= 20


# The floor, and what hangs


def test_there_is_always_room_for_one() -> None:
    known, now = rule(), 0.0
    for _ in range(50):
        now += 100
        for ticket in filled(known, now):
            known.refuse(ticket, now)
        assert known.limit >= 1
        assert known.has_room(now + 100)


@pytest.mark.parametrize("hanging", [[1], [1, 2], [10, 11, 12, 13, 50]], ids=str)
def test_requests_that_hang_do_not_block_the_others(hanging: list[int]) -> None:
    found = case(Server(0.1, hanging=hanging), rows=300, start=1, most=8)
    assert found.seconds < 60


def test_a_request_that_hangs_at_a_limit_of_one_gives_its_place_to_another() -> None:
    known = rule(start=1)
    known.begin(0.0)
    assert not known.has_room(1.0)
    assert known.seconds_to_room(1.0) == pytest.approx(14.0)
    assert known.has_room(15.0)
    known.begin(15.0)
    assert not known.has_room(16.0)
    assert known.has_room(30.0)


def test_never_more_are_under_way_than_the_batch_allows_however_many_hang() -> None:
    known = rule(start=4, most=4)
    filled(known, 0.0)
    assert filled(known, 1_000.0) == []


# Event by event


def test_refusals_of_requests_that_were_under_way_together_are_one_congestion() -> None:
    known = rule(start=32)
    tickets = filled(known, 0.0)
    for ticket in tickets[2:]:
        known.refuse(ticket, 0.01)
    assert (known.limit, known.congestions) == (16, 1)


def test_a_refusal_keeps_its_place_for_as_long_as_an_answer_takes() -> None:
    known = rule(start=2, most=2)
    first, second = filled(known, 0.0)
    known.succeed(first, 0.4)
    known.refuse(second, 0.4)
    assert len(filled(known, 0.4)) == 1
    assert known.seconds_to_room(0.4) == pytest.approx(0.4)
    assert len(filled(known, 0.81)) == 1


def test_an_increase_of_the_limit_is_undone_when_more_is_refused_than_before() -> None:
    found = case(Server(1.0, room=lambda _: 10), rows=600, start=8)
    assert found.refused < 30
    assert found.most == 10


def test_trials_grow_while_they_are_accepted() -> None:
    server = Server(0.1, room=lambda now: 8 if now < 20 else 64)
    found = case(server, rows=6_000)
    assert found.seconds < 20 + (6_000 - 1_600) * 0.1 / 64 * 1.5


def test_requests_that_end_in_another_way_say_nothing_of_how_many_there_may_be() -> None:
    known = rule()
    for now in range(10):
        for ticket in filled(known, now):
            known.leave(ticket)
    assert known.limit == 8


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ((0, None, None, 0.0), 0.5),
        ((0, None, 0.2, 0.0), 0.2),
        ((0, None, 0.001, 0.0), 0.1),
        ((2, None, 30.0, 0.0), 2.0),
        ((9, None, 30.0, 1.0), 4.0),
        ((3, 7.0, 30.0, 0.5), 7.0),
    ],
)
def test_a_refused_row_waits_a_moment_and_longer_each_time(asked: Any, seconds: float) -> None:
    assert row_wait(*asked) == pytest.approx(seconds)
