"""The view of tool calls, without a page: its sources, its messages, the decisions, and what it keeps."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
import pytest

import msgflux_nb as mf
from msgflux_nb.protocol.events import TextDelta, ToolCallDelta
from msgflux_nb.widgets.tool_calls import approval as _approval
from msgflux_nb.widgets.tool_calls import call_board
from msgflux_nb.widgets.tool_calls.lane import Fragment
from msgflux_nb.widgets.tool_calls.lane_feed import CALLS, CHARACTERS, thinned
from msgflux_nb.widgets.tool_calls.tool_call_view import ToolCallView
from msgflux_nb.widgets.tool_calls.tool_fields import tool_fields
from tests.moments import quickly
from tests.scripted import Reply, Server, chunk, model_at, serving, stream

HOSTILE = '</script><img src=x onerror=alert(1)>&"'
SUM = '{"a": 17, "b": 25}'


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


class Place(msgspec.Struct):
    city: Annotated[str, msgspec.Meta(description="the town")]
    zip_code: str | None = None


def travel(to: Place, via: list[Place], how: str = "train") -> str:
    """Travel."""
    return ""


def fragments(call: int, id_: str | None, name: str, text: str, *, pieces: int = 4) -> list[bytes]:
    """Return the chunks of one call: the first with its name, then its arguments."""
    size = -(-len(text) // pieces)
    opening = {"index": call, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": call, "function": {"arguments": text[at : at + size]}} for at in range(0, len(text), size)]
    return [chunk(tool_calls=[delta]) for delta in (opening, *rest)]


def calling(*pieces: list[bytes] | float) -> Reply:
    """Return an answer that calls tools; numbers are pauses."""
    flat: list[bytes | float] = []
    for piece in pieces:
        flat += piece if isinstance(piece, list) else [piece]
    return stream(*flat, chunk(reason="tool_calls"), b"data: [DONE]\n\n", done=False)


class Watched(ToolCallView):
    """A view that keeps its messages with their times."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.sent: list[tuple[float, dict[str, Any]]] = []
        super().__init__(*args, **keywords)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((time.monotonic(), content))

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [content for _, content in list(self.sent) if content["type"] == kind]

    def page(self, kind: str, **content: Any) -> None:
        """Deliver a message of the page, on the thread on which ipykernel 7 handles messages."""
        thread = threading.Thread(target=self._receive, args=(self, {"type": kind, **content}, []))
        thread.start()
        thread.join(5)

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + 5
        while not (value := condition()):
            assert time.monotonic() < end, f"{what} did not come within 5 s; it told {self.sent}"
            time.sleep(0.005)
        return value

    def asked(self, lane: int = 0) -> None:
        """Wait until the question about a call was sent to the page; report that the page shows it."""
        self.wait_for(lambda: self.card(lane).get("phase") == "asked", "the question")
        self.page("seen", lanes=[lane])

    def card(self, lane: int = 0) -> dict[str, Any]:
        """Return what a page knows of a call besides its fragments."""
        cards = [batch["lanes"][str(lane)] for batch in self.told("batch") if str(lane) in batch.get("lanes", {})]
        return cards[-1] if cards else {}

    def over_(self) -> None:
        self.wait_for(lambda: self.over and not self.running, "the end")


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    views: list[Watched] = []

    def make(*args: Any, **keywords: Any) -> Watched:
        views.append(Watched(*args, **keywords))
        return views[-1]

    yield make
    for view in views:
        view.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(calling(fragments(0, "call_1", "add", SUM)), stream("It is ", "42.")) as server:
        yield server


Watch = Callable[..., Watched]


# -- what it can be given ------------------------------------------------------------------------------------------


def test_a_view_follows_a_stream_that_somebody_else_reads(watch: Watch, server: Server) -> None:
    answer = model_at(server.url)("Hi", tool_schemas=mf.tool_schemas([add]), stream=True)
    view = watch(answer)
    assert (view.state, view.value, server.bodies) == ("running", [], [])
    answer.consume()
    assert (view.state, view.value) == ("complete", [mf.ToolCall("call_1", "add", {"a": 17, "b": 25})])
    assert len(view.fragments) == 5
    assert [field["path"] for field in view.told("state")[-1]["tools"]["add"]] == [("a",), ("b",)]


