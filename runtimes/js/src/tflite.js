/**
 * What a .tflite file says about itself, and whether it is whole. Few fields are needed, so they are read straight
 * from the flatbuffer; the digest of the whole file is checked before any offset in it is believed.
 */

import { ModelError } from "./errors.js";
import { MARK, blankedHash, damaged } from "./digest.js";
import { KEY, readFactsText } from "./metadata.js";

const DIGITS = 64;
const METADATA = 6; // fields of a model, by their order in schema.fbs
const BUFFERS = 4;

/** @param {Uint8Array} bytes */
export const isTflite = (bytes) => bytes.length > 8 && latin(bytes.subarray(4, 8)) === "TFL3";

/** @param {Uint8Array} bytes */
const latin = (bytes) => new TextDecoder("latin1").decode(bytes);

/**
 * Refuse a file that was altered since it was written, then read its facts.
 * @param {Uint8Array} bytes The whole file.
 * @returns {Promise<{facts: import("../index.d.ts").ModelFacts, digested: boolean}>} `digested` is false where there
 *   is no SHA-256: outside secure contexts.
 */
export async function readTflite(bytes) {
  const digested = await checkDigest(bytes);
  let text;
  try {
    text = metadata(bytes);
  } catch (error) {
    throw error instanceof ModelError ? error : damaged(error);
  }
  return { facts: readFactsText(text), digested };
}

/** @param {Uint8Array} bytes */
async function checkDigest(bytes) {
  const found = digests(bytes);
  const kinds = new Set(found.map(({ digits }) => digits));
  if (kinds.size !== 1) {
    throw new ModelError("this .tflite file carries no ralikit metadata: it was not made by ralikit export, or it is damaged");
  }
  if (!globalThis.crypto?.subtle) return false;
  if ((await blankedHash(bytes, found[0].at)) !== found[0].digits) throw damaged();
  return true;
}

/** Every digest that stands in the file, and where. @param {Uint8Array} bytes */
function digests(bytes) {
  const mark = new TextEncoder().encode(MARK);
  const found = [];
  for (let at = bytes.indexOf(mark[0]); at >= 0; at = bytes.indexOf(mark[0], at + 1)) {
    if (!mark.every((byte, i) => bytes[at + i] === byte)) continue;
    const start = at + mark.length;
    const digits = latin(bytes.subarray(start, start + DIGITS));
    if (/^[0-9a-f]{64}$/.test(digits)) found.push({ at: start, digits });
  }
  return found;
}

/** The entry `ralikit`. @param {Uint8Array} bytes */
function metadata(bytes) {
  const file = new Flat(bytes);
  const model = file.at(0);
  const own = file.vector(model, METADATA).filter((entry) => file.text(entry, 0) === KEY);
  if (own.length > 1) throw new ModelError("this file carries ralikit metadata twice: it was altered; copy or export it again");
  if (own.length === 0) throw new ModelError("this .tflite file carries no ralikit metadata: it was not made by ralikit export");
  const buffer = file.vector(model, BUFFERS)[file.number(own[0], 1)];
  return new TextDecoder("utf-8", { fatal: true }).decode(file.bytesOf(buffer, 0));
}

/** The little of flatbuffers that this takes: tables, vectors of tables, text; what lies outside throws a RangeError. */
class Flat {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where an offset at a place leads. @param {number} place */
  at(place) {
    return place + this.view.getUint32(place, true);
  }

  /** Where a table's field stands; 0: it is not there. @param {number} table @param {number} field */
  field(table, field) {
    const names = table - this.view.getInt32(table, true);
    const slot = 4 + 2 * field;
    if (slot >= this.view.getUint16(names, true)) return 0;
    const offset = this.view.getUint16(names + slot, true);
    return offset && table + offset;
  }

  /** @param {number} table @param {number} field */
  number(table, field) {
    const place = this.field(table, field);
    return place ? this.view.getUint32(place, true) : 0;
  }

  /** The bytes of a text or of a vector of bytes. @param {number} table @param {number} field */
  bytesOf(table, field) {
    const place = this.field(table, field);
    if (!place) return this.bytes.subarray(0, 0);
    const start = this.at(place);
    const length = this.view.getUint32(start, true);
    if (length > this.bytes.length - start - 4) throw new RangeError("cut off");
    return this.bytes.subarray(start + 4, start + 4 + length);
  }

  /** @param {number} table @param {number} field */
  text(table, field) {
    return latin(this.bytesOf(table, field));
  }

  /** Tables of a vector. @param {number} table @param {number} field @returns {number[]} */
  vector(table, field) {
    const place = this.field(table, field);
    if (!place) return [];
    const start = this.at(place);
    const count = this.view.getUint32(start, true);
    if (4 * count > this.bytes.length - start - 4) throw new RangeError("cut off");
    return Array.from({ length: count }, (_, i) => this.at(start + 4 + 4 * i));
  }
}
