"""The page of the view of plans, in Chromium without a kernel; its messages come from real plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import msgflux_nb as mf
from msgflux_nb.widgets.plan.plan_view import PlanView

from . import plan_samples as samples
from .hostile import counting, dangerous
from .widget_page import WidgetPage, until

pytestmark = pytest.mark.browser


class Board:
    """A view of a plan in a page."""

    def __init__(self, page: Page, *messages: dict[str, Any], url: str = "") -> None:
        self.widget = WidgetPage(page, PlanView, {"plan": {}}, url=url)
        self.page = page
        self.deliver(*messages)

    def deliver(self, *messages: dict[str, Any]) -> None:
        self.widget.deliver(*messages)
        self.widget.settle()

    def texts(self, selector: str) -> list[str]:
        self.widget.settle()
        return [" ".join(text.split()) for text in self.page.locator(selector).all_inner_texts()]

    @property
    def rail(self) -> Locator:
        return self.page.get_by_role("slider", name="replay")

    @property
    def state(self) -> str:
        return self.texts(".mf-top > .mf-is")[0]


@pytest.fixture
def board(page: Page) -> Iterator[Callable[..., Board]]:
    """Open a view; its code must not raise."""
    opened: list[Board] = []

    def open_(*messages: dict[str, Any], url: str = "") -> Board:
        opened.append(Board(page, *messages, url=url))
        return opened[-1]

    yield open_
    for one in opened:
        assert one.widget.errors() == []
        expect(page.locator(".mf-fault")).to_have_count(0)


Open = Callable[..., Board]
INSIDE = """(text) => {
  const [own, drawing] = [text, text.closest("svg")].map((one) => one.getBoundingClientRect());
  return own.left >= drawing.left && own.right <= drawing.right;
}"""
# What JupyterLab says about code in an output.
LAB = "<style>.jp-ThemedContainer .jp-RenderedHTMLCommon :not(pre) > code { background: red; padding: 1px 5px }</style>"


def test_a_vote_grows_answer_by_answer_and_says_why_it_stopped(board: Open) -> None:
    view = board(*samples.told(samples.vote))
    assert view.state == "stopped after 17 of 40: 8 stays ahead"
    assert view.texts(".mf-ans > b") == ["8", "10", "9", "not readable"]
    assert view.texts(".mf-ans > .mf-num") == ["11 · 65 %", "4 · 24 %", "1 · 6 %", "1"]
    assert view.page.locator(".mf-curve .mf-told").text_content() == "0.96 · stopped here, 23 calls saved"
    assert view.texts(".mf-budget div")[:2] == ["17 of 40 calls", "119 of 20,000 tokens"]
    view.rail.press("Home")
    assert view.texts(".mf-ans") == []
    while len(view.texts(".mf-blocks button")) < 3:
        view.rail.press("ArrowRight")
    assert view.texts(".mf-ans > .mf-num") == ["2 · 67 %", "1 · 33 %"]
    assert view.state.startswith("answer 3 of 40")
    view.rail.press("End")
    assert view.texts(".mf-budget div")[0] == "17 of 40 calls"


def test_a_block_opens_its_chain_and_arrows_walk(board: Open) -> None:
    view = board(*samples.told(samples.vote))
    block = view.page.get_by_role("button", name="answer 14", exact=True)
    block.click()
    assert view.texts(".mf-chain > header > :not(button)")[:2] == ["Answer 14", "says 10"]
    assert view.texts(".mf-chain .mf-words p")[-1] == "The wall is 10 m high: 10 days"
    block.press("ArrowRight")
    view.widget.settle()
    assert view.texts(".mf-chain > header .mf-title") == ["Answer 15"]
    view.page.get_by_role("button", name="answer 5", exact=True).click()
    assert view.texts(".mf-chain .mf-says") == ["not readable"]
    assert "I think that it is ten." in view.texts(".mf-chain .mf-words")[0]
    view.page.locator(".mf-call summary").click()
    assert "I think that it is ten." in view.texts(".mf-call pre")


def test_react_shows_thought_call_and_result_and_what_was_asked_before(board: Open) -> None:
    view = board(*samples.told(samples.react))
    assert view.state == "5 steps"
    assert view.texts(".mf-thought")[2] == "The chair is missing. May the order be split?"
    assert view.texts(".mf-act") == [
        'find_order(customer="Okafor")',
        'stock(item="desk lamp")',
        'stock(item="oak chair")',
        'find_order(customer="Okafor")',
        'weight(item="desk lamp", n=3)',
    ]
    assert view.texts(".mf-result")[1] == "12 in Rotterdam"
    assert view.texts(".mf-got .mf-is") == ["same as step 1, 7 tokens wasted"]
    assert view.texts(".mf-answer .mf-words")[0].endswith("The oak chair will be late.")
    assert view.texts(".mf-answer .mf-no") == ["5"]
    assert view.texts(".mf-budget div")[0] == "5 of 8 calls"


def test_a_step_opens_as_tool_cards_and_folds_again(board: Open) -> None:
    view = board(*samples.told(samples.react))
    steps = view.page.locator(".mf-step")
    steps.nth(0).focus()
    view.page.keyboard.press("ArrowDown")
    expect(steps.nth(1)).to_be_focused()
    view.page.keyboard.press("Enter")
    view.widget.settle()
    expect(steps.nth(1).locator(".mf-lane")).to_have_count(2)
    assert view.texts(".mf-lane .mf-name") == ["stock", "stock"]
    view.page.keyboard.press("Enter")
    expect(view.page.locator(".mf-lane")).to_have_count(0)
    view.page.get_by_role("button", name="fold the results").click()
    expect(view.page.locator(".mf-steps")).to_have_class("mf-steps mf-scroll mf-folded")


def test_an_answer_arrives_in_pieces(board: Open) -> None:
    messages = samples.told(samples.react)
    view = board(*messages)
    view.rail.press("End")
    moments = [moment for message in messages for moment in message.get("moments", ())]
    last = max(index for index, moment in enumerate(moments) if moment["t"] == "text")
    for _ in range(len(moments) - last - 1):
        view.rail.press("ArrowLeft")
    view.widget.settle()
    assert view.texts(".mf-answer .mf-words")[0].startswith("Not all of it.")
    expect(view.page.locator(".mf-answer strong")).to_have_text("6.3 kg")
    expect(view.page.locator(".mf-answer .mf-caret")).to_have_count(1)


def test_an_answer_is_formatted_while_it_arrives_and_stays_in_place(board: Open) -> None:
    messages = samples.told(samples.react)
    moments = [moment for one in messages for moment in one.get("moments", ())]
    at = next(index for index, moment in enumerate(moments) if moment["t"] == "text")
    begun = next(one for one in messages if one.get("head", {}).get("kind"))
    batch = {"type": "batch", "run": begun["run"]}
    view = board({**begun, "type": "start"}, {**batch, "seq": 1, "moments": moments[: at + 1]})
    bold = view.page.locator(".mf-answer strong")
    expect(bold).to_contain_text("6.3")
    bold.evaluate("(one) => { window.first = one; }")
    view.deliver({**batch, "seq": 2, "moments": moments[at + 1 :]}, messages[-1])
    expect(bold).to_have_text("6.3 kg")
    assert bold.evaluate("(one) => one === window.first")
    expect(view.page.locator(".mf-answer .mf-caret")).to_have_count(0)


def test_the_answer_of_a_result_is_formatted(board: Open) -> None:
    with closing(samples.Telling(samples.react())) as told:
        told._sender.flush()
        view = board(*told.sent)
    expect(view.page.locator(".mf-answer strong")).to_have_text("6.3 kg")
    assert view.texts(".mf-answer .mf-words")[0].endswith("6.3 kg. The oak chair will be late.")


def test_a_tree_has_a_level_a_column_with_values_and_states(board: Open) -> None:
    view = board(*samples.told(samples.tree))
    assert view.state == "solved at step 3"
    captions = [caption.split(" ", 2)[:2] for caption in view.texts(".mf-caps span")]
    assert captions == [["start"], ["step", "1"], ["step", "2"], ["step", "3"]]
    dead = view.page.locator(".mf-is-dead .mf-cut")
    expect(dead.first).to_have_css("text-decoration-line", "line-through")
    best = view.page.locator(".mf-is-best")
    assert [text.strip() for text in best.all_inner_texts()] == ["then 4", "then 3", "then 2"]
    expect(best.first).to_have_css("font-weight", "700")
    lefts = {box.bounding_box()["x"] for box in best.all()}  # type: ignore[index]  # it is seen
    assert len(lefts) == 3
    pruned = view.page.locator(".mf-is-pruned").first
    expect(pruned.locator(".mf-v i")).to_have_count(1)
    paths = view.page.locator(".mf-edges path")
    assert paths.count() == 4
    assert (view.page.locator(".mf-edges .mf-best").get_attribute("d") or "").count("M") == 3


def test_thoughts_that_were_never_judged_are_as_light_as_pruned_ones_once_the_plan_is_over(board: Open) -> None:
    messages = samples.told(samples.tree)
    running = [one for one in messages if one.get("state") in (None, "running")]
    view = board(*running)
    colour = "(node) => getComputedStyle(node).color"
    view.rail.press("ArrowLeft")
    view.widget.settle()
    live = view.page.locator(".mf-is-open").last.evaluate(colour)
    view.rail.press("End")
    view.widget.settle()
    unjudged, pruned, kept = (view.page.locator(f".mf-is-{kind}").last for kind in ("open", "pruned", "kept"))
    assert unjudged.evaluate(colour) == pruned.evaluate(colour) != live == kept.evaluate(colour)
    unjudged.hover()
    assert view.texts(".mf-why > .mf-is") == ["not judged: the plan ended first"]


def test_a_tall_tree_opens_at_its_root_and_its_best_path(board: Open, page: Page) -> None:
    def run(on_event: Any) -> Any:
        keywords = {"propose": lambda path: [f"thought {n}" for n in range(30)], "depth": 1, "breadth": 30}
        return mf.plan.tree_of_thoughts(None, "?", value=lambda path: int(path[-1][8:]), on_event=on_event, **keywords)

    page.set_viewport_size({"width": 480, "height": 800})
    view = board(*samples.told(run))
    seen = """(node) => {
      const [own, all] = [node, node.closest(".mf-tree")].map((one) => one.getBoundingClientRect());
      return own.top >= all.top && own.bottom <= all.bottom;
    }"""
    tree = view.page.locator(".mf-tree")
    assert tree.evaluate("(node) => node.scrollHeight > node.clientHeight")
    assert all(node.evaluate(seen) for node in view.page.locator(".mf-is-root, .mf-is-best").all())


def test_a_solved_tree_says_its_whole_path_and_spreads_its_levels_evenly(board: Open) -> None:
    view = board(*samples.told(samples.tree))
    assert view.texts(".mf-said") == ["then 4 → then 3 → then 2"]
    tops = [box["y"] for box in (node.bounding_box() for node in view.page.locator('[aria-level="2"]').all()) if box]
    gaps = [round(low - high) for high, low in zip(sorted(tops), sorted(tops)[1:], strict=False)]
    assert max(gaps) - min(gaps) <= 1
    view.page.locator('[aria-level="4"]').first.hover()
    assert view.texts(".mf-why > .mf-note") == ["The numbers are values: the higher, the more promising."]


def test_the_time_of_a_single_call_stands_under_its_result(board: Open) -> None:
    told = samples.told(samples.react)
    at = 0
    for message in told:
        for moment in message.get("moments", ()):
            at += 300
            moment["ms"] = at
    view = board(*told)
    notes = view.texts(".mf-got .mf-note")
    assert notes == ["0.60 s", "0.60 s", "0.60 s"]  # after the turn and its bill; two calls at once have none
    expect(view.page.locator(".mf-answer .mf-role")).to_have_text("answer")


def test_pointing_at_a_thought_shows_it_whole_and_a_click_its_calls(board: Open) -> None:
    view = board(*samples.told(samples.asked_tree))
    node = view.page.get_by_role("treeitem", name="left, value 0.2, pruned")
    node.hover()
    assert view.texts(".mf-path li") == ["where?", "left 0.2"]
    assert view.texts(".mf-why > .mf-is") == ["pruned: others of its step were better"]
    assert (view.page.locator(".mf-edges .mf-lit").get_attribute("d") or "").count("M") == 1
    expect(view.page.locator(".mf-call")).to_have_count(0)
    node.click()
    expect(view.page.locator(".mf-call")).to_have_count(1)
    view.page.locator(".mf-call summary").click()
    asked, came = view.texts(".mf-call pre")
    assert "How likely do these thoughts lead to the answer?" in asked
    assert '"score": 0.2' in came


def test_keys_walk_the_tree_and_the_slash_searches(board: Open) -> None:
    view = board(*samples.told(samples.tree))
    view.page.get_by_role("treeitem").first.focus()
    view.page.keyboard.press("ArrowRight")
    assert view.page.evaluate("document.activeElement.textContent.trim()") == "then 4"
    view.page.keyboard.press("ArrowDown")
    assert view.page.evaluate("document.activeElement.textContent.trim()") == "then 3"
    view.page.keyboard.press("ArrowLeft")
    view.page.keyboard.press("/")
    view.page.keyboard.type("THEN 1")
    view.widget.settle()
    hits = view.page.locator(".mf-hit")
    assert {text.strip() for text in hits.all_inner_texts()} == {"then 1"}
    view.page.keyboard.press("Enter")
    assert view.page.evaluate("document.activeElement.textContent.trim()") == "then 1"


def test_a_tree_of_short_thoughts_needs_no_scrolling_sideways_in_a_narrow_view(board: Open, page: Page) -> None:
    view = board(*samples.told(samples.tree))
    for width, name in ((1200, "step 3 4 thoughts, 1 solved"), (420, "step 3 4, 1 solved")):
        page.set_viewport_size({"width": width, "height": 760})
        view.widget.settle()
        until(lambda name=name: view.texts(".mf-caps span")[-1] == name, what="heads for this width")
        assert page.locator(".mf-tree").evaluate("(tree) => tree.scrollWidth <= tree.clientWidth")
        tops = page.locator(".mf-is-root").evaluate("(root) => root.getBoundingClientRect().height")
        assert (tops > 30) == (width < 500)  # its text has two lines where one has no room


def test_what_was_pruned_can_be_hidden(board: Open) -> None:
    view = board(*samples.told(samples.tree))
    before = view.page.locator(".mf-node").count()
    view.page.get_by_role("button", name="more", exact=True).click()
    view.page.get_by_role("menuitemcheckbox", name="Hide what was pruned").click()
    view.widget.settle()
    expect(view.page.locator(".mf-is-pruned, .mf-is-dead")).to_have_count(0)
    assert view.page.locator(".mf-node").count() < before


def test_a_level_of_many_folds_what_was_pruned_and_opens_it(board: Open) -> None:
    def propose(path: tuple[str, ...]) -> list[str]:
        return [f"thought {number}" for number in range(60)]

    def run(on_event: Any) -> Any:
        value = {f"thought {number}": number / 60 for number in range(60)}
        keywords = {"propose": propose, "value": lambda path: value[path[-1]], "depth": 1}
        return mf.plan.tree_of_thoughts(None, "?", on_event=on_event, **keywords)

    view = board(*samples.told(run))
    folded = view.page.locator(".mf-is-folded")
    assert view.texts(".mf-is-folded") == ["+ 57 pruned"]
    ends = """() => [...document.querySelectorAll(".mf-edges .mf-out, .mf-is-folded .mf-cut")].map((one) => {
      const { left, right } = one.getBoundingClientRect();
      return one.matches(".mf-out") ? right : left;
    })"""
    edge, text = view.page.evaluate(ends)
    assert 0 <= text - edge < 8  # the edge reaches what it leads to
    folded.click()
    view.widget.settle()
    expect(view.page.locator(".mf-is-pruned")).to_have_count(57)
    gap = view.page.locator(".mf-tree").evaluate(
        """(tree) => {
          tree.scrollTop = tree.scrollHeight;
          const [head, all] = [tree.querySelector(".mf-caps span"), tree].map((one) => one.getBoundingClientRect().top);
          return [tree.scrollTop, head - all];
        }"""
    )
    assert gap[0] > 100
    assert 0 <= gap[1] < 30  # the heads of the levels stay in sight


def test_stop_is_sent_by_the_button_and_by_escape_and_gone_at_the_end(board: Open) -> None:
    messages = samples.told(samples.vote)
    running = [one for one in messages if one.get("state") in (None, "running")]
    view = board(*running)
    view.page.get_by_role("button", name="Stop").click()
    view.rail.press("Escape")
    assert len(view.widget.sent("stop")) == 2
    view.deliver(*[one for one in messages if one not in running])
    expect(view.page.get_by_role("button", name="Stop")).to_have_count(0)


def test_the_other_answers_of_an_early_stop_are_asked_for_by_a_button(board: Open) -> None:
    messages = samples.told(samples.vote)
    view = board(*messages)
    button = view.page.get_by_role("button", name="Ask the other")
    expect(button).to_have_count(0)
    view.deliver({**messages[-1], "type": "state", "others": 23})
    expect(button).to_have_text("Ask the other 23")
    button.click()
    assert len(view.widget.sent("others")) == 1


def copied(view: Board, copy: Callable[[], None]) -> list[list[str]]:
    """Return the rows that a click copies."""
    board_ = "{ writeText: async (text) => { window.kept = text; } }"
    view.page.evaluate(
        f"() => Object.defineProperty(navigator, 'clipboard', {{ value: {board_}, configurable: true }})"
    )
    view.page.evaluate("() => { window.kept = undefined; }")
    copy()
    view.page.wait_for_function("() => window.kept !== undefined")
    return [line.split("\t") for line in view.page.evaluate("() => window.kept").split("\n")]


@pytest.mark.parametrize(
    ("kind", "head", "first"),
    [
        ("vote", ["answer", "value", "chain"], ["1", "8"]),
        ("react", ["step", "thought", "call", "result"], ["1"]),
        ("tree", ["step", "thought", "after", "value", "state"], ["1"]),
    ],
)
def test_a_plan_is_copied_as_a_table(board: Open, kind: str, head: list[str], first: list[str]) -> None:
    view = board(*samples.told(getattr(samples, kind)))

    def by_menu() -> None:
        view.page.get_by_role("button", name="more", exact=True).click()
        view.page.get_by_role("menuitem", name="Copy as a table").click()

    rows = copied(view, by_menu)
    assert (rows[0], rows[1][: len(first)]) == (head, first)
    assert all(len(row) == len(head) for row in rows)
    if kind == "vote":
        assert copied(view, view.page.get_by_role("button", name="copy as a table").click) == rows


def test_a_budget_that_is_nearly_spent_says_so(board: Open) -> None:
    def run(on_event: Any) -> Any:
        return mf.plan.self_consistency(lambda task: 1, "?", n=9, answer=int, max_calls=5, on_event=on_event)

    view = board(*samples.told(run))
    assert view.state == "stopped after 5 of 9: all calls are spent"
    assert view.texts(".mf-budget div")[0] == "5 of 5 callsspent"
    expect(view.page.locator(".mf-budget .mf-near")).to_have_count(1)


def test_what_stays_unknown_takes_no_room_once_a_plan_is_over(board: Open) -> None:
    messages = samples.told(samples.vote)
    running = [one for one in messages if one.get("state") in (None, "running")]
    view = board(*running)
    cells = view.page.locator(".mf-budget > div:visible")
    expect(cells).to_have_count(4)
    view.deliver(*[one for one in messages if one not in running])
    expect(cells.filter(has_text="calls")).to_have_count(1)
    assert "cost" not in " ".join(view.texts(".mf-budget div:not([hidden])"))


def test_the_blocks_of_a_vote_stand_in_one_row_if_narrower_ones_fit(board: Open, page: Page) -> None:
    for width in (480, 884, 972):
        page.set_viewport_size({"width": width, "height": 800})
        view = board(*samples.told(samples.vote))
        tops = view.page.locator(".mf-lead .mf-block").evaluate_all("(all) => all.map((one) => one.offsetTop)")
        assert (len(tops), len(set(tops))) == (11, 1), width


def test_a_batch_that_was_missed_is_asked_for_and_the_place_stays(board: Open) -> None:
    messages = samples.told(samples.vote)
    batches = [one for one in messages if one["type"] == "batch"]
    start = next(one for one in messages if one["type"] == "start" and one["run"] == batches[0]["run"])
    view = board(start, {**batches[0], "seq": 2})
    asked = view.widget.sent("hello")[-1]
    assert (asked["run"], asked["seq"]) == (start["run"], 0)
    moments = [moment for batch in batches for moment in batch["moments"]]
    head = next(one["head"] for one in messages if one["type"] == "state" and one["head"]["kind"])
    view.deliver(
        {"type": "progress", "run": start["run"], "seq": 9, "state": "running", "head": head, "moments": moments}
    )
    assert len(view.texts(".mf-blocks button")) == 17


def test_what_a_model_wrote_is_text_live_and_in_the_twin(board: Open, page: Page) -> None:
    with counting() as (port, asked):
        hostile = dangerous(port)

        def run(on_event: Any = None) -> Any:
            keywords = {"propose": lambda path: hostile, "value": lambda path: 1.0, "depth": 1, "breadth": 9}
            return mf.plan.tree_of_thoughts(None, hostile[2], on_event=on_event, **keywords)

        view = board(*samples.told(run), url=f"http://127.0.0.1:{port}/page")
        node = view.page.get_by_role("treeitem", name=hostile[2]).last
        node.hover()
        node.click()
        assert hostile[2] in view.texts(".mf-path li")[-1]
        with closing(PlanView(run())) as kept:
            html = kept._twin()["text/html"]
        page.set_content(f"<html><body>{html}</body></html>")
        expect(page.locator(".msgflux-plan .mf-node")).to_have_count(10)
        assert asked == []


def test_the_twin_replays_without_a_kernel(page: Page) -> None:
    for run in (samples.vote, samples.react, samples.tree):
        with closing(PlanView(run())) as view:
            html = view._twin()["text/html"]
        page.set_content(
            f"<html>{LAB}<body class=jp-ThemedContainer><div class=jp-RenderedHTMLCommon>{html}</body></html>"
        )
        replay = page.locator(".msgflux-plan")
        expect(replay).to_be_visible()
        expect(page.locator(".msgflux-static")).to_be_hidden()
        expect(replay.get_by_role("button", name="Stop")).to_have_count(0)
        slider = replay.get_by_role("slider", name="replay")
        for code in replay.locator("code").all():
            expect(code).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        last = {samples.vote: "answer 17 of 17", samples.react: "step 5 of 5", samples.tree: "level 3 of 3"}
        expect(slider).to_have_attribute("aria-valuetext", last[run])
        slider.press("Home")
        expect(replay.locator(".mf-blocks button, .mf-step, .mf-node[data-id='0']")).to_have_count(0)
        replay.get_by_role("button", name="play").click()
        until(lambda: slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax"), seconds=20)  # noqa: B023


@pytest.mark.parametrize("width", [972, 700, 480])
def test_nothing_is_cut_at_any_width(board: Open, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for run in (samples.vote, samples.react, samples.tree):
        view = board(*samples.told(run))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in (".mf-top", ".mf-budget", ".mf-bottom"):
            box = view.page.locator(part)
            assert box.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
        for label in view.page.locator(".mf-curve .mf-told").all():
            assert label.evaluate(INSIDE)
