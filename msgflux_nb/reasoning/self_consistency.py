"""``self_consistency``: asks the same question several times, and returns the most frequent answer."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, Unpack

import msgspec

from ..errors import brief, described
from ..generation.plan import ChainOfThoughts
from ..models.chat import ChatCompletion
from .argument_checks import check_answer, check_count, check_functions, check_task, prompts_of
from .budget import Budget, Limits
from .drive import JobResult, PlanJob, adrive, drive
from .log import Log, numbered, running
from .plan_events import OnPlanEvent, PlanStarted
from .prompts import Prompts
from .result import PlanResult, history_of, read_as, result_of, text_of
from .several import MOST_AT_ONCE, choices_of, offers_several, with_choices
from .trace import Sample

__all__ = ["aself_consistency", "lead_is_sure", "self_consistency"]

Stop = str | Callable[[tuple[Any, ...]], Any] | None
_SURE = 0.95
_WINDOW = 5


class Groups(msgspec.Struct, frozen=True):
    """Which answers mean the same."""

    groups: list[list[int]]


def self_consistency(
    model: Any,
    task: Any,
    *,
    n: int = 5,
    answer: Any = str,
    key: Callable[[Any], Any] | None = None,
    stop: Stop = None,
    temperature: float | None = 0.7,
    judge: Any = None,
    before: PlanResult | None = None,
    prompts: Prompts | None = None,
    on_event: OnPlanEvent | None = None,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Ask the same question ``n`` times and return the most frequent answer; in a tie, the one that came first.

    Wang et al. 2022, 2203.11171. Each sample is a chain of thoughts. Answers are equal if they are equal values of the
    type ``answer``. An answer that cannot be read has no vote, but is in the trace. If the provider bills a prompt only
    once for several answers, the samples that are surely needed are asked for in one request, unless tokens or money
    are limited.

    Args:
        model: from ``Model.chat_completion``, or a function that takes the task and returns an answer.
        task: a text, or a list of message dicts.
        n: the number of samples, at most.
        answer: the type of the answer.
        key: a function whose results are compared instead of the answers, such as ``str.casefold``.
        stop: ends the vote early. ``"beta"``: if the leader stays ahead of the second with a probability of 0.95
            (Adaptive-Consistency, 2305.11860). ``"window"``: if a whole group of five samples agrees (2401.10480). A
            function: called after each sample with the answers so far; true ends the vote.
        temperature: the temperature of the samples; None keeps the model's.
        judge: a model that decides at the end which answers mean the same, for free text (2311.17311).
        before: the result of this vote when it stopped early: its samples count, and only the others are asked for.
        prompts: replaces the default prompts.
        on_event: called with each event: ``mf.plan.PlanStarted``, ``Asked``, ``Spent`` and so on; an exception that it
            raises ends the plan. ``mf.PlanView().on_event`` draws it.
        **budget: ``max_calls``, ``max_tokens``, ``max_cost``, ``max_seconds``. At a limit the samples so far are
            counted, and ``stopped`` names the limit.

    Returns:
        The answer with its ``margin``, and each sample in ``trace``.

    Raises:
        Exception: whatever a call or a function raises; ``error.plan`` is the result so far, also for an interrupt.

    Example:
        >>> answers = iter([42, 41, 42])
        >>> result = self_consistency(lambda task: next(answers), "6 times 7?", n=3, answer=int)
        >>> result.final_answer, round(result.margin, 2)
        (42, 0.33)
    """
    vote = _Vote(model, task, n, answer, key, stop, temperature, judge, prompts_of(prompts), budget, on_event)
    vote.take_up(before)
    with running(vote.log, vote.result, vote.started()):
        drive(vote.plan(), vote.log)
        return vote.log.ended(vote.result())


