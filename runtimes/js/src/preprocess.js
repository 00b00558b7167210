/** From a photo's upright sRGB pixels to the views a tower looks at. */

import { ModelError, UsageError } from "./errors.js";
import { resize } from "./resize.js";

const KEYS = new Set(["size", "shortest_edge", "anchors", "resample", "mean", "std"]);
const FILTERS = new Set(["bicubic", "bilinear", "lanczos"]);

/** @param {unknown} value @param {number} length @returns {value is number[]} */
function numbers(value, length) {
  return Array.isArray(value) && value.length === length && value.every((v) => Number.isFinite(v));
}

/**
 * Check a file's `preprocess` facts; what this version does not know is refused, never skipped.
 *
 * @param {any} facts
 * @returns {import("../index.d.ts").Preprocess}
 */
export function readPreprocess(facts) {
  /** @param {boolean} right @param {string} words */
  const need = (right, words) => {
    if (!right) throw new ModelError(`the model's preprocessing ${words}; export it again with ralikit`);
  };
  need(typeof facts === "object" && facts !== null, "is missing");
  for (const key of Object.keys(facts)) {
    need(KEYS.has(key), `has a setting "${key}" that this version of ralikit-web does not know`);
  }
  const { size, shortest_edge: edge = null, anchors = [[0.5, 0.5]], resample = "bicubic", mean, std } = facts;
  need(Number.isInteger(size) && size >= 1 && size <= 4096, `has size ${size}, expected whole pixels from 1 to 4096`);
  need(edge === null || (Number.isInteger(edge) && edge >= size), `has shortest_edge ${edge}, below its size ${size}`);
  need(Array.isArray(anchors) && anchors.length >= 1 && anchors.length <= 64, "names no view");
  for (const a of anchors) need(numbers(a, 2) && a.every((v) => v >= 0 && v <= 1), "has a view outside 0..1");
  need(FILTERS.has(resample), `asks for the resize "${resample}"`);
  for (const v of [mean, std]) need(v === undefined || numbers(v, 3), "has a mean or std that is not three numbers");
  return Object.freeze({ size, shortestEdge: edge, anchors, resample });
}

/**
 * Width and height after the resize; the long edge is cut to a whole pixel.
 *
 * @param {import("../index.d.ts").Preprocess} p
 * @param {number} width
 * @param {number} height
 */
export function resizedSize(p, width, height) {
  if (!(width >= 1 && height >= 1)) throw new UsageError(`a photo has at least one pixel, not ${width} x ${height}`);
  if (p.shortestEdge === null) return { width: p.size, height: p.size };
  const edge = p.shortestEdge;
  if (width <= height) return { width: edge, height: Math.floor((edge * height) / width) };
  return { width: Math.floor((edge * width) / height), height: edge };
}

/**
 * Left and top of every view inside a resized photo.
 *
 * @param {import("../index.d.ts").Preprocess} p
 * @param {number} width
 * @param {number} height
 */
export function corners(p, width, height) {
  return p.anchors.map(([x, y]) => ({
    left: Math.floor((width - p.size) * x),
    top: Math.floor((height - p.size) * y),
  }));
}

/**
 * All views of a photo, (V, S, S, 3) uint8.
 *
 * @param {import("../index.d.ts").PixelSource} source
 * @param {import("../index.d.ts").Preprocess} p
 * @returns {Uint8Array}
 */
export function cutViews(source, p) {
  const to = { ...resizedSize(p, source.width, source.height), filter: p.resample };
  const places = corners(p, to.width, to.height);
  const bytes = p.size * p.size * 3;
  const views = new Uint8Array(places.length * bytes);
  const box = bounds(places, p.size);
  // Views overlap on ordinary photos: one resize of their common rectangle. On a very long photo
  // that rectangle is mostly what no view looks at, so each view is resized alone.
  const together = box.width * box.height <= 2 * places.length * p.size * p.size;
  const sheet = together ? resize(source, to, box) : null;
  places.forEach(({ left, top }, v) => {
    const out = views.subarray(v * bytes, (v + 1) * bytes);
    if (sheet) copy(sheet, left - box.left, top - box.top, p.size, out);
    else out.set(resize(source, to, { left, top, width: p.size, height: p.size }).data);
  });
  return views;
}

/** @param {{left: number, top: number}[]} places @param {number} size */
function bounds(places, size) {
  const left = Math.min(...places.map((c) => c.left));
  const top = Math.min(...places.map((c) => c.top));
  const width = Math.max(...places.map((c) => c.left)) + size - left;
  const height = Math.max(...places.map((c) => c.top)) + size - top;
  return { left, top, width, height };
}

/**
 * @param {import("../index.d.ts").Pixels} from
 * @param {number} left
 * @param {number} top
 * @param {number} size
 * @param {Uint8Array} out
 */
function copy(from, left, top, size, out) {
  for (let y = 0; y < size; y++) {
    const start = ((top + y) * from.width + left) * 3;
    out.set(from.data.subarray(start, start + size * 3), y * size * 3);
  }
}
