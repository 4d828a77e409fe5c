"""The recordings of the package: complete, small, with the right model's name, and with all that the course needs."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import msgflux_nb as mf
from msgflux_nb.course.replayed import react_runs
from msgflux_nb.models.again import check
from msgflux_nb.storage.recordings.recording import Recording, read_recordings

ROOT = Path(mf.__file__).parent.parent
FOLDER = ROOT / "msgflux_nb" / "course" / "recordings"
FILES = sorted(FOLDER.glob("*.jsonl"))
SCRIPTED = {"errors", "parallel_calls"}


def of(name: str) -> Recording:
    return Recording(FOLDER / f"{name}.jsonl")


def truth(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.truth.json").read_text(encoding="utf-8"))


def test_the_recordings_are_small_and_each_has_its_script() -> None:
    scripts = {path.stem for path in (ROOT / "scripts" / "recordings").glob("*.py")}
    assert {path.stem for path in FILES} - SCRIPTED <= scripts
    assert "scripted" in scripts
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 6_000_000
    assert not list(FOLDER.glob("*.partial"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recording_of_the_course_is_as_it_should_be(path: Path) -> None:
    recording = Recording(path)
    assert [finding for finding in check(recording) if not finding.ok] == []
    assert recording.header.title
    assert recording.header.licence
    assert ("scripted server" in recording.header.title) == (path.stem in SCRIPTED)


def test_samples_are_forty_at_each_of_three_temperatures_with_twenty_candidates() -> None:
    lines = [line for line in of("samples").exchanges if not line.body.get("stream")]
    assert Counter(line.body["temperature"] for line in lines) == {0.0: 40, 0.7: 40, 1.2: 40}
    assert {line.body["top_logprobs"] for line in lines} == {20}
    with mf.replay(FOLDER / "samples.jsonl", speed=math.inf):
        model = mf.Model.chat_completion(
            "local/qwen2.5-coder-0.5b", temperature=1.2, max_tokens=6, logprobs=True, top_logprobs=20
        )
        answers = [model.numbered(number)("Name one animal. Answer with one word only.") for number in range(40)]
    assert len({answer.text for answer in answers}) > 3
    assert all(answer.logprobs for answer in answers)
    assert not any(answer.metadata.warnings for answer in answers)


def test_chains_are_small_questions_with_their_truth_and_each_sample_once() -> None:
    from scripts.recordings.chains import COUNT, MAX_TOKENS, MODEL, QUESTIONS, chain_task, question_in

    asked = [(question_in(line.body), line.sample) for line in of("chains").exchanges]
    assert len(asked) == len(set(asked))
    assert {question for question, _ in asked} == set(QUESTIONS)
    assert (len(QUESTIONS), COUNT) == (20, 20)
    question = "Eva reads 12 pages a day. How many days does she need for 96 pages?"
    count = sum(one == question for one, _ in asked)
    with mf.replay(FOLDER / "chains.jsonl", speed=math.inf):
        model = mf.Model.chat_completion(MODEL, max_tokens=MAX_TOKENS)
        result = mf.plan.self_consistency(model, chain_task(question), n=count, answer=int)
    samples = [entry for entry in result.trace if isinstance(entry, mf.plan.Sample)]
    assert len(samples) == count == 20
    assert len({sample.answer for sample in samples}) > 1


def test_three_calls_come_at_once_in_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.recordings.scripted import CITIES, weather

    monkeypatch.setenv("MSGFLUX_REPLAY_SPEED", "inf")
    model = mf.Model.chat_completion(f"replay/{FOLDER / 'parallel_calls.jsonl'}")
    asked = f"What is the weather in {', '.join(CITIES)}?"
    calls = model(asked, tool_schemas=[weather], stream=True).consume().get_calls()
    assert [call.arguments["city"] for call in calls] == list(CITIES)


def test_three_runs_reason_and_act_and_one_wastes_its_budget() -> None:
    runs = react_runs()
    assert [run.stopped for run in runs] == [None, None, "max_calls"]
    assert not any(response.metadata.warnings for run in runs for response in run.responses)
    first, second, third = runs
    assert "44" in first.final_answer
    assert "120" in second.final_answer
    steps = [(step.name, step.arguments) for turn in third.trace for step in turn.steps]
    assert steps == [("price", {"item": "sofa"})] * 4


def test_each_kind_of_error_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.recordings.scripted import ERRORS

    monkeypatch.setenv("MSGFLUX_REPLAY_SPEED", "inf")
    found = {}
    for question, (keywords, _) in ERRORS.items():
        retries = 2 if question == "Too many requests" else 0
        model = mf.Model.chat_completion(f"replay/{FOLDER / 'errors.jsonl'}", max_retries=retries)
        try:
            answer = model(question, **keywords)
            found[question] = answer.consume()
        except mf.MsgfluxError as error:
            found[question] = type(error).__name__
    assert found == {
        "Too many requests": "Here I am, after a wait.",
        "A stream that is cut": "StreamInterruptedError",
        "A refusal": "RefusedError",
        "A model that was retired": "NotFoundError",
        "An answer that is cut at its limit": "One, two, three, four,",
        "A key that is wrong": "AuthenticationError",
        "An account without money": "QuotaError",
        "A server that fails": "ServerError",
    }


def test_rows_and_prompts_and_typed_answers_have_their_truth() -> None:
    assert len(truth("rows")) == 60
    assert len(of("rows").exchanges) == 120
    assert len(of("rows").models) == 2
    told = truth("prompts")
    assert (len(told["prompts"]), len(told["models"]), len(told["inputs"])) == (6, 2, 12)
    assert len(of("prompts").exchanges) == 6 * 2 * 12
    typed = truth("typed")
    assert (len(typed), sum(one["broken"] is not None for one in typed)) == (12, 2)
    assert len(read_recordings(FOLDER)) == len(FILES)
