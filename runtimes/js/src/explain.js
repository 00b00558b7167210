/**
 * Where a photo is bad: the scores of windows slid over it, and the worst of them. docs/explain.md has the rule,
 * runtimes/golden/explain.json its cases.
 */

import { PhotoError, UsageError } from "./errors.js";
import { resizedSize } from "./preprocess.js";
import { namedReasons, reasonValues } from "./reasons.js";
import { resize } from "./resize.js";

/** @typedef {import("../index.d.ts").Pixels} Pixels */
/** @typedef {{edge: number, lefts: number[], tops: number[]}} Grid Square windows, left to right and top to bottom. */

/** Windows of one photo, at most. */
export const MOST = 400;
/** A window is plain where its brightness differs by less than this, levels, once reduced to 12 x 12. */
const PLAIN = 6;
const REDUCED = 12;
/** Cells of the map along one edge of a window. */
const CELLS = 4;

/**
 * @param {import("../index.d.ts").PixelSource} source The upright photo.
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {(views: Uint8Array) => Promise<{value: number, reasons: number[]}>} infer Scores (V, S, S, 3).
 * @param {{edge?: number, onProgress?: (progress: {done: number, total: number}) => void | Promise<void>}} [options]
 * @returns {Promise<import("../index.d.ts").Explanation>}
 */
export async function explain(source, facts, infer, { edge, onProgress } = {}) {
  const { preprocess, scale, tieWidth } = facts;
  const { size } = preprocess;
  const wanted = edge ?? Math.max(1, Math.floor((size * 3) / 8));
  if (!(Number.isInteger(wanted) && wanted >= 1 && wanted <= size)) {
    throw new UsageError(`edge must lie within 1 and the view's ${size} pixels, not ${edge}`);
  }
  const unsquashed = { ...preprocess, shortestEdge: preprocess.shortestEdge ?? size };
  const { width, height } = resizedSize(unsquashed, source.width, source.height);
  const grid = layGrid(width, height, wanted);
  const pixels = resize(source, { width, height, filter: preprocess.resample });
  const ratio = [source.width / width, source.height / height];
  const places = boxes(grid);
  /** @type {import("../index.d.ts").Window[]} */
  const windows = [];
  for (const [left, top] of places) {
    const window = cut(pixels, left, top, grid.edge);
    const { value, reasons } = await infer(repeated(fillView(window, grid.edge, size), preprocess.anchors.length));
    windows.push({
      left: left * ratio[0], top: top * ratio[1], right: (left + grid.edge) * ratio[0], bottom: (top + grid.edge) * ratio[1],
      value, plain: isPlain(window, grid.edge),
      reasons: namedReasons(reasons, facts.reasons), reasonValues: reasonValues(reasons, facts.reasons),
    });
    await onProgress?.({ done: windows.length, total: places.length });
  }
  return judge(windows, grid, { width, height }, { scale, tieWidth });
}

/**
 * @param {import("../index.d.ts").Window[]} windows
 * @param {Grid} grid
 * @param {{width: number, height: number}} picture
 * @param {{scale: import("../index.d.ts").Scale, tieWidth: number | null}} facts
 * @returns {import("../index.d.ts").Explanation}
 */
function judge(windows, grid, { width, height }, { scale, tieWidth }) {
  const alive = windows.filter((w) => !w.plain);
  const judged = alive.length ? alive : windows;
  const worst = judged.reduce((low, w) => (w.value < low.value ? w : low));
  const middle = median(judged.map((w) => w.value));
  const cell = Math.ceil(grid.edge / CELLS);
  const cells = cellMeans(grid, windows.map((w) => w.value), width, height, cell);
  const plain = cellMeans(grid, windows.map((w) => Number(w.plain)), width, height, cell).values;
  const told = plain.every((p) => p > 0.5) ? cells.values : cells.values.filter((_, i) => plain[i] <= 0.5);
  return {
    windows, worst, median: middle, standsOut: middle - worst.value > (tieWidth ?? 0),
    cells: { ...cells, plain }, span: spanOf(told, scale, tieWidth),
  };
}

/**
 * Windows that reach every pixel, half an edge apart or, where those are too many, more.
 * @param {number} width
 * @param {number} height
 * @param {number} wanted Of a window's edge, pixels; cut to the picture's shorter one.
 * @returns {Grid}
 */
export function layGrid(width, height, wanted) {
  const edge = Math.min(wanted, width, height);
  for (const quarters of [2, 3, 4]) {
    const step = Math.max(1, Math.floor((edge * quarters) / 4));
    const [lefts, tops] = [spread(width - edge, step), spread(height - edge, step)];
    if (lefts.length * tops.length <= MOST) return { edge, lefts, tops };
  }
  throw new PhotoError(`it takes more than ${MOST} windows side by side, too long for a map; cut it in pieces`);
}

