// Values that are computed before drawing: places in a text, a tree, a vote, rows of values, the axis of calls.

import test from "node:test";
import { fieldTree, Filling, rowsSoFar } from "../../msgflux_nb/widgets/base/values.js";
import { treeLayout } from "../../msgflux_nb/widgets/plan/plan_layout.js";
import { PlanState } from "../../msgflux_nb/widgets/plan/plan_store.js";
import { staysAhead } from "../../msgflux_nb/widgets/plan/plan_sure.js";
import { fieldPlaces, jsonSigns } from "../../msgflux_nb/widgets/playground/json_places.js";
import { Timeline } from "../../msgflux_nb/widgets/tool_calls/timeline.js";

test("where values stand in JSON, though it is not whole", (t) => {
  const text = '{"a": [1, {"b": "x"}], "c": "op';
  const places = Object.fromEntries(fieldPlaces(text).map(([path, start, end]) => [path, text.slice(start, end)]));
  t.assert.deepEqual(places, { "a[0]": "1", "a[1].b": '"x"', "a[1]": '{"b": "x"}', a: '[1, {"b": "x"}]', c: '"op' });
});

test("keys and signs of JSON are told apart from its values, however it arrives", (t) => {
  for (const [text, values] of [
    ['{"a": 1, "b": ["x", {"c": "d: e"}]}', '1"x""d:e"'],
    ['{"a\\"b": "c\\\\", "d": true}', '"c\\\\"true'],
    ['[{"k": "{v}"}, null, "op', '"{v}"null"op'],
  ]) {
    for (const size of [1, 2, 5, text.length]) {
      const signs = jsonSigns();
      const loud = [...text];
      for (let end = size; end < text.length + size; end += size) {
        for (const [from, to] of signs(text.slice(0, end))) loud.fill("", from, to);
      }
      t.assert.equal(loud.join("").replaceAll(" ", ""), values);
    }
  }
});

test("how likely a leader stays ahead", (t) => {
  t.assert.equal(staysAhead(0, 0), 0.5);
  t.assert.equal(staysAhead(1, 0), 0.75);
  t.assert.ok(Math.abs(staysAhead(500, 500) - 0.5) < 0.02);
  t.assert.ok(staysAhead(600, 400) > 0.999);
});

test("nodes of a tree stand apart, those of a level with fewer nodes evenly over the height", (t) => {
  const state = new PlanState();
  const node = (id, up, l) => state.take({ t: "node", ms: 0, id, up, l, w: "", v: null, k: "kept" });
  [node(0, null, 1), node(1, null, 1)];
  [2, 3, 4, 5, 6].forEach((id) => node(id, id < 4 ? 0 : 1, 2));
  [7, 8, 9, 10].forEach((id) => node(id, id < 9 ? 2 : 3, 3)); // would meet in the middle
  const { levels, height } = treeLayout(state, new Set(), false);
  for (const rows of levels) rows.slice(1).forEach(({ y }, index) => t.assert.ok(y - rows[index].y > 0.999));
  t.assert.ok(levels.flat().every(({ y }) => y >= 0 && y < height - 0.999));
  t.assert.deepEqual(levels[0].map(({ y }) => y), [0, height - 1]);
});

test("values fill their rows, and say which is still arriving", (t) => {
  const field = (name, depth, holds, type) => ({ name, key: name, depth, holds, type });
  const tree = fieldTree([field("person", 0, "record", "P"), field("name", 1, "", "str"), field("age", 1, "", "int")]);
  const filling = new Filling();
  filling.show({ text: 'Here: {"person": {"name": "An' });
  const rows = () => rowsSoFar(tree, filling).map(({ field: path, value, state }) => [path, value, state]);
  t.assert.deepEqual(rows(), [["person.name", "An", "growing"], ["person.age", null, "open"]]);
  filling.show({ text: 'Here: {"person": {"name": "Ann", "age": 12345678901234567890}}', done: true });
  t.assert.deepEqual(rows(), [["person.name", "Ann", "complete"], ["person.age", "12345678901234567890", "complete"]]);
});

test("long pauses are shortened on the axis, and the times stay", (t) => {
  const timeline = new Timeline();
  timeline.take([[0, 0, "c", "add", '{"a"'], [0, 100, null, null, ": 1"], [0, 60_000, null, null, "}"]], {});
  t.assert.deepEqual([timeline.times, timeline.places], [[0, 100, 60_000], [0, 100, 1600]]);
  timeline.show(2);
  const look = timeline.look(timeline.tracks[0]);
  t.assert.deepEqual([look.count, look.name, timeline.following], [2, "add", false]);
  t.assert.equal(timeline.countAt(1599), 2);
});

test("an id that comes after the arguments have begun is late", (t) => {
  const timeline = new Timeline();
  timeline.take([[0, 0, null, "ad", ""], [0, 1, null, "d", "{"], [0, 2, "late", null, "}"]], {});
  const { id, name, late } = timeline.look(timeline.tracks[0]);
  t.assert.deepEqual([id, name, late], ["late", "add", true]);
});
