"""``tree_of_thoughts``: proposes next thoughts and keeps the most promising ones, level by level."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Annotated, Any, Unpack

import msgspec
from msgspec import Meta

from ..errors import brief
from .argument_checks import check_answer, check_count, check_functions, check_model, check_task, prompts_of
from .budget import Budget, Limits
from .drive import JobResult, PlanJob, adrive, drive
from .log import Log, numbered, running
from .plan_events import OnPlanEvent, PlanStarted
from .prompts import Prompts
from .result import PlanResult, history_of, read_as, result_of, text_of
from .trace import Node

__all__ = ["atree_of_thoughts", "tree_of_thoughts"]

Path = tuple[str, ...]


class Thoughts(msgspec.Struct, frozen=True):
    """Next thoughts, each a different one."""

    thoughts: Annotated[list[str], Meta(min_length=1, max_length=16)]


class Valuation(msgspec.Struct, frozen=True):
    """How promising the thoughts are."""

    reason: Annotated[str, Meta(description="why, in one sentence")]
    score: Annotated[float, Meta(description="0 impossible, 1 sure", ge=0, le=1)]


def tree_of_thoughts(
    model: Any,
    task: Any,
    *,
    breadth: int = 3,
    depth: int = 3,
    answer: Any = str,
    propose: Callable[[Path], Any] | None = None,
    value: Callable[[Path], Any] | None = None,
    check: Callable[[Path], Any] | None = None,
    samples: int = 1,
    prompts: Prompts | None = None,
    on_event: OnPlanEvent | None = None,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Search a tree of thoughts breadth first (Yao et al. 2023, 2305.10601).

    On each level next thoughts are proposed for every kept path. ``check`` ends the search at the first solved path and
    drops dead ones. Of the others, the ``breadth`` paths with the highest values are kept. Equal paths are one node,
    valued once; ties keep the order of proposal.

    Args:
        model: from ``Model.chat_completion``; may be None if both ``propose`` and ``value`` are given.
        task: a text, or a list of message dicts.
        breadth: how many paths are kept on each level.
        depth: the number of levels.
        answer: the type of the answer. A model is asked for it at the end; without a model it is the last thought of
            the best path, read as this type.
        propose: returns the next thoughts for a path, which is a tuple of thoughts; the first path is empty.
        value: returns how promising a path is; any number, higher is better.
        check: returns for a path ``True`` (solved), ``False`` (dead) or ``None`` (cannot tell).
        samples: how often a model values a node; the mean counts.
        prompts: replaces the default prompts.
        on_event: called with each event: ``mf.plan.PlanStarted``, ``Asked``, ``Spent`` and so on; an exception that it
            raises ends the plan. ``mf.PlanView().on_event`` draws it.
        **budget: ``max_calls``, ``max_tokens``, ``max_cost``, ``max_seconds``. At a limit the model is asked once more,
            for the answer; ``max_calls`` includes that call. Without a model, calls of ``propose`` and ``value`` count.

    Returns:
        The answer; ``paths`` holds the last beam, best first, and ``trace`` every node.

    Raises:
        Exception: whatever a call or a function raises; ``error.plan`` is the result so far, also for an interrupt.

    Example:
        >>> result = tree_of_thoughts(None, "the largest number of two digits 1 or 2", breadth=1, depth=2, answer=int,
        ...                           propose=lambda path: ["".join(path) + digit for digit in "12"],
        ...                           value=lambda path: int(path[-1]))
        >>> result.final_answer, result.paths
        (22, (('2', '22'),))
    """
    tree = _Tree(
        model, task, breadth, depth, answer, propose, value, check, samples, prompts_of(prompts), budget, on_event
    )
    with running(tree.log, tree.result, tree.started()):
        drive(tree.plan(), tree.log)
        return tree.log.ended(tree.result())


async def atree_of_thoughts(
    model: Any,
    task: Any,
    *,
    breadth: int = 3,
    depth: int = 3,
    answer: Any = str,
    propose: Callable[[Path], Any] | None = None,
    value: Callable[[Path], Any] | None = None,
    check: Callable[[Path], Any] | None = None,
    samples: int = 1,
    prompts: Prompts | None = None,
    on_event: OnPlanEvent | None = None,
    max_concurrency: int = 8,
    **budget: Unpack[Limits],
) -> PlanResult:
    """Like :func:`tree_of_thoughts`, but async: at most ``max_concurrency`` calls of one level run at once."""
    tree = _Tree(
        model, task, breadth, depth, answer, propose, value, check, samples, prompts_of(prompts), budget, on_event
    )
    check_count(max_concurrency=max_concurrency)
    with running(tree.log, tree.result, tree.started(), awaited=True):
        await adrive(tree.plan(), tree.log, max_concurrency)
        return tree.log.ended(tree.result())


