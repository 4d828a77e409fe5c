// What differs between two answers, word by word, while they grow.

import test from "node:test";
import { Alignment } from "../../msgflux_nb/widgets/playground/differences.js";

const words = (text) => text.split(" ");

function told(one, two, whole = [true, true], alignment = new Alignment()) {
  alignment.read(words(one), words(two));
  return alignment.differences(whole).map((runs, side) => runs.map(([from, to]) => words(side ? two : one).slice(from, to).join(" ")));
}

test("words that only one has are told as runs", (t) => {
  t.assert.deepEqual(told("it is cold now", "it is warm now"), [["cold"], ["warm"]]);
  t.assert.deepEqual(told("it is so", "it is so"), [[], []]);
  t.assert.deepEqual(told("a b", "c d"), [["a b"], ["c d"]]);
});

test("one equal word between longer differences is part of them", (t) => {
  const one = "Little streams carry these bits to rivers, and the rivers carry them to the sea.";
  const two = "Rivers carry these bits all the way to the sea.";
  t.assert.deepEqual(told(one, two), [["Little streams", "to rivers, and the rivers carry them"], ["Rivers", "all the way"]]);
});

test("what the other has not come to yet is no difference", (t) => {
  t.assert.deepEqual(told("it is cold now and then", "it is warm now", [true, false]), [["cold"], ["warm"]]);
  t.assert.deepEqual(told("cold is it right now", "warm is it right now again", [true, false]), [["cold"], ["warm", "again"]]);
  t.assert.deepEqual(told("it is cold", "it was", [false, false]), [[], []]);
});

test("an alignment that grows, or whose words change, is that of the whole texts", (t) => {
  const letters = "the cat sat on the mat and the dog sat by the cat on a mat".split(" ");
  const alignment = new Alignment();
  for (let n = 1; n <= 200; n += 1) {
    const some = (step) => Array.from({ length: 1 + ((n * step) % 23) }, (_, at) => letters[(at * step + (n % 5)) % letters.length]).join(" ");
    const [one, two] = [some(3), some(5)];
    t.assert.deepEqual(told(one, two, [true, true], alignment), told(one, two));
  }
});
