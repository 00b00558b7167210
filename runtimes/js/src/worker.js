/** The worker's side: one engine, asked by messages. */

import { prepare } from "./backend.js";
import { Engine } from "./engine.js";
import { UsageError, toPlain } from "./errors.js";

/** @type {Engine | null} */
let engine = null;
/** Photos the other side no longer waits for. @type {Set<number>} */
const dropped = new Set();

/** @param {number} id */
function refuseDropped(id) {
  if (dropped.has(id)) throw new DOMException("cancelled", "AbortError");
}

/** @param {any} message */
async function answer(message) {
  if (message.op === "prepare") return prepare(message.options);
  if (message.op === "load") {
    engine = await Engine.load(new Uint8Array(message.bytes), message.options);
    return engine.model;
  }
  if (!engine) throw new UsageError("no model is loaded");
  refuseDropped(message.id);
  if (message.op === "warmUp") return engine.warmUp();
  if (message.op === "score") return engine.score(message.input, message.options);
  if (message.op === "explain") {
    return engine.explain(message.input, message.options, async (progress) => {
      self.postMessage({ id: message.id, progress });
      await new Promise((soon) => setTimeout(soon)); // lets a message in that it is no longer waited for
      refuseDropped(message.id);
    });
  }
  throw new UsageError(`unknown message ${message.op}`);
}

self.onmessage = async ({ data }) => {
  if (data.op === "drop") {
    dropped.add(data.id);
    return;
  }
  try {
    const result = await answer(data);
    self.postMessage({ id: data.id, result });
  } catch (error) {
    self.postMessage({ id: data.id, error: toPlain(error) });
  } finally {
    dropped.delete(data.id);
    if (data.input instanceof ImageBitmap) data.input.close();
  }
};
