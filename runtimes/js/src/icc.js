/**
 * Embedded colour profiles to sRGB, in the arithmetic of `ralikit.photo.icc`, bit for bit: doubles, every
 * product and sum rounded on its own, and powers rounded to 24 bits before they are used, which
 * hides the last-bit differences of `pow` between languages.
 */

/** The profile is damaged; the photo's pixels are taken as sRGB, as browsers do. */
export class ProfileError extends Error {}

/** D50 XYZ to linear sRGB. */
const FROM_XYZ = [
  [3.134112153323845, -1.6173924595518705, -0.49063340456472027],
  [-0.9787872961391832, 1.9162795864266209, 0.03345471423138195],
  [0.07198304438569493, -0.22898585024754495, 1.4053851315844992],
];
/** rXYZ, gXYZ, bXYZ of the standard sRGB profile as columns, s15Fixed16. */
const SRGB_COLORANTS = [[28578, 25241, 9376], [14581, 46981, 3972], [912, 6362, 46799]];
/** Largest difference of a coordinate at which a profile's primaries are taken for sRGB's. */
const SAME_COLORANT = 0.003;
const MAX_TAGS = 1000;

/** @typedef {Map<string, {offset: number, size: number}>} Tags */

/** sRGB value of linear light k / 65535. */
export const ENCODE = Uint8Array.from({ length: 65536 }, (_, k) => {
  const u = k / 65535;
  const e = u <= 0.0031308 ? 12.92 * u : 1.055 * u ** (1 / 2.4) - 0.055;
  return Math.floor(255 * e + 0.5);
});

/** Position in ENCODE of linear light y. @param {number} y */
const index = (y) => Math.floor(Math.min(Math.max(y, 0), 1) * 65535 + 0.5);

/**
 * @param {Uint8Array} data The ICC profile, untrusted.
 * @returns {import("./types.d.ts").Profile}
 */
export function parseProfile(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const tags = readTags(view);
  const space = name(view, 16).trimEnd();
  const transfer = readTransfer(view, tags, space === "GRAY" ? ["kTRC"] : ["rTRC", "gTRC", "bTRC"]);
  if (space === "CMYK") {
    if (!tags.has("A2B0")) throw new ProfileError("a CMYK profile without a table");
    return { space, transfer, conversion: "lut" };
  }
  if (space === "GRAY") {
    const linear = curve(view, tags.get("kTRC"));
    return { space, transfer, conversion: { kind: "gray", table: Uint8Array.from(linear, (y) => ENCODE[index(y)]) } };
  }
  if (space !== "RGB") throw new ProfileError(`a profile for ${space} pixels`);
  if (transfer !== "SDR" || tags.has("A2B0") || tags.has("A2B1")) return { space, transfer, conversion: "lut" };
  return { space, transfer, conversion: shaper(view, tags) };
}

/** @param {DataView} view @param {Tags} tags @returns {import("./types.d.ts").Shaper | null} */
function shaper(view, tags) {
  const columns = ["rXYZ", "gXYZ", "bXYZ"].map((tag) => xyz(view, tags.get(tag)));
  const linear = ["rTRC", "gTRC", "bTRC"].map((tag) => curve(view, tags.get(tag)));
  if (name(view, 20) !== "XYZ ") throw new ProfileError("colorants in another space than XYZ");
  return fromColorants(columns, linear);
}

/** @param {number[][]} columns @param {Float64Array[]} linear @returns {import("./types.d.ts").Shaper | null} */
function fromColorants(columns, linear) {
  const P = [0, 1, 2].map((k) => columns.map((column) => column[k] / 65536));
  const white = P[1][0] + P[1][1] + P[1][2];
  if (!(white >= 0.9 && white <= 1.1)) throw new ProfileError("its colorants do not add up to white");
  if (isSrgb(P, linear)) return null;
  const matrix = FROM_XYZ.map((c) => [0, 1, 2].map((j) => c[0] * P[0][j] + c[1] * P[1][j] + c[2] * P[2][j]));
  // The products of the matrix step, taken for all 256 values before any pixel is seen.
  const products = matrix.map((row) => row.map((m, j) => linear[j].map((y) => m * y)));
  return { kind: "shaper", products };
}