def test_a_stream_that_has_begun_or_ended_is_shown_as_far_as_it_is(watch: Watch) -> None:
    chunks = fragments(0, "call_1", "add", SUM)
    with serving(calling(chunks[:2], 0.2, chunks[2:])) as server:
        with model_at(server.url)("Hi", tool_schemas=mf.tool_schemas([add]), stream=True) as answer:
            events = answer.events()
            while not (answer.aggregator and answer.aggregator.states[0].raw):
                next(events)
            begun = watch(answer)
            assert begun.states[0].raw == '{"a":'
            list(events)
        ended = watch(answer)
    assert begun.value == ended.value == [mf.ToolCall("call_1", "add", {"a": 17, "b": 25})]
    assert (begun.state, ended.state) == ("complete", "complete")


def test_a_stream_that_breaks_is_a_failure_that_keeps_what_came(watch: Watch) -> None:
    cut = stream(*fragments(0, "c", "add", SUM)[:3], done=False, cut=True)
    with serving(cut) as server:
        answer = model_at(server.url)("Hi", tool_schemas=mf.tool_schemas([add]), stream=True)
        view = watch(answer)
        with pytest.raises(mf.MsgfluxError):
            answer.consume()
    assert (view.state, view.states[0].raw, view.value) == ("failed", '{"a": 17, ', [])
    assert view.told("state")[-1]["error"][0] == "StreamInterruptedError"


def test_what_run_tools_returned_is_shown_step_by_step_with_its_results(watch: Watch, server: Server) -> None:
    run = mf.run_tools(model_at(server.url), "How much?", tools=[add], on_event=lambda event: None)
    view = watch(run)
    assert (view.state, view.states[0].raw) == ("complete", SUM)
    lane = view.lanes["lanes"]["0"]
    assert (lane["phase"], lane["result"], ">It is 42.<" in view.lanes["html"]) == ("done", "42", True)


def test_a_view_ends_when_the_calls_of_a_hand_fed_aggregator_are_whole_and_goes_on_with_the_next(watch: Watch) -> None:
    calls = mf.ToolCallAggregator()
    view = watch(calls, tools=[add])
    calls.process(0, "c1", "add", '{"a": 1, ')
    assert (view.state, view.value) == ("running", [])
    calls.process(0, None, None, '"b": 2}')
    assert view.value == [mf.ToolCall("c1", "add", {"a": 1, "b": 2})]
    view.wait_for(lambda: view.state == "complete", "rest")
    calls.process(1, "c2", "add", SUM)
    assert view.state == "running"
    view.wait_for(lambda: view.state == "complete", "rest")
    assert [call.id for call in view.value] == ["c1", "c2"]


def test_an_aggregators_results_are_shown(watch: Watch) -> None:
    calls = mf.ToolCallAggregator()
    calls.process(0, "c1", "add", SUM)
    calls.insert_results({"c1": 42})
    assert watch(calls).told("batch")[-1]["lanes"]["0"]["result"] == "42"


def test_fragments_of_one_view_are_the_source_of_another(watch: Watch) -> None:
    first = watch([(0, 0, "c", "add", '{"a": 17, '), (0, 40, None, None, '"b": 25}')])
    second = watch(first.fragments)
    assert first.fragments == second.fragments
    assert second.value == [mf.ToolCall("c", "add", {"a": 17, "b": 25})]


@pytest.mark.parametrize("source", ["text", b"bytes", {"a": 1}, 3])
def test_a_view_refuses_a_source_that_it_cannot_show(source: Any) -> None:
    with pytest.raises(TypeError, match=f"ToolCallView: expected a stream.*got {type(source).__name__}"):
        ToolCallView(source)


