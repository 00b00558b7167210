/**
 * What an exported file says about itself. ONNX Runtime Web does not hand out a model's custom
 * metadata, so the few fields needed are read straight from the protobuf (onnx.ModelProto).
 */

import { ModelError } from "./errors.js";
import { readPreprocess } from "./preprocess.js";
import { readReasons } from "./reasons.js";

/** The one schema of facts this version reads. */
export const SCHEMA = 1;
/** Name of the entry with the facts. */
export const KEY = "ralikit";
/** Name of the entry in which a file carries a digest of itself. */
export const DIGEST = "ralikit.digest";
const METADATA_PROPS = 14; // field number in ModelProto
const text = new TextDecoder("utf-8", { fatal: true });

/** Walks the fields of one protobuf message; every length is checked against the buffer. */
export class Fields {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  varint() {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.bytes.length) throw new RangeError("cut off");
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * 2 ** shift; // not <<: lengths and enums may pass 32 bits
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number without an end");
  }

  /** Next field; `body` is set for length-delimited ones. */
  next() {
    const tag = this.varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (field === 0) throw new RangeError("field 0");
    if (wire === 0) {
      this.varint();
      return { field, body: null };
    }
    const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? this.varint() : NaN;
    if (!(length <= this.bytes.length - this.at)) throw new RangeError("cut off");
    const body = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return { field, body: wire === 2 ? body : null };
  }

  get done() {
    return this.at >= this.bytes.length;
  }
}

/**
 * Where the metadata entries of an ONNX file stand: each value's first byte and the one after its last.
 *
 * @param {Uint8Array} bytes
 * @returns {Map<string, {start: number, stop: number}>}
 */
export function entriesOf(bytes) {
  /** @type {Map<string, {start: number, stop: number}>} */
  const entries = new Map();
  let graph = false;
  let twice = false;
  try {
    const model = new Fields(bytes);
    while (!model.done) {
      const { field, body } = model.next();
      if (field === 7 && body) graph = true;
      if (field !== METADATA_PROPS || !body) continue;
      let key = "";
      let value = body.subarray(body.length);
      const entry = new Fields(body);
      while (!entry.done) {
        const part = entry.next();
        if (part.field === 1 && part.body) key = text.decode(part.body);
        if (part.field === 2 && part.body) value = part.body;
      }
      twice ||= entries.has(key) && (key === KEY || key === DIGEST);
      const start = value.byteOffset - bytes.byteOffset;
      entries.set(key, { start, stop: start + value.length });
    }
  } catch (error) {
    throw new ModelError("this is not a whole ONNX file: choose a .onnx that ralikit export wrote", { cause: error });
  }
  if (!graph) throw new ModelError("this is not an ONNX file: choose a .onnx that ralikit export wrote");
  // Readers would not agree on which of them counts.
  if (twice) throw new ModelError("this file carries ralikit metadata twice: it was altered; copy or export it again");
  return entries;
}

/**
 * The metadata entries of an ONNX file.
 *
 * @param {Uint8Array} bytes
 * @returns {Map<string, string>}
 */
export function readMetadata(bytes) {
  /** @type {Map<string, string>} */
  const entries = new Map();
  for (const [key, { start, stop }] of entriesOf(bytes)) {
    try {
      entries.set(key, text.decode(bytes.subarray(start, stop)));
    } catch (error) {
      throw new ModelError("this file's metadata is not text: copy or export it again", { cause: error });
    }
  }
  return entries;
}

/**
 * Read and check the facts of an exported file. Whether the file is whole is checked as it is loaded.
 *
 * @param {Uint8Array} bytes The whole file.
 * @returns {import("../index.d.ts").ModelFacts}
 */
export function readFacts(bytes) {
  const entry = readMetadata(bytes).get(KEY);
  if (entry === undefined) {
    throw new ModelError("this ONNX file carries no ralikit metadata: it was not made by ralikit export");
  }
  return readFactsText(entry);
}

/**
 * @param {string} entry The facts as they stand in a file, JSON.
 * @returns {import("../index.d.ts").ModelFacts}
 */
export function readFactsText(entry) {
  let raw;
  try {
    raw = JSON.parse(entry);
  } catch (error) {
    throw new ModelError("this file's ralikit metadata is not valid JSON: export it again", { cause: error });
  }
  if (raw?.schema !== SCHEMA) {
    throw new ModelError(
      `this file's metadata is of schema ${raw?.schema}, this version of ralikit-web reads ${SCHEMA}: ` +
        "use the ralikit-web of the ralikit that exported it",
    );
  }
  const { minimum, maximum, meaning } = raw.scale ?? {};
  if (!(Number.isFinite(minimum) && Number.isFinite(maximum) && minimum < maximum)) {
    throw new ModelError("this file's metadata has no score scale: export it again with ralikit");
  }
  const model = raw.model ?? {};
  // Files of the first version call it resolution.
  const width = model.tie_width ?? model.resolution;
  const tieWidth = Number.isFinite(width) ? width : null;
  const outputs = readOutputs(raw);
  return {
    schema: SCHEMA,
    name: String(model.name ?? "unnamed"),
    bundle: String(model.bundle ?? ""),
    weights: String(model.weights ?? ""),
    tower: String(model.tower ?? ""),
    licence: String(model.licence ?? ""),
    notice: String(model.notice ?? ""),
    tieWidth,
    resolution: tieWidth, // its former name
    precision: typeof raw.precision === "string" ? raw.precision : "unknown",
    scale: { minimum, maximum, meaning: String(meaning ?? "") },
    outputs,
    reasons: readReasons(raw, outputs),
    preprocess: readPreprocess(raw.preprocess),
    raw,
  };
}

/**
 * What the file gives, by name; those of the first version call them functions.
 * @param {Record<string, any>} raw
 * @returns {string[]}
 */
function readOutputs(raw) {
  const given = raw.outputs ?? raw.functions ?? ["score"];
  if (!Array.isArray(given) || !given.every((name) => typeof name === "string") || given[0] !== "score") {
    throw new ModelError(`this file's metadata names its outputs as ${JSON.stringify(given)}; the score comes first`);
  }
  return given;
}
