/**
 * `.tflite` files through LiteRT.js (`@litertjs/core`), which a page brings along: it looks like a session of
 * ONNX Runtime Web from outside. It runs on the processor alone, since that is what scores are proved on.
 */

import { checkSignature } from "./backend.js";
import { ModelError, RuntimeLoadError } from "./errors.js";

/** As ONNX Runtime's, so that one `infer` serves both. */
class Tensor {
  /** @param {string} type @param {Uint8Array | Float32Array} data @param {number[]} dims */
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {import("../index.d.ts").LiteRt} litert
 * @returns {Promise<{ort: any, session: any}>}
 */
export async function openLiteRt(bytes, facts, { module, wasm }) {
  try {
    await (module.getGlobalLiteRtPromise() ?? module.loadLiteRt(wasm));
  } catch (error) {
    throw new RuntimeLoadError(`LiteRT.js could not be loaded from ${wasm}: serve the wasm folder of @litertjs/core there`, { cause: error });
  }
  let model;
  try {
    model = await module.loadAndCompile(bytes, { accelerator: "wasm" });
  } catch (error) {
    throw new ModelError(`LiteRT.js cannot run this model: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  const opened = { ort: { Tensor }, session: session(module, model) };
  try {
    checkSignature(opened.session, facts);
  } catch (error) {
    await opened.session.release();
    throw error;
  }
  return opened;
}

/** @param {any} module @param {any} model */
function session(module, model) {
  const [input, ...others] = model.getInputDetails();
  /** @type {string[]} */
  const outputNames = model.getOutputDetails().map((/** @type {{name: string}} */ { name }) => name);
  return {
    inputNames: [input, ...others].map(({ name }) => name),
    outputNames,
    inputMetadata: [{ isTensor: true, type: input.dtype, shape: Array.from(input.shape) }],
    /** @param {Record<string, {data: Uint8Array | Float32Array, dims: number[]}>} feeds */
    async run(feeds) {
      const given = new module.Tensor(feeds[input.name].data, feeds[input.name].dims);
      /** @type {any[]} */
      let outputs = [];
      try {
        outputs = await model.run([given]);
        const values = await Promise.all(outputs.map((output) => output.data()));
        const copies = values.map((value) => Float32Array.from(value)); // they lie in memory that is freed below
        return Object.fromEntries(outputNames.map((name, i) => [name, { getData: async () => copies[i] }]));
      } finally {
        for (const tensor of [given, ...outputs]) tensor.delete();
      }
    },
    async release() {
      model.delete();
    },
  };
}
