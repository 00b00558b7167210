/**
 * Best shot: photos of one scene, and the best of each; docs/contract.md has the rule, and
 * runtimes/golden/best.json its cases.
 */

import { UsageError } from "./errors.js";

/** @typedef {import("../index.d.ts").Shot} Shot */
/** @typedef {import("../index.d.ts").SceneRule} SceneRule */
/** @typedef {import("../index.d.ts").Scene} Scene */

const CELLS = 8; // along each side
const BYTES = CELLS * CELLS * 3;
const SAMPLES = 256; // rows or columns looked at along the shorter side
/** @type {SceneRule} */
const RULE = { seconds: 60, likeness: 0.7, copyLikeness: 0.95 };

/**
 * The mean colour of 8 x 8 cells, in whole numbers; only the rows that count are read.
 * @param {import("../index.d.ts").PixelSource} source Upright sRGB pixels.
 * @returns {Uint8Array} 192 bytes
 */
export function fingerprint(source) {
  const { width, height, channels } = source;
  const step = Math.max(1, Math.floor(Math.min(width, height) / SAMPLES));
  const rows = cells(height);
  const columns = cells(width);
  const sums = new Float64Array(BYTES); // whole numbers, far below 2^53
  const counts = new Float64Array(CELLS * CELLS);
  rows.forEach(([top, bottom], i) => {
    for (let y = top; y < bottom; y += step) {
      const row = source.read(y, 1);
      columns.forEach(([left, right], j) => {
        const cell = CELLS * i + j;
        for (let x = left; x < right; x += step) {
          for (let c = 0; c < 3; c++) sums[3 * cell + c] += row[channels * x + c];
          counts[cell]++;
        }
      });
    }
  });
  return Uint8Array.from(sums, (sum, k) => {
    const n = counts[Math.floor(k / 3)];
    return Math.floor((2 * sum + n) / (2 * n));
  });
}

/** Where each cell begins and ends along a side. @param {number} length @returns {[number, number][]} */
function cells(length) {
  return Array.from({ length: CELLS }, (_, i) => {
    const start = Math.floor((i * length) / CELLS);
    return [start, Math.max(start + 1, Math.floor(((i + 1) * length) / CELLS))];
  });
}

/**
 * Correlation of two fingerprints, -1 to 1; where either is of one colour, 1 if they are equal, else 0.
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 */
export function likeness(one, other) {
  return alike(measured(one), measured(other));
}

/** @param {Uint8Array} bytes */
function measured(bytes) {
  if (bytes.length !== BYTES) throw new UsageError(`a fingerprint has ${BYTES} bytes, not ${bytes.length}`);
  let sum = 0;
  let squares = 0;
  for (const value of bytes) {
    sum += value;
    squares += value * value;
  }
  const spread = BYTES * squares - sum * sum;
  const norm = Math.sqrt(spread / BYTES) || 1;
  return { bytes, sum, spread, unit: Float64Array.from(bytes, (value) => (value - sum / BYTES) / norm) };
}

/**
 * false only where a likeness is surely below `least`: of vectors of length 1 it is 1 - |a - b|² / 2, and most
 * pairs are too far apart after a few of their numbers.
 * @param {ReturnType<typeof measured>} a @param {ReturnType<typeof measured>} b @param {number} least
 */
function near(a, b, least) {
  if (a.spread === 0 || b.spread === 0) return true;
  const limit = 2 * (1 - least) + 1e-9;
  for (let i = 0, far = 0; i < BYTES; i++) {
    const apart = a.unit[i] - b.unit[i];
    far += apart * apart;
    if (far > limit) return false;
  }
  return true;
}

/** @param {ReturnType<typeof measured>} a @param {ReturnType<typeof measured>} b */
function alike(a, b) {
  let shared = 0;
  let same = true;
  for (let i = 0; i < BYTES; i++) {
    shared += a.bytes[i] * b.bytes[i];
    same &&= a.bytes[i] === b.bytes[i];
  }
  if (same) return 1;
  if (a.spread === 0 || b.spread === 0) return 0;
  return (BYTES * shared - a.sum * b.sum) / (Math.sqrt(a.spread) * Math.sqrt(b.spread));
}

/**
 * Photos of one scene together, and the best of each.
 * @param {readonly Shot[]} shots
 * @param {{tieWidth: number | null} & Partial<SceneRule>} options
 * @returns {Scene[]} All, also those of one photo, in the order of their first photos.
 */
export function scenes(shots, { tieWidth, ...given }) {
  const rule = { ...RULE, ...given };
  /** @type {{lead: ReturnType<typeof measured>, latest: number | null, shots: number[]}[]} */
  const open = [];
  for (const i of byTime(shots)) {
    const taken = shots[i].taken ?? null;
    const look = measured(shots[i].fingerprint);
    let found = null;
    let highest = -2;
    for (const scene of open) {
      const timed = taken !== null && scene.latest !== null;
      if (timed && taken - /** @type {number} */ (scene.latest) > rule.seconds) continue;
      const least = timed ? rule.likeness : rule.copyLikeness;
      if (!near(look, scene.lead, Math.max(least, highest))) continue;
      const like = alike(look, scene.lead);
      if (like >= least && like > highest) [found, highest] = [scene, like];
    }
    if (found === null) open.push((found = { lead: look, latest: null, shots: [] }));
    found.shots.push(i);
    if (taken !== null) found.latest = taken;
  }
  return open.map((scene) => judge(scene.shots, shots, tieWidth ?? 0));
}

/** Those without a time come last, in the order given. @param {readonly Shot[]} shots */
function byTime(shots) {
  const time = (/** @type {number} */ i) => shots[i].taken ?? Infinity;
  return shots.map((_, i) => i).sort((a, b) => (time(a) === time(b) ? a - b : time(a) - time(b)));
}

/** @param {number[]} members @param {readonly Shot[]} shots @param {number} tieWidth @returns {Scene} */
function judge(members, shots, tieWidth) {
  const value = (/** @type {number} */ i) => shots[i].value;
  const [best, ...others] = [...members].sort((a, b) => value(b) - value(a)); // stable
  const rivals = others.filter((i) => value(i) === value(best) || value(best) - value(i) < tieWidth);
  return { shots: members, best, rivals, sure: rivals.length === 0 };
}
