"""The gate, and the engine behind it, on a loop whose time is virtual: hours of waits pass in a moment."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.allowance import Allowance
from msgflux_nb.tables.batch import Batch
from msgflux_nb.tables.gate import Gate, gate_of
from msgflux_nb.tables.ledger import Ledger
from msgflux_nb.tables.memory import Memory
from msgflux_nb.tables.rows import rows_of
from tests.tables.scripted_model import Metadata, Prepared, Response, Scripted, Usage
from tests.tables.virtual import run_virtually

SECONDS = 1.0  # that an answer takes


class City(msgspec.Struct):
    name: str


def now() -> float:
    return asyncio.get_running_loop().time()


class Provider:
    """A server that answers a number of requests at once and refuses the rest.

    Attributes:
        begun: the time of each request, and whether it was answered.
        most: the largest number of requests that were answered at once.
    """

    name = "provider/one"
    max_retries = 2

    def __init__(
        self,
        room: Callable[[], float],
        *,
        retry_after: float | None = None,
        seconds: Callable[[], float] = lambda: SECONDS,
        allowance: Callable[[Provider], Allowance | None] = lambda _: None,
    ) -> None:
        self.room, self.retry_after, self.seconds, self.allowance = room, retry_after, seconds, allowance
        self.under_way = self.most = 0
        self.begun: list[tuple[float, bool]] = []
        self.at_once: list[tuple[float, int]] = []

    @property
    def profile(self) -> Any:
        return Scripted(City).profile

    def prepare(self, messages: Any, **options: Any) -> Prepared:
        return Call(self, messages, options)  # type: ignore[arg-type]  # all that a call needs of it

    @property
    def refused(self) -> list[float]:
        return [when for when, answered in self.begun if not answered]

    @property
    def answered(self) -> list[float]:
        return [when for when, answered in self.begun if answered]

    async def acall(self, messages: Any, **_: Any) -> Response:
        answered = self.under_way < self.room()
        self.begun.append((now(), answered))
        if not answered:
            await asyncio.sleep(0.05)
            raise mf.RateLimitError("429 slow down", retry_after=self.retry_after)
        self.under_way += 1
        self.at_once.append((now(), self.under_way))
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.seconds())
        finally:
            self.under_way -= 1
        return Response(City(messages), Metadata(Usage(10, 5)))


class Call(Prepared):
    """A call whose answer says how much may still be sent."""

    async def send(self) -> Response:
        provider: Any = self.model
        self.allowance = provider.allowance(provider)  # as the request comes in
        return await super().send()


def ran(provider: Provider, gate: Gate, count: int, *, limit: int = 256) -> Ledger:
    """Ask a provider about so many rows; return their states."""

    async def work() -> Ledger:
        batch = Batch(
            rows_of([str(number) for number in range(count)], None),
            provider,
            City,
            system_prompt=None,
            on_error="keep",
            limit=limit,
            gate=gate,
            memory=Memory(None),
        )
        await batch.run()
        assert batch.crash is None
        return batch.ledger.settled(batch.in_flight, batch.stopped)

    return run_virtually(work())


def gate(**options: Any) -> Gate:
    return Gate(chance=random.Random(1).random, **options)


def use(gate: Gate, count: int, how: Callable[[Any], Any], *, tokens: float = 0, seconds: float = 0.0) -> list[float]:
    """Let so many calls through one gate at once, end each by ``how``; return their start times."""
    began: list[float] = []

    async def one() -> None:
        ticket = await gate.enter(tokens)
        began.append(now())
        await asyncio.sleep(seconds)
        how(ticket)

    async def work() -> None:
        await asyncio.gather(*(one() for _ in range(count)))

    run_virtually(work())
    return began


class RefusesEachOnce(Provider):
    """A server that refuses the first request of each row."""

    def __init__(self) -> None:
        super().__init__(lambda: 0)
        self.met: set[str] = set()

    async def acall(self, messages: Any, **options: Any) -> Response:
        met = messages in self.met
        self.met.add(messages)
        self.room = lambda: 1_000 if met else 0
        return await super().acall(messages, **options)


def test_a_storm_is_tried_by_new_requests_and_by_refused_ones_in_turn() -> None:
    provider = RefusesEachOnce()
    ledger = ran(provider, gate(start=8, most=64), 20)
    assert len(provider.answered) == len(provider.refused) == ledger.finished == 20
    assert max(provider.answered) < 30


def test_refused_requests_and_new_ones_begin_in_turn() -> None:
    began: list[str] = []

    async def one(gate: Gate, name: str, again: bool) -> None:
        ticket = await gate.enter(again=again)
        began.append(name)
        gate.leave(ticket)

    async def work() -> None:
        one_at_once = gate(start=1, most=1)
        first = await one_at_once.enter()
        waiting = [one(one_at_once, name, name.isupper()) for name in "abcdXYZ"]
        tasks = [asyncio.ensure_future(each) for each in waiting]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        one_at_once.leave(first)
        await asyncio.gather(*tasks, return_exceptions=True)

    run_virtually(work())
    assert "".join(began) == "XaYcZd"


# How many at once


def test_a_batch_begins_with_a_few_at_once_and_grows_with_its_answers() -> None:
    provider = Provider(lambda: 1_000)
    ran(provider, gate(start=4, most=64), 1_000)
    rounds = {when: sum(1 for _ in same) for when, same in itertools.groupby(provider.answered)}
    sizes = list(rounds.values())
    assert sizes[0] == 4
    assert all(after <= 2 * before for before, after in itertools.pairwise(sizes))
    assert max(sizes) == provider.most == 64


@pytest.mark.parametrize(("storms", "share"), [([60], 0.7), ([60, 65, 70], 0.2)], ids=["one", "three"])
def test_a_storm_in_which_everything_is_refused_is_forgotten_soon(storms: list[int], share: float) -> None:
    chance = random.Random(4)

    def room() -> int:
        return 0 if any(begin < now() < begin + 2 for begin in storms) else 64

    provider = Provider(room, seconds=lambda: chance.uniform(0.5, 1.5))
    ran(provider, gate(start=8, most=128), 6_000, limit=128)

    def mean(begin: float, end: float) -> float:
        counts = [count for when, count in provider.at_once if begin < when < end]
        return sum(counts) / len(counts)

    assert mean(50, 60) > 40
    assert mean(80, 90) > share * mean(50, 60)


def test_answers_that_differ_by_a_factor_of_ten_do_not_stop_its_growth() -> None:
    chance = random.Random(3)
    provider = Provider(lambda: 1_000, seconds=lambda: chance.lognormvariate(0, 1))
    ran(provider, gate(start=4, most=128), 600)
    assert provider.most > 90


def test_it_does_not_grow_where_more_at_once_only_wait_longer() -> None:
    slow = Provider(lambda: 1_000)
    slow.seconds = lambda: SECONDS * max(1.0, slow.under_way / 8)
    ran(slow, gate(start=4, most=256), 3_000)
    assert slow.most < 100


def test_other_failures_do_not_lower_the_limit() -> None:
    known = gate(start=8, most=64)
    use(known, 8, known.leave)
    assert (known.limit, known.congestions) == (8.0, 0)


def test_a_server_whose_room_changes_is_followed_with_few_refusals() -> None:
    def room() -> int:
        return 8 if now() < 300 else 2 if now() < 900 else 6

    chance = random.Random(2)
    provider = Provider(room, seconds=lambda: chance.uniform(0.5, 1.5))
    ledger = ran(provider, gate(start=8, most=64), 6_000)
    assert ledger.counts == {"ok": 6_000}
    assert len(provider.refused) < 0.1 * 6_000
    for begin, end, expected in ((50, 290, 8), (350, 890, 2), (950, 1_200, 6)):
        counts = [count for when, count in provider.at_once if begin < when < end]
        assert 0.6 * expected <= sum(counts) / len(counts) <= expected
        refused = [when for when in provider.refused if begin < when < end]
        assert len(refused) < 0.1 * len(counts) + 2


# When


@pytest.mark.parametrize("retry_after", [None, 10.0])
def test_refused_calls_do_not_come_back_at_the_same_moment(retry_after: float | None) -> None:
    storm = {"over": False}

    def room() -> int:
        return 1_000 if storm["over"] else 0

    async def end_of_storm() -> None:
        await asyncio.sleep(0.01)
        storm["over"] = True

    provider = Provider(room, retry_after=retry_after)

    async def work() -> list[float]:
        storm["task"] = asyncio.ensure_future(end_of_storm())
        batch = Batch(
            rows_of([str(number) for number in range(32)], None),
            provider,
            City,
            system_prompt=None,
            on_error="keep",
            limit=32,
            gate=gate(start=32, most=32),
            memory=Memory(None),
        )
        await batch.run()
        return provider.answered

    again = run_virtually(work())
    delay = retry_after or 0.5
    assert len(again) == 32
    assert min(again) >= (10.05 if retry_after else 0.25)
    assert max(again) - min(again) > 0.2 * delay
    assert len({round(when, 4) for when in again}) > 16 or retry_after is None


def test_a_longer_wait_under_way_is_not_shortened() -> None:
    known = gate()

    async def work() -> float:
        known.pause(30.0)
        known.pause(1.0)
        await known.enter()
        return now()

    assert run_virtually(work()) >= 30.0


def test_requests_a_minute_begin_at_even_steps() -> None:
    known = gate(start=64, most=64)
    known.hold(1, start=64, most=64, rpm=120)
    began = use(known, 20, known.succeed, seconds=3.0)
    assert began == pytest.approx([number / 2 for number in range(20)])


def test_tokens_a_minute_are_kept_and_estimates_set_right() -> None:
    known = gate(start=64, most=64)
    known.hold(1, start=64, most=64, tpm=6_000)  # 100 a second, and those of 5 seconds at once
    began = use(known, 30, lambda ticket: known.succeed(ticket, used=200), tokens=100, seconds=0.5)
    assert sum(when == 0 for when in began) == 6
    assert max(began) == pytest.approx((29 * 200 - 500) / 100, abs=5)


def test_a_call_that_leaves_the_queue_leaves_no_hole() -> None:
    known = gate(start=1, most=1)

    async def work() -> int:
        first = await known.enter()
        waiting = [asyncio.ensure_future(known.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        known.succeed(first)
        waiting[1].cancel()  # its turn had come
        await asyncio.sleep(0)
        await waiting[2]
        return known.under_way

    assert run_virtually(work()) == 1


# What the server says may still be sent


class Window:
    """A limit on requests whose count restarts at fixed times, and its headers."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.window, self.used = -1, 0

    def count(self) -> tuple[int, float]:
        window = int(now() // self.seconds)
        if window != self.window:
            self.window, self.used = window, 0
        self.used += 1
        return self.limit - self.used, (window + 1) * self.seconds - now()

    def room(self) -> float:
        return float("inf") if self.used <= self.limit else 0

    def allowance(self, _: Provider) -> Allowance:
        left, seconds = self.count()
        return Allowance(max(0, left), seconds)


def test_no_more_is_sent_than_the_server_says_may_be() -> None:
    window = Window(50, 30.0)
    provider = Provider(window.room, allowance=window.allowance)
    ledger = ran(provider, gate(start=8, most=256), 400)
    assert ledger.counts == {"ok": 400}
    assert provider.refused == []
    assert max(provider.answered) < 8 * 30.0 + 5


def test_the_tokens_that_are_left_count_too() -> None:
    provider = Provider(lambda: 1_000, allowance=lambda _: Allowance(None, 0, 10_000 if now() >= 40 else 0, 40 - now()))
    ran(provider, gate(start=4, most=4), 12)
    assert [when for when in provider.answered if 0 < when < 40] == []
    assert len(provider.answered) == 12


def test_a_limit_of_a_day_is_tried_after_a_minute() -> None:
    provider = Provider(lambda: 1_000, allowance=lambda _: Allowance(0, 86_400))
    ran(provider, gate(start=1, most=1), 3)
    assert provider.answered == pytest.approx([0, 61, 122], abs=2)


def test_headers_of_an_earlier_call_do_not_replace_those_of_a_later_one() -> None:
    known = gate(start=4, most=4)

    async def work() -> float:
        first, second = await known.enter(), await known.enter()
        known.heed(second, Allowance(100, 60.0))
        known.heed(first, Allowance(0, 60.0))
        await known.enter()
        return now()

    assert run_virtually(work()) == 0


# One gate for all requests that a provider counts together


def test_a_gate_is_shared_by_what_a_provider_counts_together() -> None:
    keys = [(url, key, model) for url in ("u", "v") for key in ("k", "l") for model in ("m", "n")]
    gates = [gate_of(("test", *key)) for key in keys]
    assert len({id(one) for one in gates}) == len(keys)
    assert gate_of(("test", *keys[0])) is gates[0]


def test_models_of_one_endpoint_key_and_name_have_one_gate_key() -> None:
    def model(url: str = "http://127.0.0.1:9/v1", key: str = "sk-one", name: str = "m") -> Any:
        return mf.Model.chat_completion(name, base_url=url, api_key=key)

    assert model().gate_key == model().gate_key
    others = [model(url="http://127.0.0.1:8/v1"), model(key="sk-two"), model(name="n")]
    assert len({model().gate_key, *(other.gate_key for other in others)}) == 4


def test_a_model_that_names_no_endpoint_has_a_gate_of_its_own() -> None:
    first, second = Scripted(City), Scripted(City)
    assert gate_of(first) is gate_of(first)
    assert gate_of(first) is not gate_of(second)


def test_max_concurrency_of_the_batch_that_runs_counts() -> None:
    known = Gate(start=1)
    for start, most, limit in ((4, 8, 4), (16, 64, 16), (1, 3, 3), (8, 256, 8)):
        known.hold("batch", start=start, most=most)
        assert known.limit == limit
    use(known, 8, known.congest)  # from now on it knows better
    lowered = known.limit
    known.hold("batch", start=64, most=256)
    assert known.limit == lowered < 8


def test_a_small_batch_does_not_slow_another_one_that_runs() -> None:
    known = Gate(start=1)
    with known.held(start=64, most=256):
        with known.held(start=1, most=2):
            assert known.limit == 64
        assert known.limit == 64


@pytest.mark.parametrize("limit", ["rpm", "tpm"])
@pytest.mark.parametrize("other", [None, 1_000_000])
def test_another_batch_does_not_lift_a_limit_and_the_limit_ends_with_its_batch(limit: str, other: float | None) -> None:
    known = gate(start=64, most=64)

    async def work() -> list[float]:
        began: list[float] = []

        async def one() -> None:
            ticket = await known.enter(1)
            began.append(now())
            known.succeed(ticket, used=1)

        calls: list[asyncio.Task[None]] = []
        with known.held(start=64, most=64, **{limit: 60}):
            if limit == "tpm":
                await asyncio.gather(*(one() for _ in range(6)))  # what may be used ahead
            calls += [asyncio.ensure_future(one()) for _ in range(20)]
            await asyncio.sleep(2)
            with known.held(start=64, most=64, **{limit: other}):
                await asyncio.sleep(2)
            await asyncio.sleep(2)
            inside = len(began)
        await asyncio.gather(*calls)
        assert inside < 15
        return began

    assert max(run_virtually(work())) < 7  # at one a second it would take 20


# What ends a batch


def test_a_quota_that_is_used_up_stops_the_batch_and_leaves_the_row_to_be_asked_for() -> None:
    provider = Provider(lambda: 1_000)
    answer = provider.acall

    async def acall(messages: Any, **options: Any) -> Response:
        if int(messages) >= 10:
            raise mf.QuotaError("429 insufficient_quota")
        return await answer(messages, **options)

    provider.acall = acall  # type: ignore[method-assign]  # the same server, out of money
    ledger = ran(provider, gate(start=2, most=2), 40)
    assert ledger.counts == {"ok": 10, "pending": 30}
    assert "quota" in ledger.columns()["errors"][39]


def test_refusals_for_a_quarter_of_an_hour_stop_the_batch() -> None:
    provider = Provider(lambda: 0)
    ledger = ran(provider, gate(start=4, most=4), 20)
    assert ledger.counts == {"pending": 20}
    assert 900 < max(provider.refused) < 1_000
    assert len(provider.refused) < 200


def test_waits_of_hours_for_every_row_stop_the_batch_soon() -> None:
    provider = Provider(lambda: 0, retry_after=7_200.0)
    ledger = ran(provider, gate(start=4, most=4), 50)
    assert ledger.counts == {"pending": 50}
    assert len(provider.refused) <= 14
    assert max(provider.refused) < 15
    assert "put aside, since the provider asks to wait 7,200 s" in ledger.columns()["errors"][0]
    assert "the provider refuses nearly every row" in ledger.columns()["errors"][49]


@pytest.mark.parametrize("most", [1, 8, 128])
@pytest.mark.parametrize("wait", [901.0, 86_400.0, 9e60])
def test_a_wait_of_hours_concerns_only_its_row(most: int, wait: float) -> None:
    chance = random.Random(1)
    provider = Provider(lambda: 0 if chance.random() < 0.3 else 1_000, retry_after=wait)
    ledger = ran(provider, gate(start=min(most, 8), most=most), 300, limit=most)
    assert ledger.counts["pending"] == len(provider.refused) > 60
    assert ledger.counts["ok"] == 300 - len(provider.refused)
    assert max(now for now, _ in provider.begun) < 200 * SECONDS * 8 / min(most, 8)  # nobody waited for so long
    bill = ledger.bill(next(row for row in range(300) if ledger.state(row) == "pending"))
    assert (bill["attempts"], bill["cost"]) == (1, None)
    assert ledger.unpriced == 300 - len(provider.refused)
    assert all(len(text) < 200 for text in ledger.errors.values())


def test_a_refusal_does_not_count_against_the_retries_of_a_row() -> None:
    answers = iter(range(100))
    provider = Provider(lambda: 0 if next(answers) < 7 else 1_000, retry_after=1.0)
    assert ran(provider, gate(start=1, most=1), 1).counts == {"ok": 1}
