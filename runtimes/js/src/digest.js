/**
 * Whether a file is the one that was written: the digest that it carries of itself, and that no
 * weights lie elsewhere. docs/contract.md has the rule, which is the same in every language.
 */

import { ModelError } from "./errors.js";
import { DIGEST, Fields, entriesOf } from "./metadata.js";

export const MARK = "ralikit-sha256:";
const DIGITS = 64;
const ZERO = 0x30;

/**
 * Where tensors can be, by message: a field's number and the message in it (onnx.proto).
 * @type {Record<string, Record<number, string>>}
 */
const WITHIN = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
};
const EXTERNAL_DATA = 13; // of a tensor: key and value entries

/**
 * Refuse a file that was altered since it was written, or that is not all there is.
 *
 * @param {Uint8Array} bytes The whole file; 64 bytes of it are other ones for a moment, no longer
 *   than this function takes to return its promise.
 * @param {import("../index.d.ts").ModelFacts} facts Its own.
 * @returns {Promise<boolean>} Whether it carries a digest that was checked: older files have none,
 *   and pages outside secure contexts have nothing to check it with.
 */
export async function checkWhole(bytes, facts) {
  try {
    refuseWeightsElsewhere(bytes);
  } catch (error) {
    throw error instanceof ModelError ? error : damaged(error);
  }
  const entry = entriesOf(bytes).get(DIGEST);
  if (!entry) {
    if ("digest" in facts.raw) throw damaged();
    return false;
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(entry.start, entry.stop));
  const digits = text.slice(MARK.length);
  if (!text.startsWith(MARK) || !/^[0-9a-f]+$/.test(digits) || digits.length !== DIGITS) throw damaged();
  if (!globalThis.crypto?.subtle) return false;
  if ((await blankedHash(bytes, entry.stop - DIGITS)) !== digits) throw damaged();
  return true;
}

/** @param {Uint8Array} bytes @returns {Promise<string | null>} Hexadecimal; null outside secure contexts. */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (bytes));
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
}

/**
 * SHA-256 of a file whose 64 digits at `at` count as zeros. The digest works on a copy that is taken
 * before the call returns (Web Cryptography, 14.3.5), so a second one of 300 MB is spared.
 * @param {Uint8Array} bytes
 * @param {number} at
 */
export function blankedHash(bytes, at) {
  const digits = bytes.slice(at, at + DIGITS);
  bytes.fill(ZERO, at, at + DIGITS);
  try {
    return sha256(bytes);
  } finally {
    bytes.set(digits, at);
  }
}

/** @param {Uint8Array} bytes */
function refuseWeightsElsewhere(bytes) {
  const waiting = [{ kind: "model", bytes }];
  for (let message = waiting.pop(); message; message = waiting.pop()) {
    const parts = new Fields(message.bytes);
    while (!parts.done) {
      const { field, body } = parts.next();
      const inner = WITHIN[message.kind]?.[field];
      if (body && inner) waiting.push({ kind: inner, bytes: body });
      if (body && message.kind === "tensor" && field === EXTERNAL_DATA && says(body, "location")) {
        throw new ModelError("this file keeps weights in another file: ralikit export writes and reads files that are whole");
      }
    }
  }
}

/** Whether an entry's key is this one. @param {Uint8Array} entry @param {string} key */
function says(entry, key) {
  const parts = new Fields(entry);
  while (!parts.done) {
    const { field, body } = parts.next();
    if (field === 1 && body && new TextDecoder().decode(body) === key) return true;
  }
  return false;
}

/** @param {unknown} [cause] */
export function damaged(cause) {
  const words = "this file is damaged: it differs from what ralikit export wrote; copy or export it again";
  return new ModelError(words, cause === undefined ? undefined : { cause });
}
