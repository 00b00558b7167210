/**
 * From a photo to upright sRGB pixels, row by row.
 *
 * PNG files are read here, sample by sample. Everything else is decoded by the browser, which is
 * asked to leave colours alone (`colorSpaceConversion: "none"`), so that profiles are converted by
 * the same arithmetic as in Python. Only profiles made of tables are left to the browser. Browsers
 * turn photos by their EXIF orientation whatever they are asked, so that step is theirs.
 */

import { inspect } from "./container.js";
import { PhotoError, UsageError } from "./errors.js";
import { ProfileError, codedProfile, convert, parseProfile } from "./icc.js";
import { decodePng, inflate } from "./png.js";

/** @typedef {import("../index.d.ts").Photo} Photo */

/** Refused above this, before decoding, unless the caller allows more. */
export const MAX_PIXELS = 100 * 1024 * 1024;
/** Longest edge that is decoded, pixels. */
const MAX_EDGE = 100_000;
const MAX_PROFILE = 16 << 20;

/**
 * Open a photo. Call `close()` on the result when its pixels are no longer needed.
 *
 * @param {import("../index.d.ts").PhotoInput} input
 * @param {{maxPixels?: number}} [options]
 * @returns {Promise<Photo>}
 */
export async function openPhoto(input, { maxPixels = MAX_PIXELS } = {}) {
  if (input instanceof Blob) return openBlob(input, maxPixels);
  if (typeof ImageData !== "undefined" && input instanceof ImageData) {
    checkSize(input.width, input.height, maxPixels);
    return fromSamples(input.width, input.height, flatten(input.data.slice(), 4), 4, "none");
  }
  if (typeof ImageBitmap !== "undefined" && input instanceof ImageBitmap) {
    if (input.width === 0) throw new UsageError("this ImageBitmap is closed");
    checkSize(input.width, input.height, maxPixels);
    return fromBitmap(input, { conversion: null, profile: "none", owned: false });
  }
  throw new UsageError("expected a Blob (or File), an ImageData or an ImageBitmap");
}

/** @param {Blob} blob @param {number} maxPixels @returns {Promise<Photo>} */
async function openBlob(blob, maxPixels) {
  let bytes;
  try {
    bytes = new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new PhotoError("the file cannot be read: it was moved, or permission ended", { cause: error });
  }
  const file = inspect(bytes);
  if (file.width !== null && file.height !== null) checkSize(file.width, file.height, maxPixels);
  if (file.hdr) throw hdr(file.hdr);
  const profile = await readProfile(file);
  const photo = file.kind === "png" ? await openPng(bytes, file.orientation, profile) : await openWithBrowser(blob, file, profile, maxPixels);
  return { ...photo, taken: file.taken };
}

/** @param {number} width @param {number} height @param {number} maxPixels */
function checkSize(width, height, maxPixels) {
  if (width < 1 || height < 1) throw new PhotoError(`it claims to be ${width} x ${height} pixels`);
  if (width * height > maxPixels) {
    throw new PhotoError(`it has ${width} x ${height} pixels, the limit is ${Math.floor(maxPixels / 1048576)} megapixels`);
  }
  if (Math.max(width, height) > MAX_EDGE) throw new PhotoError(`it is ${Math.max(width, height)} pixels long, the limit is ${MAX_EDGE}`);
}

/**
 * @param {import("./types.d.ts").PhotoFile} file
 * @returns {Promise<import("./types.d.ts").Profile | null>}
 */
async function readProfile(file) {
  if (file.coded !== null) return codedProfile(...file.coded);
  if (file.profile === null) return null;
  try {
    const data = file.profileDeflated ? await inflate(file.profile, MAX_PROFILE) : file.profile;
    const profile = parseProfile(data);
    if (profile.transfer !== "SDR") throw hdr(profile.transfer);
    return fits(profile, file.pixels ?? "rgb") ? profile : null;
  } catch (error) {
    // A damaged profile: the pixels are taken as sRGB, as browsers do.
    if (error instanceof ProfileError || error instanceof RangeError) return null;
    if (error instanceof PhotoError && file.profileDeflated && /compressed/.test(error.message)) return null;
    throw error;
  }
}

/** @param {string} transfer */
function hdr(transfer) {
  return new PhotoError(`it is high dynamic range (${transfer}), which is not scored; export it as a standard-range photo`);
}

/**
 * Whether a profile describes pixels of this kind; one that does not is left out. Gray photos may
 * carry an RGB profile.
 * @param {import("./types.d.ts").Profile} profile
 * @param {"gray" | "rgb" | "cmyk"} pixels
 */
function fits(profile, pixels) {
  if (profile.space === "GRAY") return pixels === "gray";
  return (profile.space === "CMYK") === (pixels === "cmyk");
}

