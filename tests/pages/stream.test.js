// One side's answer while it arrives.

import test from "node:test";
import { Side } from "../../msgflux_nb/widgets/base/stream.js";

const ABOUT = { number: 1, prefill: "", schema: "", model: "m" };
const END = { ...ABOUT, side: 0, seq: 2, state: "complete", error: null, status: [], rows: [], tokens: false };

function begun() {
  const missed = [];
  const side = new Side(() => missed.push(true));
  side.begin(ABOUT);
  return { side, missed };
}

test("text grows, and blocks that are whole leave the tail", (t) => {
  const { side } = begun();
  side.append({ number: 1, seq: 1, text: "one\n\ntw" });
  side.append({ number: 1, seq: 2, text: "o", html: ["<p>one</p>"], tail: 3 });
  t.assert.deepEqual([side.text, side.blocks, side.tail], ["one\n\ntwo", ["<p>one</p>"], "two"]);
});

test("the open block is told by what changes in it, and becomes a finished one", (t) => {
  const { side } = begun();
  side.append({ number: 1, seq: 1, text: "one", open: "<p>one</p>" });
  side.append({ number: 1, seq: 2, text: " two 🐚", open: " two 🐚", kept: [6, 4] });
  t.assert.deepEqual([side.open, side.blocks, side.tail], ["<p>one two 🐚</p>", [], ""]);
  side.append({ number: 1, seq: 3, text: ".\n\n```\na", html: ["."], open: "<pre>a</pre>", kept: [13, 4] });
  side.append({ number: 1, seq: 4, text: "b\n``", tail: 4, held: 2 });
  t.assert.deepEqual([side.open, side.blocks, side.tail, side.held], ["<pre>a</pre>", ["<p>one two 🐚.</p>"], "b\n``", 2]);
  side.append({ number: 1, seq: 5, reasoning: "hm" });
  t.assert.deepEqual([side.tail, side.held], ["b\n``", 2]);
  side.append({ number: 1, seq: 6, html: ["b</pre>"], kept: [6, 0] });
  t.assert.deepEqual([side.open, side.blocks.at(-1), side.tail, side.held], ["", "<pre>ab</pre>", "", 0]);
});

test("what stands in the old open block already is told by its place", (t) => {
  const { side } = begun();
  side.append({ number: 1, seq: 1, text: "a", open: "<td class=long>a</td>" });
  side.append({ number: 1, seq: 2, text: "b", open: [">b</td><td ", [4, 10], ">"], kept: [14, 5] });
  t.assert.equal(side.open, "<td class=long>b</td><td class=long></td>");
});

test("a page that missed something is told the open block whole", (t) => {
  const { side } = begun();
  side.mend({ ...ABOUT, seq: 3, text: "a\n\n```\nbc", html: ["<p>a</p>"], open: "<pre>b</pre>", tail: 1 });
  t.assert.deepEqual([side.blocks, side.open, side.tail], [["<p>a</p>"], "<pre>b</pre>", "c"]);
});

test("a repeated batch is ignored, and a missed one is reported", (t) => {
  const { side, missed } = begun();
  side.append({ number: 1, seq: 1, text: "a" });
  side.append({ number: 1, seq: 1, text: "a" });
  t.assert.equal(missed.length, 0);
  side.append({ number: 1, seq: 3, text: "c" });
  t.assert.deepEqual([side.text, missed.length], ["a", 1]);
});

test("drawn blocks stay if everything is sent again and begins the same", (t) => {
  const { side } = begun();
  side.append({ number: 1, seq: 1, text: "ab" });
  const { epoch } = side;
  side.mend({ ...ABOUT, seq: 3, text: "abc" });
  t.assert.deepEqual([side.text, side.epoch], ["abc", epoch]);
  side.mend({ ...ABOUT, seq: 4, text: "another" });
  t.assert.equal(side.epoch, epoch + 1);
});

test("after its end nothing is added", (t) => {
  const { side } = begun();
  side.append({ number: 1, seq: 1, text: "a" });
  side.end(END);
  side.append({ number: 1, seq: 2, text: "b" });
  t.assert.deepEqual([side.text, side.over, side.state], ["a", true, "complete"]);
});