/** @param {number} room @param {number} step */
function spread(room, step) {
  const count = Math.ceil(room / step) + 1;
  return count > 1 ? Array.from({ length: count }, (_, i) => Math.floor((room * i) / (count - 1))) : [0];
}

/** Left and top of every window. @param {Grid} grid */
function boxes({ lefts, tops }) {
  return tops.flatMap((top) => lefts.map((left) => [left, top]));
}

/**
 * At each cell the mean of the windows over it, weighted by how near their centres are.
 * @param {Grid} grid
 * @param {number[]} values One of each window.
 * @param {number} width Of the picture, pixels.
 * @param {number} height
 * @param {number} cell Edge of a cell, pixels; the last ones may reach over the picture's edge.
 */
export function cellMeans(grid, values, width, height, cell) {
  const across = weights(grid.lefts, grid.edge, width, cell);
  const down = weights(grid.tops, grid.edge, height, cell);
  const table = grid.tops.map((_, y) => grid.lefts.map((_, x) => values[y * grid.lefts.length + x]));
  const narrow = down.map((shares) => grid.lefts.map((_, x) => shares.reduce((sum, w, y) => sum + w * table[y][x], 0)));
  const means = narrow.flatMap((row) => across.map((shares) => shares.reduce((sum, w, x) => sum + w * row[x], 0)));
  return { rows: down.length, columns: across.length, values: means };
}

/**
 * Shares of each row or column of windows in each row or column of cells; they sum to 1.
 * @param {number[]} starts
 * @param {number} edge
 * @param {number} extent
 * @param {number} cell
 */
function weights(starts, edge, extent, cell) {
  return Array.from({ length: Math.ceil(extent / cell) }, (_, i) => {
    const centre = Math.min((i + 0.5) * cell, extent - 0.5);
    // A tent: 1 at a window's centre, near 0 at its edge, 0 outside.
    const near = starts.map((start) => Math.max(1 - Math.abs(centre - (start + edge / 2)) / (edge / 2 + 0.5), 0));
    const sum = near.reduce((a, b) => a + b, 0);
    return near.map((w) => w / sum);
  });
}

/**
 * Whether nothing is in a square window that blur could take away.
 * @param {Uint8Array} window (n, n, 3)
 * @param {number} n
 */
export function isPlain(window, n) {
  const grey = new Uint8Array(window.length);
  for (let i = 0; i < window.length; i += 3) {
    grey.fill((window[i] * 19595 + window[i + 1] * 38470 + window[i + 2] * 7471 + 0x8000) >> 16, i, i + 3);
  }
  const edge = Math.min(REDUCED, n);
  const source = { width: n, height: n, channels: /** @type {const} */ (3), read: (/** @type {number} */ y, /** @type {number} */ rows) => grey.subarray(3 * n * y, 3 * n * (y + rows)) };
  const small = resize(source, { width: edge, height: edge, filter: "box" }).data.filter((_, i) => i % 3 === 0);
  const mean = small.reduce((a, b) => a + b, 0) / small.length;
  return Math.sqrt(small.reduce((sum, v) => sum + (v - mean) ** 2, 0) / small.length) < PLAIN;
}

/**
 * A view out of a square window, mirrored at its edges as often as needed: enlarging would blur it.
 * @param {Uint8Array} window (n, n, 3)
 * @param {number} n
 * @param {number} size
 */
export function fillView(window, n, size) {
  const place = (/** @type {number} */ i) => (i % (2 * n) < n ? i % n : n - 1 - (i % n));
  const view = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = (place(y) * n + place(x)) * 3;
      view.set(window.subarray(from, from + 3), (y * size + x) * 3);
    }
  }
  return view;
}

/** A graph's views are averaged, and the mean of equal ones is any of them. @param {Uint8Array} view @param {number} count */
function repeated(view, count) {
  const views = new Uint8Array(count * view.length);
  for (let v = 0; v < count; v++) views.set(view, v * view.length);
  return views;
}

/** @param {Pixels} pixels @param {number} left @param {number} top @param {number} edge */
function cut({ data, width }, left, top, edge) {
  const window = new Uint8Array(edge * edge * 3);
  for (let y = 0; y < edge; y++) {
    const start = ((top + y) * width + left) * 3;
    window.set(data.subarray(start, start + edge * 3), y * edge * 3);
  }
  return window;
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * The range of cells, no less than two tie widths: what means nothing is not to look grave.
 * @param {number[]} values
 * @param {import("../index.d.ts").Scale} scale
 * @param {number | null} tieWidth
 * @returns {[number, number]}
 */
function spanOf(values, { minimum, maximum }, tieWidth) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const missing = Math.max(0, 2 * (tieWidth || 0.05 * (maximum - minimum)) - (high - low));
  return [low - missing / 2, high + missing / 2];
}
