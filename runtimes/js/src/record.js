/**
 * Benchmark records as `ralikit report` reads them: one line each, sealed by a hash over its bytes.
 * A line is `BODY,"sha256":"HASH"}`; HASH is the SHA-256 of the bytes `BODY}` (docs/records.md).
 */
import { RaliError, UsageError } from "./errors.js";

const SCHEMA = 2;
const SEAL = /,"sha256":"([0-9a-f]{64})"\}$/;
const SEAL_BYTES = 77;
const encoder = new TextEncoder();

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Promise<string>} 64 hexadecimal digits */
async function sha256(bytes) {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {Record<string, unknown>} values A record without schema and seal.
 * @returns {Promise<string>} One line of a record file, its line feed included.
 */
export async function sealRecord(values) {
  if ("schema" in values || "sha256" in values) throw new UsageError("schema and sha256 are written by the seal");
  const body = JSON.stringify({ schema: SCHEMA, ...values });
  return `${body.slice(0, -1)},"sha256":"${await sha256(encoder.encode(body))}"}\n`;
}

/**
 * @param {Uint8Array} line One line of a record file, without its line feed.
 * @returns {Promise<Record<string, unknown>>} Its values, without schema and seal.
 */
export async function openRecord(line) {
  const seal = SEAL.exec(String.fromCharCode(...line.subarray(-SEAL_BYTES)));
  if (!seal) throw new RaliError('a record ends with its seal, ,"sha256":"(64 digits 0-9a-f)"}, and nothing stands behind it');
  const body = new Uint8Array([...line.subarray(0, -SEAL_BYTES), 0x7d]);
  if ((await sha256(body)) !== seal[1]) throw new RaliError("the record was edited after it was written (its hash does not fit)");
  const { schema, ...values } = parsed(body);
  if (schema !== SCHEMA) throw new RaliError(`schema ${schema}, this version reads ${SCHEMA}`);
  if ("sha256" in values) throw new RaliError("the record has two seals");
  return values;
}

/** @param {Uint8Array} body @returns {Record<string, unknown>} */
function parsed(body) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch (error) {
    throw new RaliError(`not valid JSON: ${error}`, { cause: error });
  }
}
