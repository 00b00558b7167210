/** Which of ONNX Runtime Web's backends runs a model: WebGPU only where it scores as the processor does. */

import { ModelError, RuntimeLoadError } from "./errors.js";
import { checkReasons } from "./reasons.js";

/** ONNX Runtime Web's module for each backend; it loads its .wasm from the same folder. */
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };

/**
 * How far WebGPU's answers for the built-in picture may lie from the processor's: the score by this share of
 * its scale (0.01 on 1 to 5, where the bundled models tell apart 0.6), a reason by this much.
 */
export const TOLERANCE = { score: 0.0025, reason: 0.02 };

/** A graphics chip that takes longer for one picture is of no use, and may never answer. */
const PATIENCE_MS = 30_000;

/** A graph that gives back its input: a session of it makes ONNX Runtime compile its .wasm. */
const IDENTITY = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0=";

/**
 * Fetch and compile what a session needs, e.g. while the model is still on its way.
 * @param {import("./types.d.ts").EngineOptions} options
 */
export async function prepare(options) {
  const ort = await load("wasm", options);
  const graph = Uint8Array.from(atob(IDENTITY), (c) => c.charCodeAt(0));
  await (await session(ort, graph, "wasm")).release();
}

/**
 * @param {Uint8Array} bytes The model file.
 * @param {import("../index.d.ts").ModelFacts} facts Its own.
 * @param {import("./types.d.ts").EngineOptions} options
 * @returns {Promise<{ort: any, session: any, backend: "wasm" | "webgpu", note: string}>}
 */
export async function open(bytes, facts, options) {
  const { backend = "wasm" } = options;
  if (backend === "webgpu" && !(await hasWebGpu())) {
    throw new RuntimeLoadError("this browser offers no WebGPU here; use backend: \"wasm\"");
  }
  const own = await openOn("wasm", bytes, facts, options);
  if (backend === "wasm") return { ...own, backend, note: "" };
  if (!(await hasWebGpu())) return { ...own, backend: "wasm", note: "This browser offers no WebGPU here: the processor is used" };
  try {
    const gpu = await within(PATIENCE_MS, openAlike(own, bytes, facts, options));
    await own.session.release();
    return { ...gpu, backend: "webgpu", note: "" };
  } catch (error) {
    if (backend === "webgpu") {
      await own.session.release();
      throw error;
    }
    return { ...own, backend: "wasm", note: `WebGPU was tried and the processor is used: ${reason(error)}` };
  }
}

/**
 * A session on WebGPU that answers for the built-in picture as the processor does.
 * @param {{ort: any, session: any}} own The processor's.
 * @param {Uint8Array} bytes
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {import("./types.d.ts").EngineOptions} options
 */
async function openAlike(own, bytes, facts, options) {
  const gpu = await openOn("webgpu", bytes, facts, options);
  const views = builtInViews(facts.preprocess);
  try {
    const [wanted, found] = [await infer(own, facts, views), await infer(gpu, facts, views)];
    refuseFar(wanted, found, facts.scale);
    return gpu;
  } catch (error) {
    await gpu.session.release();
    throw error;
  }
}

/**
 * @typedef {{value: number, reasons: number[]}} Answer
 * @param {Answer} wanted
 * @param {Answer} found
 * @param {import("../index.d.ts").Scale} scale
 */
function refuseFar(wanted, found, { minimum, maximum }) {
  const limit = TOLERANCE.score * (maximum - minimum);
  const off = Math.abs(found.value - wanted.value);
  if (!(off <= limit)) {
    throw new ModelError(`its score for the built-in picture is ${off.toFixed(4)} off the processor's, more than ${limit.toFixed(4)}`);
  }
  const far = Math.max(0, ...wanted.reasons.map((r, i) => Math.abs(r - found.reasons[i])));
  if (!(far <= TOLERANCE.reason)) {
    throw new ModelError(`a reason for the built-in picture is ${far.toFixed(4)} off the processor's, more than ${TOLERANCE.reason}`);
  }
}

/**
 * Views of the picture that both are asked about: (7 x + 13 y + 29 c + x y mod 11) mod 256, c being 0, 1, 2.
 * @param {import("../index.d.ts").Preprocess} preprocess
 * @returns {Uint8Array} (V, S, S, 3)
 */
export function builtInViews({ size, anchors }) {
  const view = new Uint8Array(size * size * 3);
  for (let i = 0; i < view.length; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
    view[i] = 7 * x + 13 * y + 29 * c + ((x * y) % 11); // stored modulo 256
  }
  const views = new Uint8Array(anchors.length * view.length);
  anchors.forEach((_, v) => views.set(view, v * view.length));
  return views;
}

/**
 * One inference.
 * @param {{ort: any, session: any}} opened
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {Uint8Array} views (V, S, S, 3)
 * @returns {Promise<Answer>}
 */
