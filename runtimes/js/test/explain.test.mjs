// Score maps, against the cases that Python computed (runtimes/golden/explain.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { UsageError, openPhoto } from "../src/index.js";
import { cellMeans, explain, fillView, isPlain, layGrid } from "../src/explain.js";
import { folder, photo, sha256 } from "./golden.mjs";

const cases = JSON.parse(readFileSync(`${folder}explain.json`, "utf8"));
const near = (found, wanted, words) => assert.ok(Math.abs(found - wanted) < 1e-9, `${words}: ${found}, Python says ${wanted}`);
const pattern = (n, strength = 255, level = 0) =>
  Uint8Array.from({ length: n * n * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % n, Math.floor(i / 3 / n)];
    return Math.min(255, Math.floor((((7 * x + 13 * y + 29 * c + ((x * y) % 11)) % 256) * strength) / 255) + level);
  });

test("windows lie where Python lays them, and their means weigh the same", () => {
  for (const { width, height, edge, grid, cell, means } of cases.grids) {
    if (!grid) {
      assert.throws(() => layGrid(width, height, edge), { name: "PhotoError" });
      continue;
    }
    const laid = layGrid(width, height, edge);
    assert.deepEqual(laid, grid);
    const values = Array.from({ length: laid.lefts.length * laid.tops.length }, (_, i) => ((7 * i) % 11) + (i % 3));
    const found = cellMeans(laid, values, width, height, cell);
    assert.deepEqual([found.rows, found.columns], [means.rows, means.columns]);
    means.first.forEach((wanted, i) => near(found.values[i], wanted, `${width} x ${height}, cell ${i}`));
    near(found.values.reduce((a, b) => a + b, 0) - means.sum, 0, "the sum of all");
  }
});

test("what is plain, and what a window is filled to", () => {
  for (const { edge, strength, level, plain } of cases.plain) assert.equal(isPlain(pattern(edge, strength, level), edge), plain, `${edge} ${strength}`);
  for (const { edge, size, sha256: wanted } of cases.filled) assert.equal(sha256(fillView(pattern(edge), edge, size)), wanted);
});

/** The facts of the stand-in: its score is a view's brightness, its reasons how dark and how red it is. */
const facts = ({ size, shortest_edge: shortestEdge, tie_width: tieWidth }) => ({
  preprocess: { size, shortestEdge, anchors: [[0.5, 0.5], [0, 0]], resample: "bicubic" },
  scale: { minimum: 1, maximum: 5 }, tieWidth, reasons: [{ id: "too-dark", words: "d" }, { id: "too-bright", words: "b" }],
});
const brightness = async (views) => {
  let [total, red] = [0, 0];
  views.subarray(0, views.length / 2).forEach((v, i) => ((total += v), (red += i % 3 ? 0 : v)));
  const n = views.length / 2;
  return { value: 1 + (4 * (total / n)) / 255, reasons: [1 - total / n / 255, red / (n / 3) / 255] };
};

for (const wanted of cases.maps) {
  test(`a whole map: ${wanted.photo}`, async () => {
    const steps = [];
    const { source } = await openPhoto(photo(wanted.photo));
    const options = { edge: wanted.edge ?? undefined, onProgress: (p) => void steps.push(p.done) };
    const found = await explain(source, facts(wanted), brightness, options);
    assert.deepEqual(steps, wanted.windows.map((_, i) => i + 1));
    found.windows.forEach((window, i) => {
      const { box, value, plain, reasons } = wanted.windows[i];
      [window.left, window.top, window.right, window.bottom].forEach((v, k) => near(v, box[k], `window ${i}, side ${k}`));
      near(window.value, value, `window ${i}`);
      assert.equal(window.plain, plain, `window ${i}`);
      assert.deepEqual(window.reasons.map((r) => r.id), reasons);
    });
    assert.equal(found.windows.indexOf(found.worst), wanted.worst);
    assert.equal(found.standsOut, wanted.stands_out);
    near(found.median, wanted.median, "median");
    assert.deepEqual([found.cells.rows, found.cells.columns], [wanted.rows, wanted.columns]);
    wanted.cells.forEach((v, i) => near(found.cells.values[i], v, `cell ${i}`));
    wanted.plain.forEach((v, i) => near(found.cells.plain[i], v, `plain cell ${i}`));
    found.span.forEach((v, i) => near(v, wanted.span[i], "span"));
  });
}

test("a wrong edge is refused, and what the progress throws ends it", async () => {
  const { source } = await openPhoto(photo("turned.png"));
  for (const edge of [0, 33, 1.5]) await assert.rejects(explain(source, facts(cases.maps[0]), brightness, { edge }), UsageError);
  const stop = async () => {
    throw new DOMException("cancelled", "AbortError");
  };
  await assert.rejects(explain(source, facts(cases.maps[0]), brightness, { onProgress: stop }), { name: "AbortError" });
});