def test_a_widget_prints_as_one_line(watch: Watch) -> None:
    assert repr(watch()) == "ToolCallView(0 calls, idle)"
    assert repr(watch([(0, 0, "c", "add", SUM)])) == "ToolCallView(1 call, complete)"


# -- what a parent tells -------------------------------------------------------------------------------------------


def test_a_parent_can_begin_feed_and_end_a_view(watch: Watch) -> None:
    view = watch()
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "value")
    view.begin([add])
    view.add(TextDelta("not a call"))
    view.add(ToolCallDelta(0, "c1", "add", '{"a": 1,'))
    view.add(ToolCallDelta(0, None, None, '"b": 2}'))
    view.add(ToolCallDelta(1, None, "add", '{"a": 1'))
    view.end()
    assert (view.state, seen) == ("complete", [[mf.ToolCall("c1", "add", {"a": 1, "b": 2})]])
    assert [view.card(lane)["final"]["status"] for lane in (0, 1)] == ["complete", "invalid"]
    view.begin()
    assert (view.state, view.value, view.told("start")[-1]["tools"]) == ("running", [], {})


def test_badges_equal_those_of_the_aggregator(watch: Watch) -> None:
    view = watch()
    view.begin([add])
    view.add(ToolCallDelta(0, None, "add", '{"a": 1'))
    view.add(ToolCallDelta(0, "late", None, ', "b": 2}'))
    view.add(ToolCallDelta(1, "doubled", "add", SUM))
    view.add(ToolCallDelta(1, None, None, SUM))
    view.add(ToolCallDelta(2, "encoded twice", "add", json.dumps(SUM)))
    view.end()
    finals = [view.card(lane)["final"] for lane in range(3)]
    assert [final["late"] for final in finals] == [True, False, False]
    assert [(final["status"], final["repaired"]) for final in finals] == [
        (state.status, state.repaired) for state in view.states
    ]
    assert finals[2]["repaired"]
    assert json.loads(finals[2]["arguments"]) == {"a": 17, "b": 25}


def test_an_observer_that_fails_ends_no_stream(watch: Watch) -> None:
    view = watch()
    view.observe(lambda change: 1 / 0, "value")
    view.begin()
    view.add(ToolCallDelta(0, "c", "add", SUM))
    assert view.told("problem")[0]["name"] == "ZeroDivisionError"


def test_fields_are_those_of_the_schema_flat_with_what_is_required() -> None:
    found = [(".".join(one.path), one.type, one.required) for one in tool_fields([travel])["travel"]]
    assert found == [
        ("to.city", "str", True),
        ("to.zip_code", "str", False),
        ("via", "list[dict]", True),
        ("how", "str", False),
    ]


def test_a_date_is_a_date_and_not_a_text() -> None:
    def book(day: datetime.date, since: datetime.datetime, of: list[datetime.date]) -> str:
        """Book."""
        return ""

    assert [one.type for one in tool_fields([book])["book"]] == ["date", "datetime", "list[date]"]


# -- what a page is told -------------------------------------------------------------------------------------------