/** @param {number[][]} P @param {Float64Array[]} linear */
function isSrgb(P, linear) {
  const near = P.every((row, k) => row.every((v, j) => Math.abs(v - SRGB_COLORANTS[k][j] / 65536) <= SAME_COLORANT));
  return near && linear.every((channel) => channel.every((y, v) => Math.abs(ENCODE[index(y)] - v) <= 1));
}

/**
 * Convert pixels in place; alpha is left alone.
 *
 * @param {Uint8Array | Uint8ClampedArray} data
 * @param {number} channels Bytes a pixel, 3 or 4.
 * @param {import("./types.d.ts").Shaper | import("./types.d.ts").GrayCurve} conversion
 */
export function convert(data, channels, conversion) {
  if (conversion.kind === "gray") {
    const { table } = conversion;
    for (let i = 0; i < data.length; i += channels) {
      data[i] = table[data[i]];
      data[i + 1] = table[data[i + 1]];
      data[i + 2] = table[data[i + 2]];
    }
    return;
  }
  const [[rr, rg, rb], [gr, gg, gb], [br, bg, bb]] = conversion.products;
  for (let i = 0; i < data.length; i += channels) {
    const r = data[i];
    const g = data[i + 1];
    const b = data[i + 2];
    data[i] = ENCODE[index(rr[r] + rg[g] + rb[b])];
    data[i + 1] = ENCODE[index(gr[r] + gg[g] + gb[b])];
    data[i + 2] = ENCODE[index(br[r] + bg[g] + bb[b])];
  }
}

/** @param {DataView} view @param {number} at */
function name(view, at) {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}

/** @param {DataView} view @returns {Tags} */
function readTags(view) {
  if (view.byteLength < 132 || name(view, 36) !== "acsp") throw new ProfileError("no ICC header");
  const count = view.getUint32(128);
  if (count > MAX_TAGS || 132 + 12 * count > view.byteLength) throw new ProfileError("its tag table is cut off");
  /** @type {Tags} */
  const tags = new Map();
  for (let i = 0; i < count; i++) {
    const at = 132 + 12 * i;
    const [offset, size] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (offset + size > view.byteLength) throw new ProfileError(`tag ${name(view, at)} lies outside the profile`);
    tags.set(name(view, at), { offset, size });
  }
  return tags;
}

/** @param {DataView} view @param {{offset: number, size: number} | undefined} tag */
function xyz(view, tag) {
  if (!tag) throw new ProfileError("a colorant is missing");
  if (tag.size < 20 || name(view, tag.offset) !== "XYZ ") throw new ProfileError("a colorant that is no XYZ value");
  return [8, 12, 16].map((at) => view.getInt32(tag.offset + at));
}

/**
 * Linear light of every 8-bit value.
 * @param {DataView} view @param {{offset: number, size: number} | undefined} tag
 */
function curve(view, tag) {
  if (!tag) throw new ProfileError("a curve is missing");
  const kind = tag.size < 12 ? "" : name(view, tag.offset);
  if (kind !== "curv" && kind !== "para") throw new ProfileError("a curve of an unknown kind");
  const at = kind === "curv" ? sampled(view, tag) : parametric(view, tag);
  return Float64Array.from({ length: 256 }, (_, v) => {
    const y = at(v);
    if (!Number.isFinite(y)) throw new ProfileError("a curve that is not finite");
    return Math.floor(Math.min(Math.max(y, 0), 1) * 16777216 + 0.5) / 16777216;
  });
}

/**
 * @param {DataView} view @param {{offset: number, size: number}} tag
 * @returns {(v: number) => number}
 */
function sampled(view, { offset, size }) {
  const n = view.getUint32(offset + 8);
  if (12 + 2 * n > size) throw new ProfileError("a curve that is cut off");
  /** @param {number} i */
  const t = (i) => view.getUint16(offset + 12 + 2 * i);
  if (n === 0) return (v) => v / 255;
  if (n === 1) return (v) => (v / 255) ** (t(0) / 256);
  return (v) => {
    const p = v * (n - 1);
    const i = Math.floor(p / 255);
    const r = p - i * 255;
    return (t(i) * (255 - r) + t(Math.min(i + 1, n - 1)) * r) / 16711425;
  };
}

/**
 * @param {DataView} view @param {{offset: number, size: number}} tag
 * @returns {(v: number) => number}
 */
