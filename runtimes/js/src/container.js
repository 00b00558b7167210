/**
 * What a photo's file says before it is decoded: its kind, its size in pixels, its colour profile,
 * its orientation and when it was taken. Browsers decode pixels but hand out none of this.
 */

import { PhotoError } from "./errors.js";

/** @typedef {import("./types.d.ts").PhotoFile} PhotoFile */

/** @param {Uint8Array} b @param {number} at */
const u16 = (b, at) => (b[at] << 8) | b[at + 1];
/** @param {Uint8Array} b @param {number} at */
const u32 = (b, at) => u16(b, at) * 65536 + u16(b, at + 2);
/** @param {Uint8Array} b @param {number} at */
const u16le = (b, at) => b[at] | (b[at + 1] << 8);
/** @param {Uint8Array} b @param {number} at */
const u24le = (b, at) => u16le(b, at) | (b[at + 2] << 16);
/** @param {Uint8Array} b @param {number} at */
const u32le = (b, at) => u16le(b, at) + u16le(b, at + 2) * 65536;

/** @param {Uint8Array} b @param {number} from @param {number} to */
export function latin1(b, from, to) {
  let s = "";
  for (let i = from; i < to && i < b.length; i++) s += String.fromCharCode(b[i]);
  return s;
}

/**
 * @param {Uint8Array} bytes The whole file.
 * @returns {PhotoFile} Width and height are as stored, before any turning; null where not read.
 */
export function inspect(bytes) {
  if (bytes.length === 0) throw new PhotoError("the file is empty");
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(bytes);
  if (latin1(bytes, 1, 4) === "PNG" && bytes[0] === 0x89) return png(bytes);
  if (latin1(bytes, 0, 4) === "RIFF" && latin1(bytes, 8, 12) === "WEBP") return webp(bytes);
  if (latin1(bytes, 0, 3) === "GIF") return plain("gif", u16le(bytes, 6), u16le(bytes, 8));
  if (latin1(bytes, 0, 2) === "BM" && bytes.length >= 26) {
    return plain("bmp", u32le(bytes, 18) | 0, Math.abs(u32le(bytes, 22) | 0));
  }
  const brand = latin1(bytes, 4, 8) === "ftyp" ? latin1(bytes, 8, 12) : "";
  if (brand === "avif" || brand === "avis") return plain("avif", null, null);
  if (/^(heic|heix|hevc|mif1|msf1)$/.test(brand)) return plain("heic", null, null);
  if (latin1(bytes, 0, 4) === "II*\0" || latin1(bytes, 0, 4) === "MM\0*") return plain("tiff", null, null);
  return plain("unknown", null, null);
}

/**
 * @param {PhotoFile["kind"]} kind
 * @param {number | null} width
 * @param {number | null} height
 * @returns {PhotoFile}
 */
function plain(kind, width, height) {
  return { kind, width, height, pixels: null, orientation: 1, taken: null, profile: null, profileDeflated: false, hdr: null, coded: null };
}

/** @param {Uint8Array} b @returns {PhotoFile} */
function jpeg(b) {
  const file = plain("jpeg", null, null);
  /** @type {Map<number, Uint8Array>} */
  const parts = new Map();
  let wanted = 0;
  let at = 2;
  while (at + 4 <= b.length) {
    if (b[at] !== 0xff) break; // not a marker: the decoder will say what is wrong
    const marker = b[at + 1];
    if (marker === 0xff) {
      at += 1; // padding
      continue;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // no payload
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break; // pixels begin, or the end
    const end = at + 2 + u16(b, at + 2);
    const body = b.subarray(at + 4, Math.min(end, b.length));
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      file.height = u16(body, 1);
      file.width = u16(body, 3);
      file.pixels = body[5] === 1 ? "gray" : body[5] === 4 ? "cmyk" : "rgb";
    } else if (marker === 0xe1 && latin1(body, 0, 6) === "Exif\0\0") {
      Object.assign(file, readExif(body.subarray(6)));
    } else if (marker === 0xe2 && latin1(body, 0, 12) === "ICC_PROFILE\0") {
      parts.set(body[12], body.subarray(14));
      wanted = body[13];
    }
    at = Math.max(end, at + 2);
  }
  if (wanted > 0 && parts.size === wanted) {
    file.profile = join(Array.from({ length: wanted }, (_, i) => parts.get(i + 1)));
  }
  return file;
}

