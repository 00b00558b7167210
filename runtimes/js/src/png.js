/**
 * A PNG reader that gives the stored samples. A canvas cannot: it multiplies colour by alpha and
 * divides again, which loses the colour under transparent pixels. Works in node too.
 */

import { PhotoError } from "./errors.js";
import { latin1 } from "./container.js";

/** Samples a pixel by colour type. @type {Record<number, number>} */
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Bit depths a colour type may have. @type {Record<number, number[]>} */
const DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const ADAM7 = [
  [0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2],
];

const CRC = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

/** @param {Uint8Array} b */
function crc32(b) {
  let c = 0xffffffff;
  for (let i = 0; i < b.length; i++) c = CRC[(c ^ b[i]) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/**
 * Inflate zlib data, refusing to grow past `limit` bytes.
 * @param {Uint8Array} data
 * @param {number} limit
 * @returns {Promise<Uint8Array>}
 */
export async function inflate(data, limit) {
  const stream = new Blob([/** @type {BlobPart} */ (data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts = [];
  let size = 0;
  try {
    while (size < limit) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
    }
  } catch (error) {
    throw new PhotoError("its compressed data is damaged", { cause: error });
  }
  reader.cancel().catch(() => {}); // what follows the limit is not wanted
  const all = new Uint8Array(Math.min(size, limit));
  let at = 0;
  for (const p of parts) {
    all.set(p.subarray(0, all.length - at), at);
    at += Math.min(p.length, all.length - at);
  }
  return all;
}

/**
 * @typedef {object} PngImage
 * @property {number} width
 * @property {number} height
 * @property {number} depth Bits a sample.
 * @property {number} channels Samples a pixel: 1 gray or palette index, 2 gray + alpha, 3, 4.
 * @property {Uint8Array | Uint16Array} samples Unpacked, `channels` a pixel.
 * @property {Uint8Array | null} palette RGB triplets, where the samples are indices.
 * @property {Uint8Array | null} transparency The tRNS chunk.
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Promise<PngImage>}
 */
export async function decodePng(bytes) {
  const { header, palette, transparency, data } = readChunks(bytes);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth, colour, , , interlace] = header.subarray(8);
  if (!width || !height || !DEPTHS[colour]?.includes(depth) || interlace > 1) {
    throw new PhotoError("its PNG header is damaged");
  }
  const channels = CHANNELS[colour];
  const passes = (interlace ? ADAM7 : [[0, 0, 1, 1]]).map(([x, y, dx, dy]) => ({
    x, y, dx, dy, width: Math.ceil((width - x) / dx), height: Math.ceil((height - y) / dy),
  }));
  /** @param {number} w */
  const stride = (w) => Math.ceil((w * channels * depth) / 8);
  const drawn = passes.filter((p) => p.width > 0 && p.height > 0);
  const wanted = drawn.reduce((n, p) => n + (stride(p.width) + 1) * p.height, 0);
  const raw = await inflate(data, wanted);
  if (raw.length < wanted) throw new PhotoError("its pixels are cut off");

  const count = width * height * channels;
  const samples = depth === 16 ? new Uint16Array(count) : new Uint8Array(count);
  let at = 0;
  for (const p of drawn) {
    const lines = unfilter(raw.subarray(at), stride(p.width), p.height, Math.max(1, (channels * depth) >> 3));
    at += (stride(p.width) + 1) * p.height;
    if (depth === 8 && !interlace) {
      samples.set(lines);
      continue;
    }
    for (let y = 0; y < p.height; y++) {
      for (let x = 0; x < p.width; x++) {
        const to = ((p.y + y * p.dy) * width + p.x + x * p.dx) * channels;
        for (let c = 0; c < channels; c++) {
          samples[to + c] = sample(lines, y * stride(p.width), x * channels + c, depth);
        }
      }
    }
  }
  return { width, height, depth, channels, samples, palette: colour === 3 ? palette : null, transparency };
}

/** @param {Uint8Array} lines @param {number} row @param {number} i @param {number} depth */
function sample(lines, row, i, depth) {
  if (depth === 8) return lines[row + i];
  if (depth === 16) return (lines[row + i * 2] << 8) | lines[row + i * 2 + 1];
  const bit = i * depth;
  return (lines[row + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

/** @param {Uint8Array} b */
function readChunks(b) {
  const view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  /** @type {Uint8Array | null} */
  let header = null;
  /** @type {Uint8Array | null} */
  let palette = null;
  /** @type {Uint8Array | null} */
  let transparency = null;
  const parts = [];
  let size = 0;
  for (let at = 8; at + 12 <= b.length; ) {
    const length = view.getUint32(at);
    if (length > b.length - at - 12) break;
    const name = latin1(b, at + 4, at + 8);
    const body = b.subarray(at + 8, at + 8 + length);
    const known = name === "IHDR" || name === "PLTE" || name === "IDAT" || name === "tRNS";
    if (known && crc32(b.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw new PhotoError(`its ${name} block is damaged`);
    }
    if (name === "IHDR" && length === 13) header = body;
    if (name === "PLTE") palette = body;
    if (name === "tRNS") transparency = body;
    if (name === "IDAT") {
      parts.push(body);
      size += length;
    }
    if (name === "IEND") break;
    at += 12 + length;
  }
  if (header === null || parts.length === 0) throw new PhotoError("it is not a whole PNG file");
  const data = new Uint8Array(size);
  let to = 0;
  for (const p of parts) {
    data.set(p, to);
    to += p.length;
  }
  return { header, palette, transparency, data };
}

/**
 * @param {Uint8Array} raw
 * @param {number} stride Bytes of a row without its filter byte.
 * @param {number} height
 * @param {number} step Bytes of a pixel, at least 1.
 */
function unfilter(raw, stride, height, step) {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const kind = raw[y * (stride + 1)];
    const from = y * (stride + 1) + 1;
    const to = y * stride;
    const above = to - stride;
    if (kind > 4) throw new PhotoError("its pixels are damaged");
    for (let i = 0; i < stride; i++) {
      const a = i >= step ? out[to + i - step] : 0;
      const b = y > 0 ? out[above + i] : 0;
      let guess = 0;
      if (kind === 1) guess = a;
      else if (kind === 2) guess = b;
      else if (kind === 3) guess = (a + b) >> 1;
      else if (kind === 4) guess = paeth(a, b, y > 0 && i >= step ? out[above + i - step] : 0);
      out[to + i] = raw[from + i] + guess;
    }
  }
  return out;
}

/** @param {number} a @param {number} b @param {number} c */
function paeth(a, b, c) {
  const pa = Math.abs(b - c);
  const pb = Math.abs(a - c);
  const pc = Math.abs(a + b - c - c);
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
