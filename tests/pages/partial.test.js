// The same vectors as tests/protocol/test_partial_json.py reads.

import test from "node:test";
import { PartialJson } from "../../msgflux_nb/widgets/base/partial.js";
import vectors from "../data/partial_json.json" with { type: "json" };

/** Plain objects, so that they can be compared with what JSON.parse makes. */
const plain = (value) => JSON.parse(JSON.stringify(value));

const read = (...pieces) => {
  const reader = new PartialJson();
  for (const piece of pieces) reader.push(piece);
  return reader;
};

test("the value after each piece", (t) => {
  for (const { pieces, values } of vectors.growing) {
    const reader = new PartialJson();
    pieces.forEach((piece, index) => {
      reader.push(piece);
      t.assert.equal(JSON.stringify(reader.value), JSON.stringify(values[index]), pieces.slice(0, index + 1).join(""));
    });
    t.assert.equal(reader.complete, true);
  }
});

test("what is JSON is read whole, however it is cut", (t) => {
  for (const text of vectors.right) {
    for (const reader of [read(text), read(...text)]) {
      t.assert.equal(reader.problem, null, text);
      t.assert.equal(reader.complete, true, text);
      t.assert.deepEqual(plain(reader.value), JSON.parse(text));
    }
  }
});

test("what is not JSON has a problem, however it is cut", (t) => {
  for (const text of vectors.wrong) {
    for (const reader of [read(text), read(...text)]) {
      t.assert.match(reader.problem ?? "none", / at character \d+$/, text);
      t.assert.equal(reader.complete, false, text);
    }
  }
});

test("what has only begun is neither whole nor wrong", (t) => {
  for (const text of vectors.unfinished) {
    const reader = read(text);
    t.assert.equal(reader.problem, null, text);
    t.assert.equal(reader.complete, false, text);
  }
});

test("where a value is still open, and where it stands", (t) => {
  const reader = read('{"a": [1, {"b": "x');
  t.assert.equal(reader.isOpen(["a", 1, "b"]), true);
  t.assert.equal(reader.isOpen(["a", 0]), false);
  t.assert.deepEqual(reader.span(reader.value.a), [6, 18]);
  reader.push('"}]}');
  t.assert.deepEqual(reader.span(reader.value.a), [6, 21]);
  t.assert.equal(reader.length, 22);
});