class _Tree:
    """The state of a search, without I/O; the drivers ask it what to call next."""

    def __init__(
        self,
        model: Any,
        task: Any,
        breadth: int,
        depth: int,
        answer: Any,
        propose: Callable[[Path], Any] | None,
        value: Callable[[Path], Any] | None,
        check: Callable[[Path], Any] | None,
        samples: int,
        prompts: Prompts,
        budget: Limits,
        on_event: OnPlanEvent | None,
    ) -> None:
        check_count(breadth=breadth, depth=depth, samples=samples)
        if model is None and (propose is None or value is None):
            raise TypeError("model is None: give both propose= and value=, which replace it")
        if model is not None:
            check_model(model)
            check_task(task)
        check_functions(propose=propose, value=value, check=check)
        check_answer(answer)
        self._model, self._task, self._answer = model, task, answer
        self._breadth, self._depth, self._samples = breadth, depth, samples
        self._propose, self._value, self._check = propose, value, check
        self._prompts = prompts
        self.log = Log(Budget(budget, reserved=0 if model is None else 1), on_event)
        self._nodes: dict[Path, Node] = {}
        self._beam: list[Path] = []
        self._growing: list[Path] = []  # the beam whose next thoughts are being proposed
        self._proposed: dict[Path, list[str]] = {}
        self._values: dict[Path, list[float]] = {}
        self._final: Any = None
        self._stopped: str | None = None

    def started(self) -> PlanStarted:
        """The first event."""
        options = {"breadth": self._breadth, "depth": self._depth}
        limits = self.log.budget.limits
        return PlanStarted(kind="tree_of_thoughts", task=self._task, limits=limits, options=options, stop=self.log.stop)

    def plan(self) -> Generator[Sequence[PlanJob], list[JobResult], None]:
        """Yield what to call next, until the search ends; then ask a model for the answer."""
        for level in range(self._depth):
            yield from self._level([()] if level == 0 else self._beam)
            if self._stopped is not None:
                break
        if self._model is None:
            if self._beam:
                self._final, _ = read_as(self._beam[0][-1], self._answer)
                if self._final is None and isinstance(self._beam[0][-1], str):
                    self._final = _decoded(self._beam[0][-1], self._answer)
            return
        self.log.budget.close()
        path = self._beam[0] if self._beam else ()
        schema = None if self._answer is str else self._answer
        job = self._asking("close", path, self._prompts.tree_close, schema)
        (done,) = yield [job]
        if done.error is not None:
            raise done.error
        self._final = done.value

    def _level(self, beam: list[Path]) -> Generator[Sequence[PlanJob], list[JobResult], None]:
        self._growing = beam
        jobs = [self._proposing(path) for path in beam]
        done = yield jobs
        self._stopped = self._cut(jobs, done)
        fresh = self._grow()
        if not fresh:
            self._stopped = self._stopped or "exhausted"
            return
        alive = yield from self._checked(fresh)
        if self._stopped == "solved":
            return
        samples = self._samples if self._value is None else 1
        valuations = [self._valuing(path, number) for path in alive for number in range(samples)]
        if self._stopped is None and valuations:
            done = yield valuations
            self._stopped = self._cut(valuations, done)
        self._keep(alive)

    def _cut(self, jobs: list[PlanJob], done: list[JobResult]) -> str | None:
        return self.log.budget.reached() if len(done) < len(jobs) else None

    def _grow(self) -> list[Path]:
        """Make nodes of the proposed thoughts, in the order of the beam; equal paths are one node."""
        fresh: list[Path] = []
        for parent in self._growing:
            for thought in self._proposed.pop(parent, ()):
                path = (*parent, thought)
                if path not in self._nodes:
                    above = self._nodes[parent].id if parent else None
                    self._nodes[path] = Node(id=len(self._nodes), parent=above, level=len(path), path=path)
                    self.log.tell(self._nodes[path])
                    fresh.append(path)
        return fresh

    def _checked(self, fresh: list[Path]) -> Generator[Sequence[PlanJob], list[JobResult], list[Path]]:
        """Call ``check`` for each path in turn, before any is valued; return the paths that are not dead."""
        if self._check is None:
            return fresh
        alive: list[Path] = []
        for path in fresh:
            (done,) = yield [PlanJob("check", path, function=self._check, counted=False)]
            verdict = _verdict(done.value)
            if verdict is True:
                self._mark(path, state="solved")
                self._beam, self._stopped = [path], "solved"
                return alive
            if verdict is None:
                alive.append(path)
            else:
                self._mark(path, state="dead")
        return alive

    def _keep(self, alive: list[Path]) -> None:
        """Keep the best paths of a level; of a level that a limit cut short, the best of those that were valued."""
        for path in alive:
            self._mark(path, value=self._mean(path))
        if self._stopped is not None:
            valued = [path for path in alive if self._nodes[path].value is not None]
            alive = valued if valued or self._beam else alive
        ranked = sorted(alive, key=lambda path: -self._rank(path))
        for number, path in enumerate(ranked):
            self._mark(path, state="kept" if number < self._breadth else "pruned")
        if ranked:
            self._beam = ranked[: self._breadth]
        elif self._stopped is None:
            self._stopped = "exhausted"

    def _rank(self, path: Path) -> float:
        value = self._nodes[path].value
        return -math.inf if value is None else value

    def _mean(self, path: Path) -> float | None:
        values = self._values.get(path)
        return sum(values) / len(values) if values else None

    def _mark(self, path: Path, **changes: Any) -> None:
        node = msgspec.structs.replace(self._nodes[path], **changes)
        if node != self._nodes[path]:
            self._nodes[path] = node
            self.log.tell(node)

    def _proposing(self, path: Path) -> PlanJob:
        def then(done: JobResult) -> None:
            self._proposed[path] = _thoughts(done, self._propose is not None)

        if self._propose is not None:
            counted = self._model is None
            return PlanJob("propose", path, function=self._propose, counted=counted, about=path, then=then)
        return self._asking("propose", path, self._prompts.propose, Thoughts, then)

    def _valuing(self, path: Path, number: int) -> PlanJob:
        def then(done: JobResult) -> None:
            if done.problem is None:
                found = done.value.score if self._value is None else _number(done.value)
                self._values.setdefault(path, []).append(found)
                self._mark(path, value=self._mean(path))

        if self._value is not None:
            counted = self._model is None
            return PlanJob("value", path, function=self._value, counted=counted, about=path, then=then)
        return self._asking("value", path, self._prompts.value, Valuation, then, number)

    def _asking(
        self,
        purpose: str,
        path: Path,
        prompt: str,
        schema: Any,
        then: Callable[[Any], None] | None = None,
        number: int = 0,
    ) -> PlanJob:
        thoughts = "\n".join(f"- {thought.strip()}" for thought in path) or "- none yet"
        filled = prompt.format(task=text_of(self._task), path=thoughts, count=self._breadth)
        return PlanJob(purpose, filled, model=numbered(self._model, number), schema=schema, about=path, then=then)

    def result(self, stopped: str | None = None) -> PlanResult:
        """Return the result so far, with the results of a level that did not end."""
        self._grow()
        for path in self._values:
            if self._nodes[path].value is None:
                self._mark(path, value=self._mean(path))
        return result_of(
            self.log,
            kind="tree_of_thoughts",
            options=self.started().options,
            task=self._task,
            final_answer=self._final,
            trace=self._nodes.values(),
            paths=tuple(self._beam),
            stopped=stopped or self._stopped,
            margin=None,
            messages=history_of(self._task, self._final),
        )


def _thoughts(done: JobResult, given: bool) -> list[str]:
    if done.problem is not None:  # the trace says why no thought came
        return []
    thoughts = done.value if given else done.value.thoughts
    if isinstance(thoughts, str) or not isinstance(thoughts, Iterable):
        raise TypeError(f"propose(path): expected a list of texts, got {brief(thoughts)}")
    listed = list(thoughts)
    for thought in listed:
        if not isinstance(thought, str):
            raise TypeError(f"propose(path): expected a list of texts, got {brief(thought)} in it")
    return [str(thought) for thought in listed]  # NumPy's strings too


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise TypeError(f"value(path): expected a number, got {brief(value)}")
    return number


def _verdict(value: Any) -> bool | None:
    if value is None:
        return None
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's too
        raise TypeError(f"check(path): expected True (solved), False (dead) or None (cannot tell), got {brief(value)}")
    return bool(value)


def _decoded(text: str, answer: Any) -> Any:
    """Read a text as a type, such as ``"22"`` as an int; None if it does not fit."""
    try:
        return msgspec.convert(text.strip(), answer, strict=False)
    except (msgspec.ValidationError, TypeError):
        return None