/**
 * @param {Uint8Array} bytes
 * @param {number} orientation
 * @param {import("./types.d.ts").Profile | null} profile
 * @returns {Promise<Photo>}
 */
async function openPng(bytes, orientation, profile) {
  const png = await decodePng(bytes);
  const { data, channels } = expand(png);
  const conversion = profile === null ? null : profile.conversion;
  if (conversion === "lut") {
    throw new PhotoError("its colour profile is a table, which only the browser's own decoder reads; save it as sRGB");
  }
  if (conversion) convert(data, channels, conversion);
  if (channels === 4) flatten(data, 4);
  const turned = turn(data, png.width, png.height, channels, orientation);
  return fromSamples(turned.width, turned.height, turned.data, channels, conversion ? "converted" : "none");
}

/**
 * 8-bit RGB or RGBA from a PNG's samples.
 * @param {import("./png.js").PngImage} png
 */
function expand(png) {
  const { samples, channels, depth, palette, transparency } = png;
  const count = png.width * png.height;
  const gray = palette === null && channels < 3;
  const alpha = channels === 2 || channels === 4 || transparency !== null;
  const out = alpha ? 4 : 3;
  const data = new Uint8Array(count * out);
  /** @param {number} v */
  const scaled = depth === 16 ? (/** @type {number} */ v) => v >> 8
    : depth === 8 ? (/** @type {number} */ v) => v
    : (/** @type {number} */ v) => (v * 255) / ((1 << depth) - 1);
  const key = transparency && !palette ? transparencyKey(transparency, gray) : null;
  const keyShift = depth === 16 && !gray ? 8 : 0; // 16-bit colours are compared by their high bytes
  for (let i = 0, s = 0, o = 0; i < count; i++, s += channels, o += out) {
    if (palette) {
      const index = samples[s];
      if (index * 3 + 2 >= palette.length) throw new PhotoError("its palette is too short");
      data.set(palette.subarray(index * 3, index * 3 + 3), o);
      if (transparency) data[o + 3] = transparency[index] ?? 255;
      continue;
    }
    for (let c = 0; c < 3; c++) data[o + c] = scaled(samples[gray ? s : s + c]);
    if (!alpha) continue;
    if (key) data[o + 3] = key.every((v, c) => samples[s + c] >> keyShift === v >> keyShift) ? 0 : 255;
    else data[o + 3] = scaled(samples[s + channels - 1]);
  }
  return { data, channels: /** @type {3 | 4} */ (out) };
}

/** @param {Uint8Array} chunk @param {boolean} gray */
function transparencyKey(chunk, gray) {
  return Array.from({ length: gray ? 1 : 3 }, (_, c) => (chunk[2 * c] << 8) | chunk[2 * c + 1]);
}

/**
 * Lay pixels with alpha over white, in place; alpha becomes 255.
 * @template {Uint8Array | Uint8ClampedArray} T
 * @param {T} data
 * @param {4} channels
 * @returns {T}
 */
export function flatten(data, channels) {
  for (let i = 0; i < data.length; i += channels) {
    const a = data[i + 3];
    if (a === 255) continue;
    for (let c = 0; c < 3; c++) data[i + c] = over(data[i + c], a);
    data[i + 3] = 255;
  }
  return data;
}

/** One value over white. @param {number} v @param {number} a */
function over(v, a) {
  const t = v * a + 255 * (255 - a) + 128;
  return ((t >> 8) + t) >> 8;
}

/**
 * Turn pixels upright.
 * @param {Uint8Array} data
 * @param {number} width
 * @param {number} height
 * @param {number} channels
 * @param {number} orientation EXIF, 1 to 8.
 */
export function turn(data, width, height, channels, orientation) {
  if (orientation === 1) return { width, height, data };
  const swap = orientation >= 5;
  const [w, h] = swap ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  for (let y = 0, o = 0; y < h; y++) {
    for (let x = 0; x < w; x++, o += channels) {
      const [sx, sy] = from(orientation, x, y, w, h);
      const s = (sy * width + sx) * channels;
      for (let c = 0; c < channels; c++) out[o + c] = data[s + c];
    }
  }
  return { width: w, height: h, data: out };
}

/**
 * The stored place of an upright pixel.
 * @param {number} o @param {number} x @param {number} y @param {number} w @param {number} h
 * @returns {[number, number]}
 */
function from(o, x, y, w, h) {
  switch (o) {
    case 2: return [w - 1 - x, y];
    case 3: return [w - 1 - x, h - 1 - y];
    case 4: return [x, h - 1 - y];
    case 5: return [y, x];
    case 6: return [y, w - 1 - x];
    case 7: return [h - 1 - y, w - 1 - x];
    case 8: return [h - 1 - y, x];
    default: return [x, y];
  }
}