/** @param {(Uint8Array | undefined)[]} parts @returns {Uint8Array | null} */
function join(parts) {
  const whole = parts.filter((p) => p !== undefined);
  if (whole.length !== parts.length) return null;
  const all = new Uint8Array(whole.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of whole) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** @param {Uint8Array} b @returns {PhotoFile} */
function png(b) {
  const file = plain("png", u32(b, 16), u32(b, 20));
  let seen = false;
  for (let at = 8; at + 12 <= b.length; ) {
    const length = u32(b, at);
    const name = latin1(b, at + 4, at + 8);
    const body = b.subarray(at + 8, at + 8 + length);
    if (name === "IHDR") file.pixels = body[9] === 0 || body[9] === 4 ? "gray" : "rgb";
    if (name === "cICP" && !seen && length >= 4) {
      file.hdr = body[1] === 16 ? "PQ" : body[1] === 18 ? "HLG" : null;
      if (body[0] !== 2) file.coded ??= [body[0], body[1]];
    }
    if (name === "IDAT") seen = true;
    if (name === "eXIf") Object.assign(file, readExif(body));
    if (name === "iCCP" && file.profile === null) {
      const zero = body.indexOf(0);
      if (zero >= 0 && body[zero + 1] === 0) {
        file.profile = body.subarray(zero + 2);
        file.profileDeflated = true;
      }
    }
    at += 12 + length;
  }
  return file;
}

/** @param {Uint8Array} b @returns {PhotoFile} */
function webp(b) {
  const file = plain("webp", null, null);
  for (let at = 12; at + 8 <= b.length; ) {
    const name = latin1(b, at, at + 4);
    const length = u32le(b, at + 4);
    const body = b.subarray(at + 8, at + 8 + length);
    if (name === "VP8X") {
      file.width = u24le(body, 4) + 1;
      file.height = u24le(body, 7) + 1;
    } else if (name === "VP8 " && file.width === null && body.length >= 10) {
      file.width = u16le(body, 6) & 0x3fff;
      file.height = u16le(body, 8) & 0x3fff;
    } else if (name === "VP8L" && file.width === null && body.length >= 5) {
      const bits = u32le(body, 1);
      file.width = (bits & 0x3fff) + 1;
      file.height = ((bits >>> 14) & 0x3fff) + 1;
    } else if (name === "ICCP") {
      file.profile = body;
    } else if (name === "EXIF") {
      Object.assign(file, readExif(latin1(body, 0, 6) === "Exif\0\0" ? body.subarray(6) : body));
    }
    at += 8 + length + (length & 1);
  }
  return file;
}

const TAGS = { orientation: 0x0112, exif: 0x8769, taken: 0x9003, fraction: 0x9291 };
const ASCII = 2;
const SHORT = 3;

/**
 * What a TIFF-shaped EXIF block says: the orientation, 1 to 8, and when the photo was taken, seconds since
 * 1970 on the camera's own clock, without regard to a zone. What is damaged says nothing.
 * @param {Uint8Array} b
 * @returns {{orientation: number, taken: number | null}}
 */
function readExif(b) {
  const order = latin1(b, 0, 2);
  if (order !== "II" && order !== "MM") return { orientation: 1, taken: null };
  const two = order === "II" ? u16le : u16;
  const four = order === "II" ? u32le : u32;

  /** Where a table's entries lie, 12 bytes each, by their tags. @param {number} at @returns {Map<number, number>} */
  const table = (at) => {
    const found = new Map();
    if (!(at + 2 <= b.length)) return found;
    for (let i = 0, entry = at + 2; i < two(b, at) && entry + 12 <= b.length; i++, entry += 12) found.set(two(b, entry), entry);
    return found;
  };
  /** @param {number | undefined} entry @returns {string} */
  const text = (entry) => {
    if (entry === undefined || two(b, entry + 2) !== ASCII) return "";
    const length = four(b, entry + 4);
    const at = length <= 4 ? entry + 8 : four(b, entry + 8);
    return length <= 64 && at + length <= b.length ? latin1(b, at, at + length).replace(/^[\0 ]+|[\0 ]+$/g, "") : "";
  };

  const first = table(four(b, 4));
  const turned = first.get(TAGS.orientation);
  const value = turned !== undefined && two(b, turned + 2) === SHORT ? two(b, turned + 8) : 1;
  const pointer = first.get(TAGS.exif);
  const exif = pointer === undefined ? new Map() : table(four(b, pointer + 8));
  return {
    orientation: value >= 1 && value <= 8 ? value : 1,
    taken: seconds(text(exif.get(TAGS.taken)), text(exif.get(TAGS.fraction))),
  };
}

/** @param {string} date As EXIF writes it. @param {string} fraction Digits behind its seconds. */
function seconds(date, fraction) {
  const found = /^(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)$/.exec(date);
  if (!found) return null;
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1, day);
  moment.setUTCHours(hour, minute, second);
  // A month of 13, or a 30th of February, would be read as a later day.
  const exact = moment.getUTCMonth() === month - 1 && moment.getUTCDate() === day && moment.getUTCHours() === hour;
  if (!exact || minute > 59 || second > 59) return null;
  return moment.getTime() / 1000 + (/^\d+$/.test(fraction) ? Number(`0.${fraction}`) : 0);
}