function parametric(view, { offset, size }) {
  const kind = view.getUint16(offset + 8);
  const count = [1, 3, 4, 5, 7][kind];
  if (count === undefined || 12 + 4 * count > size) throw new ProfileError("a parametric curve of an unknown kind");
  const p = [0, 1, 0, 0, 0, 0, 0];
  for (let i = 0; i < count; i++) p[i] = view.getInt32(offset + 12 + 4 * i) / 65536;
  const [g, a, b, c, d, e, f] = p;
  if (g <= 0) throw new ProfileError("a curve whose exponent is not positive");
  return (v) => {
    const x = v / 255;
    if (kind === 0) return x ** g;
    const s = a * x + b;
    const power = s > 0 ? s ** g : 0;
    if (kind === 1) return s >= 0 ? power : 0;
    if (kind === 2) return s >= 0 ? power + c : c;
    if (kind === 3) return x >= d ? power : c * x;
    return x >= d ? power + e : c * x + f;
  };
}

/**
 * High dynamic range by the `cicp` tag or, without one, by the curves; never by a name.
 * @param {DataView} view @param {Tags} tags @param {string[]} curves @returns {"SDR" | "PQ" | "HLG"}
 */
function readTransfer(view, tags, curves) {
  const cicp = tags.get("cicp");
  if (cicp && cicp.size >= 12 && name(view, cicp.offset) === "cicp") {
    const value = view.getUint8(cicp.offset + 9);
    return value === 16 ? "PQ" : value === 18 ? "HLG" : "SDR";
  }
  try {
    const found = new Set(curves.map((tag) => transferOf(curve(view, tags.get(tag)))));
    return found.size === 1 ? [...found][0] : "SDR";
  } catch (error) {
    if (error instanceof ProfileError || error instanceof RangeError) return "SDR";
    throw error;
  }
}

/** Whether a curve is PQ or HLG, by its course. @param {Float64Array} linear */
function transferOf(linear) {
  /** @param {(x: number) => number} wanted */
  const near = (wanted) => linear.every((y, v) => Math.abs(y - wanted(v / 255)) <= 0.01);
  return near(pq) ? "PQ" : near(hlg) ? "HLG" : "SDR";
}

/** SMPTE ST 2084, 1 being 10,000 cd/m2. @param {number} x */
function pq(x) {
  const root = x ** (32 / 2523);
  return (Math.max(root - 107 / 128, 0) / (2413 / 128 - (2392 / 128) * root)) ** (16384 / 2610);
}

/** ARIB STD-B67, scene light. @param {number} x */
function hlg(x) {
  return x <= 0.5 ? (x * x) / 3 : (Math.exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12;
}

/** rXYZ, gXYZ, bXYZ by the number of the primaries (ITU-T H.273), s15Fixed16. @type {Record<number, number[][]>} */
const COLORANTS = {
  9: [[44137, 18287, -127], [10857, 44259, 1965], [8195, 2989, 52222]],
  12: [[33759, 15807, -69], [19160, 45364, 2747], [10276, 4365, 51396]],
};
const SRGB_CURVE = [157286, 62119, 3417, 5072, 2651];
/** @type {Record<number, number>} */
const POWERS = { 4: 2.2, 5: 2.8, 8: 1 };

/**
 * The profile that colour by numbers stands for.
 * @param {number} primaries @param {number} transfer
 * @returns {import("./types.d.ts").Profile}
 */
export function codedProfile(primaries, transfer) {
  const power = POWERS[transfer];
  const known = power !== undefined || [1, 2, 6, 13, 14, 15].includes(transfer);
  const columns = COLORANTS[primaries] ?? (primaries <= 2 ? [0, 1, 2].map((j) => SRGB_COLORANTS.map((row) => row[j])) : null);
  if (!known || columns === null) return { space: "RGB", transfer: "SDR", conversion: null };
  const [g, a, b, c, d] = SRGB_CURVE.map((p) => p / 65536);
  const linear = Float64Array.from({ length: 256 }, (_, v) => {
    const x = v / 255;
    const y = power !== undefined ? x ** power : x >= d ? (a * x + b) ** g : c * x;
    return Math.floor(Math.min(Math.max(y, 0), 1) * 16777216 + 0.5) / 16777216;
  });
  return { space: "RGB", transfer: "SDR", conversion: fromColorants(columns, [linear, linear, linear]) };
}
