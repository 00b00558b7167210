/**
 * Pillow's antialiased resize, byte for byte: a convolution in 8-bit fixed point, rows first, then
 * columns, each rounded to 8 bits. Only the wanted part of the result is computed, so that a photo
 * of 1 x 5000 pixels does not become a picture of a million rows on its way to a small square.
 */

import { UsageError } from "./errors.js";

/** Fraction bits of a coefficient: 32 less 8 for the pixel and 2 for the sum's headroom. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

/** Bytes of source rows read at a time; bounds memory for large photos. */
const STRIP_BYTES = 8 << 20;

/** What a model may ask for, and the mean of whole areas. @typedef {import("../index.d.ts").Filter | "box"} AnyFilter */
/** @type {Record<AnyFilter, {support: number, weight: (x: number) => number}>} */
const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic with a = -0.5. @param {number} x */
function bicubic(x) {
  const a = -0.5;
  if (x < 0) x = -x;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** @param {number} x */
function sinc(x) {
  if (x === 0) return 1;
  x *= Math.PI;
  return Math.sin(x) / x;
}

/**
 * Where each result pixel looks and how much each source pixel weighs.
 *
 * @typedef {object} Taps
 * @property {number} size Coefficients kept per result pixel.
 * @property {Int32Array} first First source pixel, per result pixel.
 * @property {Int32Array} count Number of source pixels, per result pixel.
 * @property {Int32Array} weights Fixed-point coefficients, `size` per result pixel.
 */

/**
 * @param {number} from Source length, pixels.
 * @param {number} to Length of the whole result, pixels.
 * @param {AnyFilter} filter
 * @param {number} start First wanted pixel of the result.
 * @param {number} length Number of wanted pixels.
 * @returns {Taps}
 */
export function taps(from, to, filter, start = 0, length = to) {
  const kind = FILTERS[filter];
  if (!kind) throw new UsageError(`the resize is bicubic, bilinear or lanczos, not ${filter}`);
  const scale = from / to;
  const stretch = Math.max(scale, 1); // antialias when shrinking only
  const support = kind.support * stretch;
  const size = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * size);
  const exact = new Float64Array(size);
  const narrow = 1 / stretch;
  for (let i = 0; i < length; i++) {
    const centre = (start + i + 0.5) * scale;
    const low = Math.max(Math.trunc(centre - support + 0.5), 0);
    const high = Math.min(Math.trunc(centre + support + 0.5), from);
    let sum = 0;
    for (let k = 0; k < high - low; k++) {
      exact[k] = kind.weight((k + low - centre + 0.5) * narrow);
      sum += exact[k];
    }
    for (let k = 0; k < high - low; k++) {
      const share = (sum !== 0 ? exact[k] / sum : exact[k]) * (1 << PRECISION_BITS);
      weights[i * size + k] = Math.trunc(share + (share < 0 ? -0.5 : 0.5));
    }
    first[i] = low;
    count[i] = high - low;
  }
  return { size, first, count, weights };
}

/**
 * Resize and keep one rectangle of the result.
 *
 * @param {import("../index.d.ts").PixelSource} source
 * @param {{width: number, height: number, filter?: AnyFilter}} to Whole result.
 * @param {{left: number, top: number, width: number, height: number}} [part] Kept rectangle.
 * @returns {import("../index.d.ts").Pixels} RGB, 3 bytes a pixel.
 */
export function resize(source, to, part) {
  const { left, top, width, height } = part ?? { left: 0, top: 0, width: to.width, height: to.height };
  if (!(to.width >= 1 && to.height >= 1 && width >= 1 && height >= 1)) {
    throw new UsageError(`a picture has at least one pixel, not ${to.width} x ${to.height}`);
  }
  if (left < 0 || top < 0 || left + width > to.width || top + height > to.height) {
    throw new UsageError(`the part ${width} x ${height} at ${left}, ${top} lies outside ${to.width} x ${to.height}`);
  }
  const filter = to.filter ?? "bicubic";
  const across = taps(source.width, to.width, filter, left, width);
  const down = taps(source.height, to.height, filter, top, height);

  // Rows of the source that the wanted rows look at. Taps never move backwards.
  const begin = down.first[0];
  let end = begin;
  for (let i = 0; i < height; i++) end = Math.max(end, down.first[i] + down.count[i]);

  const middle = new Uint8Array((end - begin) * width * 3);
  const strip = Math.max(1, Math.floor(STRIP_BYTES / (source.width * source.channels)));
  for (let y = begin; y < end; y += strip) {
    const rows = Math.min(strip, end - y);
    horizontal(source.read(y, rows), rows, source, across, middle.subarray((y - begin) * width * 3));
  }
  const data = new Uint8Array(width * height * 3);
  vertical(middle, begin, width, down, data);
  return { width, height, channels: 3, data };
}

/**
 * @param {Uint8Array | Uint8ClampedArray} rows
 * @param {number} height
 * @param {{width: number, channels: number}} source
 * @param {Taps} t
 * @param {Uint8Array} out
 */
function horizontal(rows, height, source, t, out) {
  const step = source.channels;
  const { size, first, count, weights } = t;
  const width = first.length;
  let o = 0;
  for (let y = 0; y < height; y++) {
    const row = y * source.width * step;
    for (let x = 0; x < width; x++) {
      let p = row + first[x] * step;
      const n = count[x];
      const base = x * size;
      let r = HALF;
      let g = HALF;
      let b = HALF;
      for (let k = 0; k < n; k++, p += step) {
        const w = weights[base + k];
        r = (r + Math.imul(rows[p], w)) | 0;
        g = (g + Math.imul(rows[p + 1], w)) | 0;
        b = (b + Math.imul(rows[p + 2], w)) | 0;
      }
      out[o++] = clip(r);
      out[o++] = clip(g);
      out[o++] = clip(b);
    }
  }
}

/**
 * @param {Uint8Array} rows
 * @param {number} begin Source row that `rows` starts with.
 * @param {number} width
 * @param {Taps} t
 * @param {Uint8Array} out
 */
function vertical(rows, begin, width, t, out) {
  const { size, first, count, weights } = t;
  const stride = width * 3;
  const sums = new Int32Array(stride);
  for (let y = 0; y < first.length; y++) {
    sums.fill(HALF);
    for (let k = 0; k < count[y]; k++) {
      const w = weights[y * size + k];
      const row = (first[y] - begin + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] += Math.imul(rows[row + i], w);
    }
    for (let i = 0; i < stride; i++) out[y * stride + i] = clip(sums[i]);
  }
}

/** @param {number} sum */
function clip(sum) {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