async def aself_consistency(
    model: Any,
    task: Any,
    *,
    n: int = 5,
    answer: Any = str,
    key: Callable[[Any], Any] | None = None,
    stop: Stop = None,
    temperature: float | None = 0.7,
    judge: Any = None,
    before: PlanResult | None = None,
    prompts: Prompts | None = None,
    on_event: OnPlanEvent | None = None,
    max_concurrency: int = 8,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Like :func:`self_consistency`, but async: samples that are needed in any case are asked for concurrently.

    At most ``max_concurrency`` calls run at once. With a function as ``stop``, samples are asked for one after another,
    since it may end the vote after each.
    """
    vote = _Vote(model, task, n, answer, key, stop, temperature, judge, prompts_of(prompts), budget, on_event)
    vote.take_up(before)
    check_count(max_concurrency=max_concurrency)
    with running(vote.log, vote.result, vote.started(), awaited=True):
        await adrive(vote.plan(), vote.log, max_concurrency)
        return vote.log.ended(vote.result())


def lead_is_sure(first: int, second: int) -> bool:
    """Return whether the leader stays ahead of the second with a probability above 0.95.

    The leader's share of the two has the density Beta(first + 1, second + 1); the probability that it is above 1/2 is a
    sum of binomials.
    """
    together = first + second + 1
    return sum(math.comb(together, k) for k in range(first + 1)) > _SURE * (1 << together)


class _Vote:
    """The state of a vote, without I/O; the drivers ask it what to sample next."""

    def __init__(
        self,
        model: Any,
        task: Any,
        n: int,
        answer: Any,
        key: Callable[[Any], Any] | None,
        stop: Stop,
        temperature: float | None,
        judge: Any,
        prompts: Prompts,
        budget: Limits,
        on_event: OnPlanEvent | None,
    ) -> None:
        check_count(n=n)
        if not (stop is None or (isinstance(stop, str) and stop in ("beta", "window")) or callable(stop)):
            raise ValueError(f'stop: expected "beta", "window", a function or None, got {brief(stop)}')
        if not callable(model):
            raise TypeError(f"model: expected a model or a function that answers, got {type(model).__name__}")
        if judge is not None and not hasattr(judge, "acall"):
            raise TypeError(f"judge: expected a model or None, got {type(judge).__name__}")
        check_functions(key=key)
        check_answer(answer)
        if temperature is not None and (isinstance(temperature, bool) or not isinstance(temperature, int | float)):
            raise TypeError(f"temperature: expected a number or None, got {type(temperature).__name__}")
        self._is_model = hasattr(model, "acall") and not isinstance(model, type)
        if self._is_model:
            check_task(task)
        self._model = _warmed(model, temperature) if self._is_model else model
        self._task, self._n, self._answer, self._key, self._stop = task, n, answer, key, stop
        self._judge, self._prompts = judge, prompts
        self.log = Log(Budget(budget), on_event)
        # Not with limited tokens or money: a limit may be exceeded by one call, and this would be a large one.
        limited = budget.get("max_tokens") is not None or budget.get("max_cost") is not None
        self._offers_several = not limited and offers_several(self._model)
        self._came: dict[int, JobResult] = {}
        self._samples: list[Sample] = []
        self._keys: list[Any] = []
        self._counts: list[int] = []
        self._early_keys: list[Any] = []  # keys in order of arrival
        self._told: dict[int, Sample] = {}
        self._judged = False
        self._stopped: str | None = None

    def take_up(self, before: PlanResult | None) -> None:
        """Continue from a result of the same vote."""
        if before is None:
            return
        if not isinstance(before, PlanResult):
            raise TypeError(f"before: expected the result of self_consistency, got {type(before).__name__}")
        if before.kind != "self_consistency" or before.task != self._task:
            raise ValueError("before: expected the result of a vote over the same task")
        self.log.take_up(before.trace, before.responses, before.calls, before.seconds)
        for sample in [entry for entry in before.trace if isinstance(entry, Sample)][: self._n]:
            group = None if sample.problem is not None else self._group(self._keys, sample.answer)
            self._enter(msgspec.structs.replace(sample, group=group))

    def started(self) -> PlanStarted:
        """The first event."""
        stop = self._stop if self._stop is None or isinstance(self._stop, str) else "a function"
        options = {"n": self._n, "stop": stop}
        limits = self.log.budget.limits
        return PlanStarted(kind="self_consistency", task=self._task, limits=limits, options=options, stop=self.log.stop)

    def plan(self) -> Generator[Sequence[PlanJob], list[JobResult], None]:
        """Yield what to sample next, until the vote ends."""
        self.log.tell_again()
        for sample in self._samples:
            self._tell(sample)
        while len(self._samples) < self._n and self._stopped is None:
            start = len(self._samples)
            wanted = min(self._n - start, self._surely_needed())
            several = wanted > 1 and self._offers_several
            done = yield [self._job_of_several(start, wanted)] if several else self._jobs(start, wanted)
            came = len(self._came) if several else len(done)
            for number in range(start, start + came):
                self._count(number)
                if self._stops():
                    self._stopped = self._stop if isinstance(self._stop, str) else "stop"
                    break
            if self._stopped is None and came < wanted:
                self._stopped = self.log.budget.reached()
        if self._judge is not None and len(self._keys) > 1:
            yield [self._judging()]

    def _surely_needed(self) -> int:
        """Return how many samples are needed whatever the answers are, so that no call is wasted."""
        if self._stop is None:
            return self._n
        if self._stop == "window":
            return _WINDOW - len(self._samples) % _WINDOW
        if self._stop != "beta":
            return 1
        first, second = self._leaders()
        more = 1
        while more < self._n and not lead_is_sure(first + more, second):
            more += 1
        return more

    def _leaders(self) -> tuple[int, int]:
        first, second, *_ = [*sorted(self._counts, reverse=True), 0, 0]
        return first, second

    def _stops(self) -> bool:
        if self._stop is None:
            return False
        if self._stop == "beta":
            return lead_is_sure(*self._leaders())
        if self._stop == "window":
            last = {sample.group for sample in self._samples[-_WINDOW:]}
            return len(self._samples) % _WINDOW == 0 and len(last) == 1 and None not in last
        assert callable(self._stop)
        return bool(self._stop(tuple(sample.answer for sample in self._samples if sample.group is not None)))

    def _jobs(self, start: int, count: int) -> list[PlanJob]:
        return [self._job(number) for number in range(start, start + count)]

    def _job_of_several(self, start: int, count: int) -> PlanJob:
        """Ask for several samples by one request; if the server returns only one, ask one by one from then on."""
        before = len(self.log.responses)

        def then(done: JobResult) -> None:
            found = [one for response in self.log.responses[before:] for one in choices_of(response)] or [done]
            self._came = dict(enumerate(found[:count], start))
            self._offers_several = len(found) > 1

        schema = ChainOfThoughts[self._answer]  # type: ignore[name-defined]  # a type that the caller gave
        model = with_choices(numbered(self._model, start), min(count, MOST_AT_ONCE))
        return PlanJob("sample", self._task, model=model, schema=schema, about=start, then=then)

    def _job(self, number: int) -> PlanJob:
        def then(done: JobResult) -> None:
            self._came[number] = done
            early = None
            with suppress(Exception):  # an exception of the caller's key= is raised when the sample is counted
                early = self._read(number, done, self._early_keys)
            self._tell(early)

        if not self._is_model:
            return PlanJob("sample", self._task, function=self._model, about=number, then=then)
        schema = ChainOfThoughts[self._answer]  # type: ignore[name-defined]  # a type that the caller gave
        return PlanJob(
            "sample", self._task, model=numbered(self._model, number), schema=schema, about=number, then=then
        )

    def _count(self, number: int) -> None:
        """Count a sample, in order of the numbers; one that cannot be read has no vote."""
        done = self._came.pop(number)
        try:
            sample = self._read(number, done, self._keys)
        except BaseException as error:  # raised by key=; the sample is kept
            answer, reasoning, _ = self._parts(done)
            failed = described(error)
            self._samples.append(Sample(number=number, answer=answer, reasoning=reasoning, problem=failed))
            raise
        self._enter(sample)
        self._tell(sample)

    def _enter(self, sample: Sample) -> None:
        self._samples.append(sample)
        if sample.group is not None:
            self._counts += [0] * (len(self._keys) - len(self._counts))
            self._counts[sample.group] += 1

    def _group(self, keys: list[Any], value: Any) -> int:
        return _group_in(keys, value if self._key is None else self._key(value))

    def _read(self, number: int, done: JobResult, keys: list[Any]) -> Sample:
        """Return a sample with its group among these keys; a new value is added to the keys."""
        value, reasoning, problem = self._parts(done)
        group = None if problem is not None else self._group(keys, value)
        return Sample(number=number, answer=value, reasoning=reasoning, group=group, problem=problem)

    def _parts(self, done: JobResult) -> tuple[Any, tuple[str, ...], str | None]:
        """Return an answer, the reasoning before it, and why it could not be read."""
        value, problem, _ = done
        if problem is None and isinstance(value, ChainOfThoughts):
            return value.final_answer, tuple(f"{step.explanation}: {step.output}" for step in value.steps), None
        if problem is None:
            value, problem = read_as(value, self._answer)
        return value, (), problem

    def _tell(self, sample: Sample | None) -> None:
        """Send a sample as soon as it has come, and again if it has changed when it is counted."""
        if sample is not None and self._told.get(sample.number) != sample:
            self._told[sample.number] = sample
            self.log.tell(sample)

    def _judging(self) -> PlanJob:
        answers = "\n".join(f"{number}. {self._first(group)}" for number, group in enumerate(range(len(self._keys)), 1))
        prompt = self._prompts.judge.format(task=text_of(self._task), answers=answers)
        return PlanJob("judge", prompt, model=self._judge, schema=Groups, then=self._regroup)

    def _first(self, group: int) -> Any:
        return next(sample.answer for sample in self._samples if sample.group == group)

    def _regroup(self, done: JobResult) -> None:
        """Join groups that the judge calls equal; a number that it omits or repeats keeps its group."""
        if done.problem is not None:
            return
        joined = {group: group for group in range(len(self._keys))}
        seen: set[int] = set()
        for numbers in done.value.groups:
            fresh = sorted({number - 1 for number in numbers} & joined.keys() - seen)
            seen.update(fresh)
            joined.update(dict.fromkeys(fresh, fresh[0] if fresh else 0))
        self._samples = [
            msgspec.structs.replace(sample, group=None if sample.group is None else joined[sample.group])
            for sample in self._samples
        ]
        self._counts = [sum(sample.group == group for sample in self._samples) for group in joined]
        self._judged = True
        for sample in self._samples:
            self._tell(sample)

    def result(self, stopped: str | None = None) -> PlanResult:
        """Return the result so far."""
        for number in sorted(self._came):  # samples of an interrupted round
            with suppress(Exception):  # key= may have interrupted it
                self._count(number)
        final = None
        if any(self._counts):
            final = self._first(self._counts.index(max(self._counts)))
        first, second = self._leaders()
        return result_of(
            self.log,
            kind="self_consistency",
            options=self.started().options,
            task=self._task,
            final_answer=final,
            trace=self._samples,
            paths=tuple(sample.reasoning for sample in self._samples),
            stopped=stopped or self._stopped,
            margin=(first - second) / len(self._samples) if self._samples else 0.0,
            messages=history_of(self._task, final),
            judged=self._judged,
        )


def _group_in(keys: list[Any], value: Any) -> int:
    for group, known in enumerate(keys):
        if isinstance(known, bool) == isinstance(value, bool) and known == value:  # True == 1
            return group
    keys.append(value)
    return len(keys) - 1


def _warmed(model: Any, temperature: float | None) -> Any:
    if temperature is None or not isinstance(model, ChatCompletion):
        return model
    warmed = copy.copy(model)
    warmed.options = {**model.options, "temperature": temperature}
    return warmed
