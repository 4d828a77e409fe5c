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

test("a batch that was seen is left, and a gap is told", (t) => {
  const { side, missed } = begun();
  side.append({ number: 1, seq: 1, text: "a" });
  side.append({ number: 1, seq: 1, text: "a" });
  t.assert.equal(missed.length, 0);
  side.append({ number: 1, seq: 3, text: "c" });
  t.assert.deepEqual([side.text, missed.length], ["a", 1]);
});

test("what is drawn stays where all is told again and begins the same", (t) => {
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