def test_two_thousand_fragments_of_three_calls_are_exact_in_one_message_per_30_ms(watch: Watch) -> None:
    view = watch()
    texts = [json.dumps({"text": f"call {call} " + "x" * 4000}) for call in range(3)]
    view.begin()
    began = time.monotonic()
    for index in range(667):
        for call, text in enumerate(texts):
            size = -(-len(text) // 667)
            view.add(ToolCallDelta(call, f"c{call}", "write", text[index * size : (index + 1) * size]))
        time.sleep(0.001)
    view.end()
    seconds = time.monotonic() - began
    batches = view.told("batch")
    arrived = [fragment for batch in batches for fragment in batch.get("calls", [])]
    assert len(arrived) == 2001
    assert ["".join(one[4] for one in arrived if one[0] == call) for call in range(3)] == texts
    assert [batch["seq"] for batch in batches] == list(range(1, len(batches) + 1))
    assert 3 <= len(batches) <= seconds / 0.03 + 3
    assert [call.arguments for call in view.value] == [json.loads(text) for text in texts]


def test_ten_parallel_calls_of_200_kb_take_little_time(watch: Watch) -> None:
    view = watch()
    text = json.dumps({"text": "word " * 4000})
    view.begin()
    began = time.process_time()
    for at in range(0, len(text), 16):
        for call in range(10):
            view.add(ToolCallDelta(call, f"c{call}", "write", text[at : at + 16]))
    view.end()
    assert time.process_time() - began < 3  # 0.4 s for 12,500 fragments
    assert [call.arguments for call in view.value] == [json.loads(text)] * 10


def test_a_page_that_has_missed_something_gets_all_of_it(watch: Watch) -> None:
    view = watch([(0, 0, "c", "add", SUM)], tools=[add])
    view.page("hello", run=0, seq=0)
    told = view.told("progress")[-1]
    assert (told["state"], told["calls"][0][2:5]) == ("complete", ("c", "add", SUM))
    view.page("hello", run=told["run"], seq=told["seq"])
    assert len(view.told("progress")) == 1


def test_a_whole_run_is_a_trait_only_once_it_has_ended(watch: Watch) -> None:
    view = watch()
    view.begin()
    view.add(ToolCallDelta(0, "c", "add", SUM))
    assert view.lanes == {}
    view.end()
    assert view.get_state("lanes")["lanes"]["calls"][0][2:5] == ("c", "add", SUM)


# -- decisions -----------------------------------------------------------------------------------------------------


def deciding(view: Watched, call: mf.ToolCall) -> tuple[threading.Thread, list[Any]]:
    """Ask on a thread; return the thread, and the list that gets the result."""
    said: list[Any] = []

    def work() -> None:
        try:
            said.append(view.ask(call))
        except mf.MsgfluxError as error:
            said.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, said


def asking(watch: Watch) -> tuple[Watched, threading.Thread, list[Any]]:
    view = watch(tools=[add])
    view.begin()
    view.add(ToolCallDelta(0, "c", "add", SUM))
    view.end()
    return view, *deciding(view, view.value[0])


@pytest.mark.parametrize(
    ("content", "decision", "phase"),
    [
        ({"verdict": "approve"}, None, "running"),
        ({"verdict": "edit", "arguments": '{"a": 1, "b": 2}'}, {"a": 1, "b": 2}, "running"),
        ({"verdict": "reject", "reason": "too dear"}, "too dear", "rejected"),
        ({"verdict": "reject", "reason": ""}, False, "rejected"),
    ],
)
def test_a_call_waits_for_a_person(watch: Watch, content: Any, decision: Any, phase: str) -> None:
    view, thread, said = asking(watch)
    view.asked()
    assert said == []
    view.page("decide", lane=0, **content)
    thread.join(5)
    assert said == [decision]
    view.wait_for(lambda: view.card()["phase"] == phase, phase)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON"),
        ("[1]", "expected a JSON object, got list"),
        ('{"a": 1}', "b"),
        ('{"a": 1, "b": "x"}', "expected integer"),
    ],
)
def test_other_arguments_have_to_fit_the_function(watch: Watch, text: str, message: str) -> None:
    view, thread, said = asking(watch)
    view.asked()
    view.page("decide", lane=0, verdict="edit", arguments=text)
    refused = view.told("refused")[-1]["message"]
    assert message in refused
    assert "Call it again" not in refused  # that is said to a model
    assert said == []
    view.page("decide", lane=0, verdict="approve")
    thread.join(5)
    assert said == [None]


def test_nothing_is_asked_in_auto_and_what_waits_is_let_go(watch: Watch) -> None:
    view, thread, said = asking(watch)
    view.asked()
    view.approve = "auto"
    thread.join(5)
    assert said == [None]
    assert view.ask(view.value[0]) is None


def test_stop_ends_a_wait(watch: Watch) -> None:
    view, thread, said = asking(watch)
    view.asked()
    view.page("stop")
    thread.join(5)
    assert isinstance(said[0], mf.StreamInterruptedError)
    view.wait_for(lambda: view.card()["phase"] == "stopped", "the end of the wait")


