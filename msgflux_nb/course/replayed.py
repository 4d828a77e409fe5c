"""The content of the course's recordings, read by the calls that made them; cached for repeated checks."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from .lesson import recordings_folder
from .materials import PROMPT, TASKS, Release, chain_task, price, solver, to_dollars, verdict_scorer, weather

__all__ = [
    "MODEL",
    "SMALL",
    "chains",
    "first_call",
    "puzzles",
    "react_runs",
    "recorded_calls",
    "right_rows",
    "rows",
    "samples",
    "scores",
    "sentence",
    "truth",
    "typed",
]

MODEL = "local/qwen2.5-coder-0.5b"
SMALL = "local/smollm2-135m"
ANIMAL = "Name one animal. Answer with one word only."
SENTENCE = "Write one short sentence about the sea."


def _played(name: str) -> Any:
    from ..storage.recordings.player import replay

    return replay(recordings_folder() / f"{name}.jsonl", speed=math.inf)


def _truth(name: str) -> Any:
    return json.loads((recordings_folder() / f"{name}.truth.json").read_text(encoding="utf-8"))


def _model(name: str = MODEL, **options: Any) -> Any:
    from ..models.model import Model

    return Model.chat_completion(name, **options)


@functools.lru_cache
def first_call() -> tuple[int, int]:
    """Return the prompt and completion tokens of the recorded call with a system prompt."""
    with _played("first_call"):
        model = _model(temperature=0.0, max_tokens=60)
        usage = model("What is a token?", system_prompt="You answer in one short sentence.").metadata.usage
    return usage.prompt_tokens, usage.completion_tokens


@functools.lru_cache
def samples(temperature: float) -> tuple[str, ...]:
    """Return the forty answers at a temperature."""
    with _played("samples"):
        model = _model(temperature=temperature, max_tokens=6, logprobs=True, top_logprobs=20)
        return tuple(model(ANIMAL).text for _ in range(40))


@functools.lru_cache
def sentence() -> Any:
    """Return the log probabilities of the sentence about the sea."""
    with _played("samples"):
        model = _model(temperature=0.0, max_tokens=24, logprobs=True, top_logprobs=20)
        response = model(SENTENCE, stream=True)
        response.consume()
        return response.logprobs


@functools.lru_cache
def typed() -> tuple[str, ...]:
    """Return the twelve answers to decode to a type."""
    texts = []
    with _played("typed"):
        for number, one in enumerate(_truth("typed")):
            model = _model(temperature=0.0, max_tokens=15 if number == 9 else 50)
            texts.append(model(one["question"]).text)
    return tuple(texts)


@functools.lru_cache
def chains() -> tuple[tuple[int, tuple[int | None, ...]], ...]:
    """Return for each of the twenty questions the right answer and the answers in order; None could not be read."""
    from ..reasoning.self_consistency import self_consistency
    from ..reasoning.trace import Sample
    from ..storage.recordings.recording import Recording

    truth = _truth("chains")
    tasks = {question: chain_task(question) for question in truth}
    asked = [line.body["messages"][-1]["content"] for line in Recording(recordings_folder() / "chains.jsonl").exchanges]
    count = min(sum(one.endswith(task) for one in asked) for task in tasks.values())
    found = []
    with _played("chains"):
        model = _model(max_tokens=100)
        for question, right in truth.items():
            result = self_consistency(model, tasks[question], n=count, answer=int, temperature=0.7)
            votes = tuple(entry.answer for entry in result.trace if isinstance(entry, Sample))
            found.append((right, votes))
    return tuple(found)


@functools.lru_cache
def puzzles() -> tuple[dict[str, Any], ...]:
    """Return the fifty puzzles of the Game of 24 with what GPT-4 said (Yao et al. 2023; MIT licence)."""
    path = Path(__file__).parent / "data" / "game24.jsonl"
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def truth(name: str) -> Any:
    """Return the right answers for a recording."""
    return _truth(name)


@functools.lru_cache
def scores() -> dict[str, dict[str, int]]:
    """Return for each model and prompt the number of reviews, of twelve, that are right."""
    from ..tables.grid.accessor import scores as scores_of
    from ..tables.grid.grid import grid

    told = _truth("prompts")
    models = {name: _model(name, temperature=0.0, max_tokens=6) for name in told["models"]}
    inputs = list(told["inputs"])
    with _played("prompts"):
        table: Any = grid(
            told["prompts"], inputs, models=models, score=verdict_scorer(told["inputs"]), store=False, progress=False
        )
    found: Any = scores_of(table, None)
    return {model: {prompt: int(found["right"][prompt, model]) for prompt in told["prompts"]} for model in models}


@functools.lru_cache
def recorded_calls() -> tuple[Any, ...]:
    """Return the three recorded tool calls, which arrived interleaved."""
    from ..models.model import Model

    model = Model.chat_completion(f"replay/{recordings_folder() / 'parallel_calls.jsonl'}")
    recorded: Any = model.recorded
    question = recorded["question"].iloc[0]
    with _played("parallel_calls"):
        response = model(question, stream=True, tool_schemas=[weather])
        response.consume()
    return tuple(response.tool_calls)


@functools.lru_cache
def react_runs() -> tuple[Any, ...]:
    """Return the three recorded runs with two tools, as ``mf.plan.react`` returns them."""
    from ..reasoning.react import react

    with _played("react"):
        return tuple(
            react(solver(task), task, tools=[price, to_dollars], answer_tool=True, **budget)
            for task, budget in TASKS.items()
        )


@functools.lru_cache
def rows(name: str) -> Any:
    """Return the table of the sixty notes that a model extracted."""
    from ..tables.extract import extract

    texts = [one["text"] for one in _truth("rows")]
    with _played("rows"):
        model = _model(name, temperature=0.0, max_tokens=60)
        return extract(texts, Release, model=model, prompt=PROMPT, store=False, progress=False)


@functools.lru_cache
def right_rows() -> dict[str, int]:
    """Return for each model the number of rows, of sixty, that are right in every field."""
    known = _truth("rows")
    return {
        name: sum(
            all(str(table[field].iloc[place]) == one[field] for field in Release.__struct_fields__)
            for place, one in enumerate(known)
        )
        for name, table in ((name, rows(name)) for name in (SMALL, MODEL))
    }
