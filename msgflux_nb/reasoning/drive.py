"""Runs the jobs of a plan, one after another or concurrently; a plan only says which jobs it needs next."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from ..errors import IncompleteOutputError, StreamInterruptedError, ValidationFailedError, described
from .log import Log, opened
from .plan_events import Asking
from .trace import Asked

__all__ = ["JobResult", "Plan", "PlanJob", "adrive", "drive"]

CUT = "cut: max_seconds was reached"

UNREADABLE = (IncompleteOutputError, ValidationFailedError)


class PlanJob(NamedTuple):
    """One call of a model or of a function.

    Attributes:
        purpose: what the call is for, as in :class:`Asked`.
        argument: the messages for the model, or the argument of the function.
        model: the model; None for a function.
        schema: the type of the model's answer; None for text.
        function: called with ``argument`` if there is no model.
        counted: whether the call counts towards the budget.
        about: for the trace: the number of a sample, or the path of a node.
        then: called with the result as soon as it is there, so that it is kept even if other jobs fail.
    """

    purpose: str
    argument: Any
    model: Any = None
    schema: Any = None
    function: Callable[[Any], Any] | None = None
    counted: bool = True
    about: Any = None
    then: Callable[[Any], None] | None = None


class JobResult(NamedTuple):
    """The result of a job: a value, or why the value could not be read."""

    value: Any
    problem: str | None = None
    error: Exception | None = None


def took(log: Log, job: PlanJob, given: Any, error: Exception | None, began: float) -> JobResult:
    """Record a job's response, and return its result."""
    response = given if hasattr(given, "consume") and hasattr(given, "metadata") else None
    if response is not None:
        log.responses.append(response)
        try:
            given = response.consume()
        except UNREADABLE as unreadable:
            error = unreadable
    done = JobResult(given) if error is None else JobResult(None, described(error), error)
    if job.model is not None:
        text = str(getattr(response or getattr(error, "snapshot", None), "text", "") or "")
        asked = _asked(job, text, done.problem, began)
        log.entries.append(asked)
        log.tell(asked)
    if job.then is not None:
        job.then(done)
    if response is not None:
        log.budget.took_response(response)
    elif job.counted:
        log.budget.took(None if job.model is not None else 0, None if job.model is not None else 0.0)
    if job.counted:
        log.tell_spent()
    return done


def _asked(job: PlanJob, text: str, problem: str | None, began: float) -> Asked:
    prompt = job.argument if isinstance(job.argument, str) else None
    seconds = time.monotonic() - began
    return Asked(job.purpose, about=job.about, prompt=prompt, text=text, problem=problem, seconds=seconds)


Plan = Generator[Sequence[PlanJob], list[JobResult], None]


def drive(plan: Plan, log: Log) -> None:
    """Run a plan's jobs one after another. A plan gets fewer results than jobs if a limit was reached."""
    jobs = _step(plan, None)
    while jobs is not None:
        done = []
        for job in jobs:
            log.check()
            if job.counted and not log.budget.admits(0):
                break
            came = _run(job, log)
            if came is None:
                break
            done.append(came)
        jobs = _step(plan, done)


async def adrive(plan: Plan, log: Log, max_concurrency: int) -> None:
    """Like :func:`drive`, but concurrent: models and async functions on the loop, other functions on one thread."""
    jobs = _step(plan, None)
    in_turn = asyncio.Lock()
    while jobs is not None:
        jobs = _step(plan, await _together(jobs, log, max_concurrency, in_turn))


async def _together(jobs: Sequence[PlanJob], log: Log, max_concurrency: int, in_turn: asyncio.Lock) -> list[JobResult]:
    """Run the jobs of a round; return the results up to the first job that a limit left out or cut."""
    tasks: dict[asyncio.Task[JobResult], PlanJob] = {}
    running: set[asyncio.Task[JobResult]] = set()
    try:
        for job in jobs:
            while running and (
                len(running) >= max_concurrency or (job.counted and not log.budget.admits(len(running)))
            ):
                running = await _first(running, tasks, log)
            if job.counted and not log.budget.admits(len(running)):
                break
            task = asyncio.create_task(_arun(job, log, in_turn))
            tasks[task] = job
            running.add(task)
        while running:
            running = await _first(running, tasks, log)
        return [task.result() for task in itertools.takewhile(lambda task: not task.cancelled(), tasks)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first(running: set[Any], tasks: dict[Any, PlanJob], log: Log) -> set[Any]:
    """Wait until a job has ended or ``max_seconds`` are over; return the jobs that still run.

    After ``max_seconds``, calls of providers and async functions are cancelled. A function on a thread cannot be.
    """
    left = log.budget.seconds_left()
    ended, still = await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    for task in ended:
        if not task.cancelled():
            task.result()
    if ended or left is None:
        return still
    log.late = True
    late = {task for task in still if tasks[task].model is not None or _is_async(tasks[task].function)}
    for task in late:
        task.cancel()
    done, still = await asyncio.wait(still, return_when=asyncio.ALL_COMPLETED)
    for task in done:
        if not task.cancelled():
            task.result()
    return still


def _step(plan: Plan, done: list[JobResult] | None) -> Sequence[PlanJob] | None:
    try:
        return next(plan) if done is None else plan.send(done)
    except StopIteration:
        return None


def _run(job: PlanJob, log: Log) -> JobResult | None:
    """Run a job; None if ``max_seconds`` has cut it."""
    began = time.monotonic()
    log.tell(Asking(job.purpose, job.about))
    answer = opened(job.model, job.argument, _keywords(job))
    try:
        if answer is not None:
            with log.cutting(answer):
                answer.finish()
                given = answer.response()
        elif job.model is not None:
            given = job.model(job.argument, **_keywords(job))
        else:
            given = _called(job)
            if inspect.isawaitable(given):
                getattr(given, "close", lambda: None)()
                raise TypeError(f"{job.purpose}: this function is async; use the async twin: await mf.plan.a…(…)")
    except UNREADABLE as error:
        return took(log, job, None, error, began)
    except StreamInterruptedError:
        if not log.late or answer is None:
            raise
        log.cut(_asked(job, answer.text, CUT, began))
        return None
    return took(log, job, given, None, began)


async def _arun(job: PlanJob, log: Log, in_turn: asyncio.Lock) -> JobResult:
    began = time.monotonic()
    log.tell(Asking(job.purpose, job.about))
    try:
        if job.model is not None:
            given = await job.model.acall(job.argument, **_keywords(job))
        elif _is_async(job.function):
            given = await _called(job)
        else:
            async with in_turn:
                given, failed = await asyncio.to_thread(_tried, job)
            if failed is not None:
                raise failed
            if inspect.isawaitable(given):
                given = await given
    except UNREADABLE as error:
        return took(log, job, None, error, began)
    except asyncio.CancelledError:
        if log.late and job.counted:
            log.cut(_asked(job, "", CUT, began) if job.model is not None else None)
        raise
    return took(log, job, given, None, began)


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 (an object whose call is async)
    )


def _called(job: PlanJob) -> Any:
    assert job.function is not None
    return job.function(job.argument)


def _tried(job: PlanJob) -> tuple[Any, BaseException | None]:
    # Caught here, since a StopIteration could not leave the thread.
    try:
        return _called(job), None
    except BaseException as error:
        return None, error


def _keywords(job: PlanJob) -> dict[str, Any]:
    return {} if job.schema is None else {"generation_schema": job.schema}