def test_a_wait_that_would_keep_the_click_from_being_handled_is_an_error(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_approval, "SEEN_SECONDS", 0.05)
    view = watch()
    view.begin()
    with pytest.raises(mf.ToolCallError, match=r"view\.run\(model, messages"):
        view.ask(mf.ToolCall("c", "add", {"a": 1, "b": 2}))  # no page
    view._receive(
        view, {"type": "hello", "run": 0, "seq": 0}, []
    )  # here messages are handled on the thread that would wait
    with pytest.raises(mf.ToolCallError, match="a click would be handled only after this cell"):
        view.ask(mf.ToolCall("d", "add", {"a": 1, "b": 2}))


def test_a_coroutine_waits_without_keeping_the_loop(watch: Watch) -> None:
    view = watch()
    view.begin()

    async def main() -> Any:
        waiting = asyncio.ensure_future(view.aask(mf.ToolCall("c", "add", {"a": 1, "b": 2})))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(view.page, "seen", lanes=[0])
        await asyncio.to_thread(view.page, "decide", lane=0, verdict="approve")
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(main()) is None
    assert view.card()["marks"][0][1] == "asked"


def test_results_and_errors_come_back(watch: Watch) -> None:
    view = watch([(0, 0, "c", "add", SUM), (1, 1, "d", "add", SUM), (2, 2, "e", "nosuch", "{}")], tools=[add])
    first, second, third = view.value
    view.result(first, {"sum": 42})
    view.result(second, ValueError("no"))
    view.result(third, {"error": "there is no tool"})
    view._sender.flush()
    cards = [view.card(lane) for lane in range(3)]
    assert [(card["phase"], card["result"]) for card in cards] == [
        ("done", '{"sum":42}'),
        ("failed", "ValueError: no"),
        ("failed", '{"error":"there is no tool"}'),
    ]


def test_the_same_call_twice_has_two_results(watch: Watch) -> None:
    view = watch([(0, 0, None, "add", SUM), (1, 1, None, "add", SUM)], tools=[add])
    for value, call in enumerate(view.value):
        view.result(call, value)
    view._sender.flush()
    assert [view.card(lane)["result"] for lane in (0, 1)] == ["0", "1"]


# -- runs of its own -----------------------------------------------------------------------------------------------


def test_a_run_asks_runs_the_tool_and_shows_the_answer(watch: Watch, server: Server) -> None:
    view = watch(tools=[add])
    view.run(model_at(server.url), "How much?")
    view.asked()
    assert view.running
    assert view.told("state")[-1]["status"][0] == "1 step"  # what it has cost is said while the call waits
    with pytest.raises(RuntimeError, match="a run is under way"):
        view.run(model_at(server.url), "How much?")
    view.page("decide", lane=0, verdict="edit", arguments='{"a": 20, "b": 22}')
    view.over_()
    assert (view.state, view.error, view.response.text) == ("complete", None, "It is 42.")
    card = view.lanes["lanes"]["0"]
    assert [phase for _, phase in card["marks"]] == ["asked", "running", "done"]
    assert (card["edited"], card["result"], view.lanes["status"][0]) == ('{"a":20,"b":22}', "42", "2 steps")
    assert server.bodies[1]["messages"][-1]["content"] == "42"


def test_a_rejection_is_told_to_the_model(watch: Watch, server: Server) -> None:
    view = watch(tools=[add])
    view.run(model_at(server.url), "How much?")
    view.asked()
    view.page("decide", lane=0, verdict="reject", reason="not today")
    view.over_()
    assert "not today" in server.bodies[1]["messages"][-1]["content"]
    assert view.lanes["lanes"]["0"]["phase"] == "rejected"


