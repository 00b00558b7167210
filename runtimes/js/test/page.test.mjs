// The page's modules (web_demo/) that need no page. Its folder is shipped whole, so its tests are here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, toCsv } from "../../../web_demo/csv.js";
import { arrange, ranks } from "../../../web_demo/library.js";
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
  const lines = toCsv(shown, ranks(items), { name: "m", precision: "int8", sha256: null }).split("\r\n");
  assert.deepEqual(lines.slice(1, 4).map((l) => l.split(",")[0]), ["3", "1", "2"]);
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
