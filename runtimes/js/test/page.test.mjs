// The page's modules (web_demo/) that need no page. Its folder is shipped whole, so its tests are here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, toCsv } from "../../../web_demo/csv.js";
import { arrange, ranks } from "../../../web_demo/library.js";
import { marks, words } from "../../../web_demo/scenes.js";
import { freeName } from "../../../web_demo/selection.js";
import { BestShot, places } from "../src/index.js";
import { percentile } from "../../../web_demo/percentile.js";
import { ScoreScale } from "../../../web_demo/scale.js";

test("a cell never starts a formula", () => {
  for (const start of ["=", "+", "-", "@", "\t=", "\r", " ="]) {
    assert.ok(cell(`${start}1`).startsWith(`"'`), JSON.stringify(start));
  }
  assert.equal(cell("a-b.jpg"), '"a-b.jpg"');
  assert.equal(cell('say "cheese", please'), '"say ""cheese"", please"');
});

test("rows follow the order shown, ranks the scores", () => {
  const items = [3.2, 4.5, 4.5, 1].map((score, id) => ({ id, score, state: "done", name: `p${id}`, width: 1, height: 1 }));
  const shown = arrange(items, { order: "worst", side: "least", threshold: 3.2 });
  assert.deepEqual(shown.map((i) => i.id), [0, 1, 2]);
  const lines = toCsv(shown, ranks(items, places, null), { name: "m", precision: "int8", sha256: null }, new Map()).split("\r\n");
  assert.deepEqual(lines.slice(1, 4).map((l) => l.split(",")[0]), ["3", "1", "1"]);
  assert.deepEqual(lines.slice(1, 4).map((l) => l.split(",").at(-4)), ["no", "yes", "yes"]);
  assert.deepEqual([...ranks(items, places, 1.4).values()].map((r) => r.label), ["1=", "1=", "1=", "4"]);
});

const LOOKS = [0, 1].map((seed) => Uint8Array.from({ length: 192 }, (_, i) => (i * (seed ? 71 : 37)) % 256));
/** Two scenes, taken far apart, and one photo alone. */
const burst = [[3, 0, 0], [4, 0, 1], [3.95, 0, 2], [2, 1, 500], [2.5, 1, 501], [1, 0, 9000]].map(([score, look, taken], id) => ({
  id, score, taken, fingerprint: LOOKS[look], state: "done", name: `p${id}`, width: 1, height: 1, reasons: id === 3 ? [{ id: "too-dark" }] : [],
}));

test("marks say what a photo is in its scene", () => {
  const found = marks([...burst, { id: 9, state: "failed" }], BestShot.scenes, 0.1);
  assert.deepEqual(burst.map(({ id }) => words(found.get(id))), [
    "one of 3 of a scene", "among 3, too close to call", "among 3, too close to call", "one of 2 of a scene", "best of 2", "",
  ]);
  assert.equal(words(undefined), "");
});

test("filters by scene and by reason", () => {
  const found = marks(burst, BestShot.scenes, 0.1);
  const shown = (view) => arrange(burst, { order: "worst", side: "all", threshold: 0, ...view }, found).map((i) => i.id);
  assert.deepEqual(shown({ scenes: "best" }), [5, 4, 1]);
  assert.deepEqual(shown({ scenes: "several" }), [1, 2, 0, 4, 3]); // whole scenes, whatever the order
  assert.deepEqual(shown({ reason: "too-dark" }), [3]);
  assert.deepEqual(shown({ reason: "none" }), [5, 4, 0, 2, 1]);
});

test("a copy never takes a name that is there", () => {
  assert.equal(freeName("trip/day 1/a.JPG", new Set(["b.jpg"])), "a.JPG");
  assert.equal(freeName("a.jpg", new Set(["a.jpg", "a (2).jpg"])), "a (3).jpg");
  assert.equal(freeName(".hidden", new Set([".hidden"])), ".hidden (2)");
});

test("words belong to the opinion scale alone", () => {
  const five = new ScoreScale({ minimum: 1, maximum: 5, meaning: "" });
  assert.deepEqual([1, 2.4, 3.5, 4.4, 5, 7].map((v) => five.word(v)), ["bad", "poor", "good", "good", "excellent", "excellent"]);
  const hundred = new ScoreScale({ minimum: 0, maximum: 100, meaning: "" });
  assert.equal(hundred.spoken(40), "40.00 of 100");
  assert.equal(hundred.share(140), 1);
});

test("percentiles lie between samples", () => {
  assert.equal(percentile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(percentile([10], 0.9), 10);
  assert.equal(percentile([0, 10], 0.9), 9);
});