def test_a_tool_that_fails_is_shown_and_the_run_goes_on(watch: Watch) -> None:
    with serving(calling(fragments(0, "c", "fail", '{"why": "no luck"}')), stream("Pity.")) as server:
        view = watch(tools=[fail], approve="auto")
        view.run(model_at(server.url), "Try", wait=True)
    card = view.lanes["lanes"]["0"]
    assert (view.state, card["phase"], card["result"]) == ("complete", "failed", "ValueError: no luck")


def test_a_run_reads_the_stream_that_it_was_given(watch: Watch, server: Server) -> None:
    view = watch(model_at(server.url)("Hi", tool_schemas=mf.tool_schemas([add]), stream=True))
    view.run(wait=True)
    assert (view.state, len(view.value)) == ("complete", 1)
    with pytest.raises(mf.ToolCallError, match="there is nothing to read"):
        watch().run()


def test_stop_keeps_what_came_and_closes_the_connection(watch: Watch) -> None:
    with serving(calling(fragments(0, "c", "add", SUM)[:3], 30.0)) as server:
        view = watch(tools=[add])
        view.run(model_at(server.url), "How much?")
        view.wait_for(lambda: len(view.states) == 1 and view.states[0].raw == '{"a": 17, ', "the start of the call")
        with quickly():
            view.page("stop")
            view.over_()
        assert server.left.wait(5)
    assert (view.state, view.states[0].raw, view.error) == ("stopped", '{"a": 17, ', None)
    assert "".join(one[4] for one in view.lanes["calls"]) == '{"a": 17, '


def test_stop_ends_a_run_that_waits_for_a_decision(watch: Watch, server: Server) -> None:
    view = watch(tools=[add])
    view.run(model_at(server.url), "How much?")
    view.asked()
    view.stop()
    view.over_()
    assert (view.state, view.lanes["lanes"]["0"]["phase"], len(server.bodies)) == ("stopped", "stopped", 1)


def test_stop_leaves_a_tool_that_does_not_end(watch: Watch) -> None:
    go = threading.Event()

    def hang() -> str:
        """Hang."""
        go.wait(20)
        return ""

    with serving(calling(fragments(0, "c", "hang", "{}"))) as server:
        view = watch(tools=[hang], approve="auto")
        view.run(model_at(server.url), "Go")
        view.wait_for(lambda: view.card().get("phase") == "running", "the tool")
        view.stop()
        view.over_()
        go.set()
    assert (view.state, view.card()["phase"]) == ("stopped", "stopped")


def test_an_interrupt_ends_a_run_and_keeps_what_came(watch: Watch) -> None:
    with serving(calling(fragments(0, "c", "add", SUM)[:3], 30.0)) as server:
        view = watch(tools=[add])

        def interrupt() -> None:
            view.wait_for(lambda: len(view.states) == 1 and view.states[0].raw == '{"a": 17, ', "the call")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with quickly(), pytest.raises(KeyboardInterrupt):
            view.run(model_at(server.url), "How much?", wait=True)
        thread.join(5)
        assert server.left.wait(5)
    assert (view.state, view.states[0].raw, view.running) == ("stopped", '{"a": 17, ', False)


def test_what_goes_wrong_is_raised_or_shown(watch: Watch) -> None:
    with serving(Reply([b"{}"], status=401)) as server:
        view = watch(tools=[add])
        with pytest.raises(mf.AuthenticationError):
            view.run(model_at(server.url), "Hi", wait=True)
        view.run(model_at(server.url), "Hi")
        view.over_()
    assert view.told("state")[-1]["error"][0] == "AuthenticationError"


def test_a_view_follows_run_tools(watch: Watch, server: Server) -> None:
    view = watch(tools=[add], approve="auto")
    keywords: dict[str, Any] = {"on_event": view.add, "on_request": view.ask, "on_result": view.result}
    final = mf.run_tools(model_at(server.url), "How much?", tools=[add], **keywords)
    assert (final.text, view.state, ">It is 42.<" in view.lanes["html"]) == ("It is 42.", "complete", True)
    assert view.lanes["lanes"]["0"]["result"] == "42"


# -- what stays ----------------------------------------------------------------------------------------------------


