"""Run a plan's jobs, one after the other or side by side; a plan itself only says what it needs next."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..errors import IncompleteOutputError, ValidationFailedError, described
from .budget import Budget
from .trace import Asked

__all__ = ["Done", "Job", "Log", "Plan", "adrive", "drive", "kept"]

UNREADABLE = (IncompleteOutputError, ValidationFailedError)


class Job(NamedTuple):
    """A call to make: of a model where there is one, else of a function.

    Attributes:
        purpose: what it is for.
        argument: messages for the model, or what the function is called with.
        model: what to ask; None for a function.
        schema: the type of the model's answer; None for text.
        function: called with ``argument`` where there is no model.
        counted: whether it counts towards the budget.
        about: what the trace says it is about: the number of a sample, or the path of a node.
        then: called with what came of it, as soon as it came, so that nothing is lost whatever happens to other jobs.
    """

    purpose: str
    argument: Any
    model: Any = None
    schema: Any = None
    function: Callable[[Any], Any] | None = None
    counted: bool = True
    about: Any = None
    then: Callable[[Any], None] | None = None


class Done(NamedTuple):
    """What came of a job: a value, or why it could not be read."""

    value: Any
    problem: str | None = None
    error: Exception | None = None


class Log:
    """What happened so far; kept whatever ends the plan."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.entries: list[Asked] = []
        self.responses: list[Any] = []

    def took(self, job: Job, given: Any, error: Exception | None, began: float) -> Done:
        """Keep what a job gave; return it as a value."""
        response = given if hasattr(given, "consume") and hasattr(given, "metadata") else None
        if response is not None:
            self.responses.append(response)
            try:
                given = response.consume()
            except UNREADABLE as unreadable:
                error = unreadable
        done = Done(given) if error is None else Done(None, described(error), error)
        if job.model is not None:
            prompt = job.argument if isinstance(job.argument, str) else None
            text = str(getattr(response or getattr(error, "snapshot", None), "text", "") or "")
            seconds = time.monotonic() - began
            asked = Asked(job.purpose, about=job.about, prompt=prompt, text=text, problem=done.problem, seconds=seconds)
            self.entries.append(asked)
        if job.then is not None:
            job.then(done)
        if response is not None:
            self.budget.took_response(response)
        elif job.counted:
            self.budget.took(None if job.model is not None else 0, None if job.model is not None else 0.0)
        return done


Plan = Generator[Sequence[Job], list[Done], None]


def drive(plan: Plan, log: Log) -> None:
    """Run a plan's jobs one after the other; fewer results than jobs say that a limit was reached."""
    jobs = _step(plan, None)
    while jobs is not None:
        done = []
        for job in jobs:
            if job.counted and not log.budget.admits(0):
                break
            done.append(_run(job, log))
        jobs = _step(plan, done)


async def adrive(plan: Plan, log: Log, max_concurrency: int) -> None:
    """As :func:`drive`, side by side: models and async functions on the loop, other functions in turn on a thread."""
    jobs = _step(plan, None)
    in_turn = asyncio.Lock()
    while jobs is not None:
        jobs = _step(plan, await _together(jobs, log, max_concurrency, in_turn))


async def _together(jobs: Sequence[Job], log: Log, max_concurrency: int, in_turn: asyncio.Lock) -> list[Done]:
    tasks: list[asyncio.Task[Done]] = []
    running: set[asyncio.Task[Done]] = set()
    try:
        for job in jobs:
            while running and (
                len(running) >= max_concurrency or (job.counted and not log.budget.admits(len(running)))
            ):
                ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            if job.counted and not log.budget.admits(len(running)):
                break
            tasks.append(asyncio.create_task(_arun(job, log, in_turn)))
            running.add(tasks[-1])
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _step(plan: Plan, done: list[Done] | None) -> Sequence[Job] | None:
    try:
        return next(plan) if done is None else plan.send(done)
    except StopIteration:
        return None


def _run(job: Job, log: Log) -> Done:
    began = time.monotonic()
    try:
        if job.model is not None:
            given = job.model(job.argument, **_keywords(job))
        else:
            given = _called(job)
            if inspect.isawaitable(given):
                getattr(given, "close", lambda: None)()
                raise TypeError(f"{job.purpose}: this function is async; use the async twin: await mf.plan.a…(…)")
    except UNREADABLE as error:
        return log.took(job, None, error, began)
    return log.took(job, given, None, began)


async def _arun(job: Job, log: Log, in_turn: asyncio.Lock) -> Done:
    began = time.monotonic()
    try:
        if job.model is not None:
            given = await job.model.acall(job.argument, **_keywords(job))
        elif inspect.iscoroutinefunction(job.function) or inspect.iscoroutinefunction(
            getattr(job.function, "__call__", None)  # noqa: B004 (an object whose call is async)
        ):
            given = await _called(job)
        else:
            async with in_turn:
                given, failed = await asyncio.to_thread(_tried, job)
            if failed is not None:
                raise failed
            if inspect.isawaitable(given):
                given = await given
    except UNREADABLE as error:
        return log.took(job, None, error, began)
    return log.took(job, given, None, began)


def _called(job: Job) -> Any:
    assert job.function is not None
    return job.function(job.argument)


def _tried(job: Job) -> tuple[Any, BaseException | None]:
    # On a thread: a StopIteration would never leave it.
    try:
        return _called(job), None
    except BaseException as error:
        return None, error


def _keywords(job: Job) -> dict[str, Any]:
    return {} if job.schema is None else {"generation_schema": job.schema}


@contextmanager
def kept(result: Callable[[str], Any]) -> Iterator[None]:
    """Give whatever ends a plan early, an interrupt included, the result so far, as ``error.plan``."""
    try:
        yield
    except BaseException as error:
        stopped = "error" if isinstance(error, Exception) else "interrupted"
        try:
            error.plan = result(stopped)  # type: ignore[attr-defined]  # an error takes any attribute
        except AttributeError:  # but one with slots
            error.add_note("the plan's result so far could not be attached to this error")
        raise