export async function infer({ ort, session }, facts, views) {
  const { size, anchors } = facts.preprocess;
  const dims = [anchors.length, size, size, 3];
  const float = session.inputMetadata?.[0]?.type === "float32";
  const tensor = float ? new ort.Tensor("float32", Float32Array.from(views), dims) : new ort.Tensor("uint8", views, dims);
  const results = await session.run({ [session.inputNames[0]]: tensor });
  const value = Number((await results[session.outputNames[0]].getData())[0]);
  if (!Number.isFinite(value)) throw new ModelError("the model gave no number for this photo");
  const { length } = facts.reasons;
  return { value, reasons: length ? checkReasons(await results.reasons.getData(), length) : [] };
}

async function hasWebGpu() {
  const gpu = /** @type {any} */ (globalThis.navigator)?.gpu;
  try {
    return Boolean(gpu && (await gpu.requestAdapter()));
  } catch {
    return false;
  }
}

/**
 * @param {"wasm" | "webgpu"} backend
 * @param {Uint8Array} bytes
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {import("./types.d.ts").EngineOptions} options
 */
async function openOn(backend, bytes, facts, options) {
  const ort = await load(backend, options);
  const opened = { ort, session: await session(ort, bytes, backend, optimisation(facts, backend)) };
  try {
    checkSignature(opened.session, facts);
  } catch (error) {
    await opened.session.release();
    throw error;
  }
  return opened;
}

/**
 * How far ONNX Runtime rewrites a graph. The last level puts convolutions into another layout, whose kernels take
 * longer until they are optimised and are no faster then (docs/web.md); integer files lose nothing by it.
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {"wasm" | "webgpu"} backend
 */
function optimisation({ precision }, backend) {
  return backend === "wasm" && (precision === "fp32" || precision === "fp16") ? "extended" : "all";
}

/**
 * @param {any} ort
 * @param {Uint8Array} graph
 * @param {"wasm" | "webgpu"} backend
 * @param {"extended" | "all"} [graphOptimizationLevel]
 */
async function session(ort, graph, backend, graphOptimizationLevel = "all") {
  // Threads that spin between photos take the cores that decode the next.
  const extra = { session: { intra_op: { allow_spinning: "0" } } };
  try {
    return await ort.InferenceSession.create(graph, { executionProviders: [backend], graphOptimizationLevel, extra });
  } catch (error) {
    const where = backend === "wasm" ? "WebAssembly" : "WebGPU";
    throw new ModelError(`${where} cannot run this model: ${reason(error)}`, { cause: error });
  }
}

/**
 * @param {"wasm" | "webgpu"} backend
 * @param {import("./types.d.ts").EngineOptions} options
 */
async function load(backend, options) {
  const base = new URL(options.ort.endsWith("/") ? options.ort : `${options.ort}/`);
  const url = new URL(MODULES[backend], base).href;
  try {
    const ort = await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
    ort.env.wasm.wasmPaths = base.href;
    ort.env.wasm.numThreads = options.threads ?? 1;
    ort.env.logLevel = "error";
    return ort;
  } catch (error) {
    throw new RuntimeLoadError(
      `ONNX Runtime Web could not be loaded from ${url}: install onnxruntime-web and serve its dist folder there`,
      { cause: error },
    );
  }
}

/**
 * The graph's own input must be what its facts say.
 * @param {any} session
 * @param {import("../index.d.ts").ModelFacts} facts
 */
export function checkSignature(session, facts) {
  const { size, anchors } = facts.preprocess;
  const outputs = facts.outputs;
  if (session.inputNames.length !== 1 || session.outputNames.join() !== outputs.join()) {
    throw new ModelError(
      `the model must have one input and give ${outputs.join(", ")}, as its metadata says; export it again with ralikit`,
    );
  }
  const input = session.inputMetadata?.[0];
  if (!input?.isTensor) return;
  const wanted = [anchors.length, size, size, 3];
  const fits = input.shape.length === 4 && wanted.every((n, i) => typeof input.shape[i] !== "number" || input.shape[i] === n);
  if (!fits || !["uint8", "float32"].includes(input.type)) {
    throw new ModelError(
      `the model takes ${input.type} ${JSON.stringify(input.shape)}, its metadata says uint8 ${JSON.stringify(wanted)}`,
    );
  }
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T>} work Its answer is of no use any more once the time is over.
 * @returns {Promise<T>}
 */
async function within(ms, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new RuntimeLoadError(`it gave no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return /** @type {T} */ (await Promise.race([work, late]));
  } finally {
    clearTimeout(timer);
  }
}

/** @param {unknown} error */
function reason(error) {
  return error instanceof Error ? error.message : String(error);
}