def test_the_twin_is_escaped_and_its_text_is_the_same_each_time(watch: Watch) -> None:
    def picture() -> tuple[str, str]:
        arguments = json.dumps({HOSTILE: HOSTILE})
        view = watch([(0, 0, None, HOSTILE, arguments), (1, 9, HOSTILE, "add", "{" + HOSTILE)], tools=[add])
        view.result(view.value[0], HOSTILE)
        first, second = view._calls.all
        view._calls.decide(first, {HOSTILE: HOSTILE})
        view._calls.decide(second, HOSTILE)
        view._answer, view._figures, view.error = HOSTILE, (HOSTILE,), ValueError(HOSTILE)
        return view._drawn()

    html, text = picture()
    assert text == picture()[1]
    outside = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)
    assert "<img" not in outside
    assert outside.count("<script") == 1  # the stream, as data that no browser runs
    assert outside.count("</script>") == 1


def test_a_replay_is_valid_data_and_thinned(watch: Watch) -> None:
    view = watch([(0, ms, "c", "add", "{" if not ms else " ") for ms in range(5000)], tools=[add])
    html, _ = view._drawn()
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert len(data["calls"]) == 2500
    assert "".join(one[4] for one in data["calls"]) == "{" + " " * 4999


def test_thinning_keeps_each_calls_text_and_the_order_of_time() -> None:
    all_ = [Fragment(index % 3, index, None, None, str(index)) for index in range(100)]
    thin = thinned(all_, 20)
    assert len(thin) <= 23
    assert [one.milliseconds for one in thin] == sorted(one.milliseconds for one in thin)
    for call in range(3):
        assert "".join(one.text or "" for one in thin if one.call == call) == "".join(
            one.text or "" for one in all_ if one.call == call
        )


def test_more_than_a_notebook_should_keep_has_no_replay(watch: Watch) -> None:
    view = watch([(0, 0, "c", "write", '{"t": "' + "x" * 500_000 + '"}')])
    html, text = view._drawn()
    assert "too many to keep a replay" in html
    assert len(html) < 20_000
    assert len(text) < 10_000


def test_the_live_output_gives_way_to_its_twin_unless_somebody_holds_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, dict[str, Any]]] = []

    def publish(data: Any, metadata: Any = None, *, transient: Any, update: bool = False) -> None:
        shown.append((transient["display_id"].split("-")[1], data))

    monkeypatch.setattr("IPython.display.publish_display_data", publish)
    view, held = watch(), watch()
    for one in (view, held):
        one._ipython_display_()
        one.begin()
        one.page("hello", run=0, seq=0)
    held.page("keep")
    for one in (view, held):
        one.add(ToolCallDelta(0, "c", "add", SUM))
        one.end()
    view.wait_for(lambda: view._retired, "the twin's turn")
    time.sleep(0.1)
    assert not held._retired
    _, data = [one for one in shown if one[0] == "live"][-1]
    assert "application/vnd.jupyter.widget-view+json" not in data
    view.begin()
    _, data = [one for one in shown if one[0] == "live"][-1]
    assert "application/vnd.jupyter.widget-view+json" in data


# -- what a page gets of a run that no person could look at ---------------------------------------------------------


def many(count: int, text: str = "{}") -> list[tuple[int, int, str, str, str]]:
    return [(number, 0, f"c{number}", "add", text) for number in range(count)]


def whole_of(view: Watched) -> dict[str, Any]:
    """Return the message that a page gets when it loads."""
    view.sent.clear()
    view.page("hello", run=0, seq=0)
    return view.told("progress")[-1]


def test_a_page_gets_the_first_calls_and_the_number_of_the_others_while_python_has_all(watch: Watch) -> None:
    view = watch(many(CALLS + 5))
    told = whole_of(view)
    assert (len(told["lanes"]), len(told["calls"])) == (CALLS, CALLS)
    assert (told["more"], told["note"]) == (5, "5 more calls are not shown")
    assert len(view.value) == len(view.states) == len(view.fragments) == CALLS + 5
    assert "5 more calls are not shown" in view._drawn()[0]
    small = whole_of(watch(many(2)))
    assert (small["more"], small["note"]) == (0, "")


