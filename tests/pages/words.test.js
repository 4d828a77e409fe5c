// Texts and figures that pages show.

import test from "node:test";
import STATES from "../../msgflux_nb/display/states.json" with { type: "json" };
import { tokensText } from "../../msgflux_nb/widgets/base/store.js";
import { directionOf, sizeText, tokensOf, withoutKeys } from "../../msgflux_nb/widgets/base/texts.js";
import { ofText, progressText, rowState } from "../../msgflux_nb/widgets/extraction/row_words.js";
import { callState, laneState } from "../../msgflux_nb/widgets/tool_calls/call_states.js";

test("sizes have units", (t) => {
  t.assert.deepEqual([sizeText(0), sizeText(1234), sizeText(999_999), sizeText(64e6)], ["0.0 kB", "1.2 kB", "1,000.0 kB", "64.0 MB"]);
});

test("the direction is that of the first letters", (t) => {
  t.assert.deepEqual(["hello", "שלום", "1. مرحبا", "", "a שלום"].map(directionOf), ["ltr", "rtl", "rtl", "ltr", "ltr"]);
});

test("keys are taken out, words stay", (t) => {
  t.assert.equal(withoutKeys("my sk-CANARY0123456789abc, gsk_CANARY0123456789 and https://me:secret@x.test"), "my [key], [key] and https://[key]@x.test");
  const words = "sk-learn, Bearer Token, hf_hub_download, ssh://git@example.org/x";
  t.assert.equal(withoutKeys(words), words);
});

test("unknown tokens are a dash, never 0", (t) => {
  t.assert.deepEqual([tokensText(null), tokensText(0, 1), tokensText(0), tokensText(1200, 2)], ["– tokens", "– tokens", "≈ 0 tokens", "≈ 1,200 tokens + 2 unknown"]);
});

test("how far a batch is", (t) => {
  const picture = { state: "running", total: 1000, finished: 10, more_rows: 0 };
  t.assert.deepEqual([ofText(picture), ofText({ ...picture, more_rows: 990 }), ofText({ ...picture, total: null })], ["of 1,000", "tried of 1,000", "rows so far"]);
  t.assert.deepEqual([progressText(10, null), progressText(10, 20)], ["10 rows", "10 of 20 rows"]);
});

test("rows are drawn as the shared file says, an unknown state by its name", (t) => {
  for (const [state, drawn] of Object.entries(STATES.rows)) t.assert.deepEqual(rowState(state), drawn);
  t.assert.deepEqual(rowState("later"), ["look", "later", "warning"]);
});

test("a call's state is its outcome, or the progress of its arguments", (t) => {
  const more = { unknown: false, fields: "1 of 2 fields", seconds: null, over: false };
  const look = { begun: true, phase: "", late: false };
  t.assert.deepEqual(laneState({ ...look, begun: false }, "streaming", more), ["none", "not begun", ""]);
  t.assert.deepEqual(laneState(look, "streaming", more), ["now", "1 of 2 fields", ""]);
  t.assert.deepEqual(laneState(look, "streaming", { ...more, over: true }), STATES.phases.stopped);
  t.assert.deepEqual(laneState({ ...look, phase: "done" }, "complete", { ...more, seconds: 1.5 }), ["done", "ran 1.50 s", "check"]);
  t.assert.deepEqual(laneState(look, "complete", { ...more, unknown: true }), ["bad", "no such tool", "cross"]);
  t.assert.deepEqual(laneState({ ...look, late: true }, "complete", more), ["look", "late id", "clock"]);
  t.assert.equal(callState({ final: { status: "complete", repaired: true } }, null), "repaired");
  t.assert.equal(callState({}, { problem: "no", complete: false }), "invalid");
});

// content/tokens.py counts the same: tests/widgets/test_playground_page.py holds it to these.
test("a text is estimated in tokens as the kernel estimates it", (t) => {
  for (const [text, tokens] of [["four letters", 3], ["слово", 2.5], ["日本語", 3], ["a 🐱", 2.5], ["", 0]]) t.assert.equal(tokensOf(String(text)), tokens);
});