/**
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array | Uint8ClampedArray} data
 * @param {3 | 4} channels
 * @param {Photo["profile"]} profile
 * @returns {Photo}
 */
function fromSamples(width, height, data, channels, profile) {
  const row = width * channels;
  return {
    source: { width, height, channels, read: (y, rows) => data.subarray(y * row, (y + rows) * row) },
    profile,
    taken: null,
    thumbnail: async (edge) => {
      const rgba = channels === 4 ? Uint8ClampedArray.from(data) : withAlpha(data, width * height);
      const bitmap = await createImageBitmap(new ImageData(/** @type {any} */ (rgba), width, height));
      try {
        return await draw(bitmap, edge, null);
      } finally {
        bitmap.close();
      }
    },
    close: () => {},
  };
}

/** @param {Uint8Array | Uint8ClampedArray} rgb @param {number} count */
function withAlpha(rgb, count) {
  const out = new Uint8ClampedArray(count * 4).fill(255);
  for (let i = 0; i < count; i++) {
    out[4 * i] = rgb[3 * i];
    out[4 * i + 1] = rgb[3 * i + 1];
    out[4 * i + 2] = rgb[3 * i + 2];
  }
  return out;
}

/**
 * @param {Blob} blob
 * @param {import("./types.d.ts").PhotoFile} file
 * @param {import("./types.d.ts").Profile | null} profile
 * @param {number} maxPixels
 * @returns {Promise<Photo>}
 */
async function openWithBrowser(blob, file, profile, maxPixels) {
  if (typeof createImageBitmap === "undefined") {
    throw new PhotoError(`only PNG files are read outside a browser, not ${file.kind}`);
  }
  const ours = profile === null || profile.conversion !== "lut";
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: ours ? "none" : "default",
      premultiplyAlpha: "none",
      imageOrientation: "from-image",
    });
  } catch (error) {
    const kind = file.kind === "unknown" ? "it is not a picture this browser can read" : `this browser cannot read this ${file.kind.toUpperCase()} file`;
    throw new PhotoError(`${kind}: damaged, or of a kind it does not know`, { cause: error });
  }
  try {
    checkSize(bitmap.width, bitmap.height, maxPixels);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  const conversion = ours ? /** @type {any} */ (profile?.conversion ?? null) : null;
  return fromBitmap(bitmap, { conversion, profile: conversion ? "converted" : ours ? "none" : "browser", owned: true });
}

/**
 * Pixels of a decoded bitmap, drawn over white a strip at a time: a second full copy of a large
 * photo never exists.
 *
 * @param {ImageBitmap} bitmap
 * @param {{conversion: import("./types.d.ts").Shaper | import("./types.d.ts").GrayCurve | null,
 *   profile: Photo["profile"], owned: boolean}} options
 * @returns {Photo}
 */
function fromBitmap(bitmap, { conversion, profile, owned }) {
  const { width, height } = bitmap;
  /** @type {OffscreenCanvasRenderingContext2D | null} */
  let context = null;
  return {
    source: {
      width,
      height,
      channels: 4,
      read: (y, rows) => {
        context = context && context.canvas.height >= rows ? context : canvas(width, rows);
        context.fillRect(0, 0, width, rows);
        context.drawImage(bitmap, 0, y, width, rows, 0, 0, width, rows);
        const { data } = context.getImageData(0, 0, width, rows);
        if (conversion) convert(data, 4, conversion);
        return data;
      },
    },
    profile,
    taken: null,
    thumbnail: (edge) => draw(bitmap, edge, conversion),
    close: () => {
      context = null;
      if (owned) bitmap.close();
    },
  };
}

/** A white software canvas. @param {number} width @param {number} height */
function canvas(width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new PhotoError(`it is ${width} pixels wide, more than this browser's canvas takes`);
  context.fillStyle = "#fff";
  context.imageSmoothingEnabled = false;
  return context;
}

/**
 * A small JPEG for galleries; its pixels play no part in the score.
 * @param {ImageBitmap} bitmap
 * @param {number} edge Longest edge, pixels.
 * @param {import("./types.d.ts").Shaper | import("./types.d.ts").GrayCurve | null} conversion
 */
async function draw(bitmap, edge, conversion) {
  const scale = Math.min(1, edge / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas(width, height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "medium";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  if (conversion) {
    const pixels = context.getImageData(0, 0, width, height);
    convert(pixels.data, 4, conversion);
    context.putImageData(pixels, 0, 0);
  }
  return context.canvas.convertToBlob({ type: "image/jpeg", quality: 0.82 });
}