def test_a_page_learns_how_many_calls_it_does_not_get(watch: Watch) -> None:
    view = watch()
    view.begin()
    for number in range(CALLS + 2):
        view.add(ToolCallDelta(number, f"c{number}", "add", "{}"))
    view._sender.flush()
    assert max(one[0] for batch in view.told("batch") for one in batch.get("calls", [])) == CALLS - 1
    assert {int(number) for batch in view.told("batch") for number in batch.get("lanes", {})} == {*range(CALLS)}
    assert [batch["more"] for batch in view.told("batch") if "more" in batch][-1] == 2


def test_what_a_page_gets_of_a_run_is_bounded_in_all_its_parts(watch: Watch) -> None:
    megabyte = "\u0001" * 1_000_000
    calls = mf.ToolCallAggregator()
    for number in range(100):
        calls.process(number, f"c{number}" + "x" * 20_000, "add" * 20_000, '{"a": "' + "x" * 200_000 + '"}')
    calls.insert_results({state.id: megabyte for state in calls.states})
    calls.finish()
    told = whole_of(watch(calls))
    assert len(msgspec.json.encode(told)) < 9_000_000  # a control character is written as six
    assert sum(len(text) for one in told["calls"] for text in one[2:] if text) <= CHARACTERS
    assert sum(len(card["result"]) for card in told["lanes"].values()) == 1_000_000
    assert all(card["left"] + len(card["result"]) == 1_000_000 for card in told["lanes"].values())
    assert "the arguments of 97 calls are not shown whole" in told["note"]


def test_a_page_gets_the_beginning_of_the_id_and_name_of_a_call_that_it_does_not_get_whole(watch: Watch) -> None:
    for text, length in (("{}", 1_000), ('{"a": "' + "x" * CHARACTERS + '"}', 200)):
        final = whole_of(watch([(0, 0, "c" * 1_000, "n" * 1_000, text)]))["lanes"]["0"]["final"]
        assert (len(final["id"]), len(final["name"])) == (length, length)


def test_a_page_that_loads_gets_many_fragments_joined(watch: Watch) -> None:
    view = watch([(0, ms, "c", "add", "{" if not ms else " ") for ms in range(30_000)])
    told = whole_of(view)
    assert len(told["calls"]) <= 10_000
    assert "".join(one[4] for one in told["calls"]) == "{" + " " * 29_999
    assert "of 30,000 fragments, joined" in told["note"]
    assert len(view.fragments) == 30_000


@pytest.mark.parametrize("source", [many(CALLS + 1), many(1, '{"a": "' + "x" * CHARACTERS + '"}')])
def test_nobody_can_approve_a_call_that_no_page_shows_whole(watch: Watch, source: Any) -> None:
    view = watch(source)
    hidden = view.value[-1]
    with pytest.raises(
        mf.ToolCallError, match=r"nobody can decide on call 'c\d+': the view shows the first 1,000 calls"
    ):
        view.ask(hidden)
    view.approve = "auto"
    assert view.ask(hidden) is None


def test_noting_questions_as_seen_takes_time_in_proportion_to_their_number(watch: Watch) -> None:
    view = watch(many(CALLS))
    for call in view.value:
        view._question(call)
    began = time.thread_time()
    view._receive(view, {"type": "seen", "lanes": [*range(CALLS, CALLS + 18_000), 0]}, [])
    assert time.thread_time() - began < 0.5  # 18,000 times 1,000 steps take longer


def test_a_page_that_loads_waits_for_no_drawing_of_the_answer(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(call_board, "drawn_answer", lambda answer: drawn.append(answer) or "<p>drawn</p>")
    view = watch()
    view.begin()
    view._finish("complete", answer="x" * 30_000)
    for _ in range(3):
        assert whole_of(view)["html"] == "<p>drawn</p>"
    assert drawn == ["x" * 20_000]
