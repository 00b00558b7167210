/** One loaded model on one thread: ONNX Runtime Web behind a few checks. */

import { fingerprint } from "./best.js";
import { ModelError, RuntimeLoadError } from "./errors.js";
import { openPhoto } from "./decode.js";
import { checkWhole, sha256 as hash } from "./digest.js";
import { readFacts } from "./metadata.js";
import { cutViews } from "./preprocess.js";
import { checkReasons, namedReasons, reasonValues } from "./reasons.js";

/** ONNX Runtime Web's module for each backend; both load their .wasm from the same folder. */
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };

/** The model is kept, so one photo at a time runs through it; decoding the next goes on meanwhile. */
export class Engine {
  /**
   * @param {any} ort
   * @param {any} session
   * @param {import("../index.d.ts").LoadedModel} model
   */
  constructor(ort, session, model) {
    this.ort = ort;
    this.session = session;
    this.model = model;
    /** @type {Promise<unknown>} */
    this.turn = Promise.resolve();
  }

  /**
   * @param {Uint8Array} bytes The model file.
   * @param {import("./types.d.ts").EngineOptions} options
   */
  static async load(bytes, options) {
    const started = performance.now();
    const facts = readFacts(bytes);
    const digested = await checkWhole(bytes, facts);
    const sha256 = await hash(bytes);
    const { ort, session, backend, note } = await open(bytes, options);
    try {
      checkSignature(session, facts);
    } catch (error) {
      await session.release();
      throw error;
    }
    const engine = new Engine(ort, session, {
      facts, digested, sha256, bytes: bytes.length, backend, note, threads: options.threads ?? 1,
      runtime: `onnxruntime-web ${ort.env?.versions?.web ?? ort.env?.versions?.common ?? "?"}`,
      loadMs: performance.now() - started, firstMs: 0,
    });
    const { preprocess: p } = facts;
    const first = performance.now();
    await engine.infer(new Uint8Array(p.anchors.length * p.size * p.size * 3)); // a discarded first run
    engine.model.firstMs = performance.now() - first;
    return engine;
  }

  /**
   * Score one photo's views.
   * @param {Uint8Array} views (V, S, S, 3)
   * @returns {Promise<{value: number, reasons: number[]}>}
   */
  infer(views) {
    const run = this.turn.then(async () => {
      const { size, anchors } = this.model.facts.preprocess;
      const dims = [anchors.length, size, size, 3];
      const float = this.session.inputMetadata?.[0]?.type === "float32";
      const tensor = float
        ? new this.ort.Tensor("float32", Float32Array.from(views), dims)
        : new this.ort.Tensor("uint8", views, dims);
      const results = await this.session.run({ [this.session.inputNames[0]]: tensor });
      const value = Number((await results[this.session.outputNames[0]].getData())[0]);
      if (!Number.isFinite(value)) throw new ModelError("the model gave no number for this photo");
      const { length } = this.model.facts.reasons;
      return { value, reasons: length ? checkReasons(await results.reasons.getData(), length) : [] };
    });
    this.turn = run.catch(() => {});
    return run;
  }

  /**
   * @param {import("../index.d.ts").PhotoInput} input
   * @param {import("../index.d.ts").ScoreOptions} [options]
   * @returns {Promise<import("../index.d.ts").Score>}
   */
  async score(input, options = {}) {
    const t0 = performance.now();
    const photo = await openPhoto(input, options);
    try {
      const { width, height } = photo.source;
      // The browser may decode as late as the first read: one row belongs to decoding.
      photo.source.read(0, 1);
      const t1 = performance.now();
      const views = cutViews(photo.source, this.model.facts.preprocess);
      const t2 = performance.now();
      const { value, reasons } = await this.infer(views);
      const t3 = performance.now();
      const thumbnail = options.thumbnail ? await photo.thumbnail(options.thumbnail) : undefined;
      const scene = options.fingerprint ? { fingerprint: fingerprint(photo.source), taken: photo.taken } : {};
      const { scale, tieWidth, reasons: infos } = this.model.facts;
      return {
        ...scene,
        reasons: namedReasons(reasons, infos), reasonValues: reasonValues(reasons, infos),
        score: value, scale, tieWidth, resolution: tieWidth, width, height, profile: photo.profile, thumbnail,
        timings: { decodeMs: t1 - t0, resizeMs: t2 - t1, inferMs: t3 - t2 },
      };
    } finally {
      photo.close();
    }
  }

  async close() {
    await this.turn;
    await this.session.release();
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {import("./types.d.ts").EngineOptions} options
 */
async function open(bytes, options) {
  const { backend = "wasm" } = options;
  const gpu = backend !== "wasm" && (await hasWebGpu());
  if (backend === "webgpu" && !gpu) throw new RuntimeLoadError("this browser offers no WebGPU here; use backend: \"wasm\"");
  let note = "";
  if (gpu) {
    try {
      const ort = await load("webgpu", options);
      const session = await ort.InferenceSession.create(bytes, { executionProviders: ["webgpu"] });
      return { ort, session, backend: /** @type {const} */ ("webgpu"), note };
    } catch (error) {
      if (backend === "webgpu") throw asModelError(error, "WebGPU");
      note = `WebGPU was tried and refused: ${error instanceof Error ? error.message : error}`;
    }
  }
  const ort = await load("wasm", options);
  try {
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return { ort, session, backend: /** @type {const} */ ("wasm"), note };
  } catch (error) {
    throw asModelError(error, "WebAssembly");
  }
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

/** @param {unknown} error @param {string} where */
function asModelError(error, where) {
  const reason = error instanceof Error ? error.message : String(error);
  return new ModelError(`${where} cannot run this model: ${reason}`, { cause: error });
}

/**
 * The graph's own input must be what its facts say.
 * @param {any} session
 * @param {import("../index.d.ts").ModelFacts} facts
 */
function checkSignature(session, facts) {
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
