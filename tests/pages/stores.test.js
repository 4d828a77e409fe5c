// Numbered batches of a run: a missed one is asked for once, and a repeated one counts once.

import test from "node:test";
import { PlanStore } from "../../msgflux_nb/widgets/plan/plan_store.js";
import { CallStore } from "../../msgflux_nb/widgets/tool_calls/call_store.js";
import { FakeModel } from "./fake_model.js";

const head = { kind: "react", task: "", limits: {}, options: {} };
const text = (word, ms = 0) => ({ t: "text", w: word, ms });
const CALL = { running: true, tools: {}, status: [], answer: "", error: null };
const card = (phase, marks = []) => ({ step: 1, custom: false, phase, marks, edited: null, reason: "", result: null, left: 0, seconds: null });

function plan(state = {}) {
  const model = new FakeModel(state);
  const store = new PlanStore(model);
  let told = 0;
  store.listeners.add(() => (told += 1));
  store.connect();
  return { model, store, told: () => told };
}

test("a page says hello with what it knows", (t) => {
  t.assert.deepEqual(plan().model.sent, [{ type: "hello", run: 0, seq: 0 }]);
});

test("batches are taken in order, each once", (t) => {
  const { model, store } = plan();
  model.deliver({ type: "start", run: 1, state: "running", head });
  model.deliver({ type: "batch", run: 1, seq: 1, moments: [text("a")] });
  model.deliver({ type: "batch", run: 1, seq: 1, moments: [text("a")] });
  model.deliver({ type: "batch", run: 1, seq: 2, moments: [text("b")] });
  t.assert.equal(store.state.words, "ab");
  t.assert.equal(store.running, true);
  t.assert.equal(model.sent.length, 1);
});

test("after a missed batch the page asks once for everything, and takes it", (t) => {
  const { model, store } = plan();
  model.deliver({ type: "start", run: 1, state: "running", head });
  model.deliver({ type: "batch", run: 1, seq: 1, moments: [text("a")] });
  model.deliver({ type: "batch", run: 1, seq: 3, moments: [text("c")] });
  model.deliver({ type: "batch", run: 1, seq: 4, moments: [text("d")] });
  t.assert.deepEqual(model.sent.slice(1), [{ type: "hello", run: 1, seq: 1 }]);
  model.deliver({ type: "progress", run: 1, seq: 4, state: "running", head, moments: ["a", "b", "c", "d"].map((word) => text(word)) });
  t.assert.equal(store.state.words, "abcd");
  model.deliver({ type: "batch", run: 1, seq: 5, moments: [text("e")] });
  t.assert.equal(store.state.words, "abcde");
  t.assert.equal(model.sent.length, 2);
});

test("messages of an earlier run are ignored", (t) => {
  const { model, store, told } = plan();
  model.deliver({ type: "start", run: 2, state: "running", head });
  const before = told();
  model.deliver({ type: "batch", run: 1, seq: 1, moments: [text("old")] });
  t.assert.equal(store.state.words, "");
  t.assert.equal(told(), before);
});

test("at its end a run is kept whole, and a later page begins with it", (t) => {
  const { model } = plan();
  model.deliver({ type: "start", run: 1, state: "running", head });
  model.deliver({ type: "batch", run: 1, seq: 1, moments: [text("a")] });
  t.assert.equal(model.state.plan, undefined);
  model.deliver({ type: "state", run: 1, state: "complete", head });
  t.assert.deepEqual(model.state.plan, { run: 1, seq: 1, state: "complete", head, moments: [text("a")] });
  const later = plan({ plan: model.state.plan });
  t.assert.equal(later.store.state.words, "a");
  t.assert.deepEqual(later.model.sent, [{ type: "hello", run: 1, seq: 1 }]);
});

test("a replay that is looked at stays where it is when all is told again", (t) => {
  const { model, store } = plan();
  model.deliver({ type: "progress", run: 1, seq: 2, state: "running", head, moments: [text("a", 0), text("b", 9)] });
  store.show(1);
  model.deliver({ type: "progress", run: 1, seq: 3, state: "running", head, moments: [text("a", 0), text("b", 9), text("c", 20)] });
  t.assert.equal(store.state.words, "a");
  t.assert.equal(store.following, false);
  store.show(3);
  t.assert.equal(store.following, true);
});

test("an error is kept, and gone with the next run", (t) => {
  const { model, store } = plan();
  model.deliver({ type: "problem", name: "ValueError", message: "no" });
  t.assert.deepEqual(store.problem, ["ValueError", "no"]);
  model.deliver({ type: "start", run: 1, state: "running", head });
  t.assert.equal(store.problem, null);
});

test("a decision is shown at once, and taken back where it is refused", (t) => {
  const model = new FakeModel();
  const store = new CallStore(model);
  store.listeners.add(() => {});
  store.connect();
  model.deliver({ type: "start", run: 1, state: "running", ...CALL });
  model.deliver({ type: "batch", run: 1, seq: 1, calls: [[0, 1, "c", "add", "{}"]], lanes: { 0: card("asked", [[2, "asked"]]) } });
  t.assert.deepEqual(store.open, [0]);
  t.assert.deepEqual(model.sent.at(-1), { type: "seen", lanes: [0] });
  store.decide(0, "edit", { arguments: "{" });
  t.assert.deepEqual(store.open, []);
  t.assert.deepEqual(model.sent.at(-1), { type: "decide", lane: 0, verdict: "edit", arguments: "{" });
  model.deliver({ type: "refused", run: 1, lane: 0, message: "no JSON" });
  t.assert.deepEqual(store.open, [0]);
  t.assert.equal(store.hands.refused.get(0), "no JSON");
});

test("calls are kept whole at the end, too", (t) => {
  const model = new FakeModel();
  const store = new CallStore(model);
  store.connect();
  model.deliver({ type: "start", run: 1, state: "running", ...CALL });
  model.deliver({ type: "batch", run: 1, seq: 1, calls: [[0, 1, "c", "add", "{}"]], lanes: { 0: card("done") } });
  model.deliver({ type: "state", run: 1, state: "complete", ...CALL, running: false });
  const kept = model.state.lanes;
  t.assert.deepEqual([kept.run, kept.seq, kept.state, kept.calls.length, kept.lanes[0].phase], [1, 1, "complete", 1, "done"]);
});

test("a plan that was over at once is replayed evenly, in at most eight seconds; one with times keeps them", (t) => {
  const replayed = (moments) => {
    const { model, store } = plan();
    model.deliver({ type: "progress", run: 1, seq: 1, state: "done", head, moments });
    return store;
  };
  const quick = replayed([text("a", 1), text("b", 3), text("c", 70)]);
  t.assert.equal(quick.timeless, true);
  t.assert.deepEqual([quick.total, quick.countAt(59), quick.countAt(60), quick.countAt(180)], [180, 0, 1, 3]);
  const many = replayed(Array.from({ length: 1000 }, (_, at) => text("a", at / 10)));
  t.assert.deepEqual([many.total, many.countAt(many.place(700)), many.countAt(8000)], [8000, 700, 1000]);
  const slow = replayed([text("a", 0), text("b", 1200)]);
  t.assert.deepEqual([slow.timeless, slow.total, slow.countAt(1199)], [false, 1200, 1]);
});
