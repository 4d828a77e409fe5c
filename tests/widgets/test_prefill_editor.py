"""The editor of an answer's start, without a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.models import server_quirks
from msgflux_nb.widgets.prefill.prefill_editor import PrefillEditor
from tests.scripted import model_at, serving, stream

THINK = "Let's think step by step."
HOSTILE = "<img src=x onerror=alert(1)>"


class Person(msgspec.Struct):
    name: str


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrefillEditor]:
    monkeypatch.setattr(server_quirks, "_known", {})
    editor = PrefillEditor(mf.Model.chat_completion("groq/llama-3.3-70b-versatile", api_key="k"), THINK)
    yield editor
    editor.close()


def test_the_start_is_the_value_and_can_be_observed(editor: PrefillEditor) -> None:
    seen: list[str] = []
    editor.observe(lambda change: seen.append(change["new"]), "value")
    editor.value = "So"
    assert (editor.value, seen) == ("So", ["So"])
    assert repr(editor) == "PrefillEditor('So', continues)"


def test_the_forecast_follows_the_start_the_schema_the_model_and_further_keywords(editor: PrefillEditor) -> None:
    kinds = [editor.outlook["kind"]]
    editor.schema = Person
    kinds.append(editor.outlook["kind"])
    editor.value = '{"name": "'
    kinds.append(editor.outlook["kind"])
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    editor.beside = {"tool_schemas": [tool]}
    kinds.append(editor.outlook["kind"])
    editor.beside = {}
    editor.model = mf.Model.chat_completion("openai/gpt-4.1", api_key="k")
    kinds.append(editor.outlook["kind"])
    assert kinds == ["continued", "impossible", "continued", "rejected", "rejected"]
    assert editor.model_name == "openai/gpt-4.1"


def test_the_outlook_says_which_text_it_is_about(editor: PrefillEditor) -> None:
    editor.value = "Other"
    assert editor.outlook["value"] == "Other"


def test_presets_are_the_users_then_ours_and_change_with_the_schema() -> None:
    with closing(PrefillEditor("local/smollm2-135m", presets={"verse": "Roses"})) as editor:
        assert editor.presets[0] == ("yours", "verse", "Roses")
        assert ("usual", "step by step", THINK) in editor.presets
        editor.schema = Person
        assert [text for _, _, text in editor.presets] == ["Roses", "{", '{"name": "']


def test_presets_can_be_texts_alone() -> None:
    with closing(PrefillEditor("local/smollm2-135m", presets=["Roses"])) as editor:
        assert editor.presets[0] == ("yours", "Roses", "Roses")


def test_the_model_is_the_embedded_one_unless_it_is_given() -> None:
    with closing(PrefillEditor()) as editor:
        assert editor.model_name.startswith("local/")
    with pytest.raises(TypeError, match="PrefillEditor: expected a model or its name, got int"):
        PrefillEditor(3)


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(TypeError, match="valeu"):
        PrefillEditor(valeu="x")  # type: ignore[call-arg]


@pytest.fixture
def continuing() -> dict[str, Any]:
    return {"prefill": "continue", "echo_stream": False}


def test_an_answer_that_started_over_is_a_warning_until_the_start_is_changed(continuing: dict[str, Any]) -> None:
    with serving(stream(f"{THINK} So"), stream(" So")) as server:
        model = model_at(server.url, profile=continuing)
        with closing(PrefillEditor(model, THINK)) as editor:
            assert editor.warning == ""
            answer = model("Hi", prefilling=THINK, stream=True)
            answer.consume()
            said = editor.judge(answer)
            assert said == editor.warning
            assert said.startswith("The answer started over")
            editor.value = "Other"
            assert editor.warning == ""
            assert editor.judge(answer, THINK) == said
            good = model("Hi", prefilling=THINK, stream=True)
            good.consume()
            assert editor.judge(good, THINK) == editor.warning == ""


def test_no_answer_takes_the_warning_away(editor: PrefillEditor) -> None:
    editor.warning = "old"
    assert editor.judge(None) == editor.warning == ""


def test_after_a_run_it_is_known_what_had_to_be_tried() -> None:
    with serving(stream("Reference 7391-QX: blue"), stream(f"{THINK} So")) as server:
        model = model_at(server.url, profile={"prefill": "continue", "echo_stream": None})
        with closing(PrefillEditor(model, THINK)) as editor:
            assert editor.outlook["kind"] == "tried"
            answer = model("Hi", prefilling=THINK, stream=True)
            answer.consume()
            assert editor.judge(answer) == ""
            assert editor.outlook["kind"] == "continued"


def test_the_twin_holds_start_outlook_and_warning_and_is_the_same_for_the_same(editor: PrefillEditor) -> None:
    editor.warning = "It started over."
    drawn, text = editor._drawn()
    assert text.splitlines() == [
        "start of the answer · groq/llama-3.3-70b-versatile",
        THINK,
        "continues: groq/llama-3.3-70b-versatile goes on from here.",
        "It started over.",
    ]
    assert "<mark" in drawn
    assert editor._drawn() == (drawn, text)


def test_the_twin_escapes_whatever_it_is_told(editor: PrefillEditor) -> None:
    editor.value, editor.warning, editor.model_name = HOSTILE, HOSTILE, HOSTILE
    assert "<img" not in editor._drawn()[0]


def test_without_a_start_the_twin_has_a_dash() -> None:
    with closing(PrefillEditor("local/smollm2-135m")) as editor:
        assert editor._drawn()[1].splitlines()[1:] == ["–", "no start: The model begins by itself."]
