/** What a page uses: load a model once, then score photos without blocking the page. */

import { Engine } from "./engine.js";
import { ModelError, RuntimeLoadError, UsageError, fromPlain } from "./errors.js";

/** @typedef {import("../index.d.ts").Score} Score */
/** @typedef {import("../index.d.ts").PhotoInput} PhotoInput */

/** Photos in work at once: while one runs through the model, the next is decoded. */
const AHEAD = 2;

/** More hardly help a small model, and on phones they are the slow cores. */
const MOST_THREADS = 4;

const OPTIONS = new Set(["ort", "backend", "threads", "worker", "warmUp", "litert", "signal", "onProgress"]);

/**
 * Calls into a worker, or into an engine on this thread.
 * @typedef {object} Host
 * @property {(input: PhotoInput, options: object, signal?: AbortSignal) => Promise<Score>} score
 * @property {(input: PhotoInput, options: object, signal?: AbortSignal, onProgress?: (progress: any) => void) => Promise<any>} explain
 * @property {() => Promise<number>} warmUp How long it took, ms.
 * @property {() => Promise<void>} close
 */

export class RaliScorer {
  /** @type {Host} */
  #host;
  #closed = false;

  /**
   * Use `RaliScorer.load`.
   * @param {Host} host
   * @param {import("../index.d.ts").LoadedModel} model
   */
  constructor(host, model) {
    this.#host = host;
    this.model = model;
  }

  /**
   * Load an exported `.onnx` file, or a `.tflite` one with the option `litert`.
   *
   * @param {string | URL | Blob | ArrayBuffer | Uint8Array} from
   * @param {import("../index.d.ts").LoadOptions} [options]
   * @returns {Promise<RaliScorer>}
   */
  static async load(from, options = {}) {
    for (const key of Object.keys(options)) {
      if (!OPTIONS.has(key)) throw new UsageError(`unknown option "${key}"; known: ${[...OPTIONS].join(", ")}`);
    }
    const { signal, onProgress, litert, worker = !litert } = options;
    if (litert && worker) throw new UsageError("a module cannot go into a worker: with litert, worker must be false");
    signal?.throwIfAborted();
    const engine = {
      ort: new URL(options.ort ?? "../../onnxruntime-web/dist/", options.ort ? globalThis.location?.href : import.meta.url).href,
      backend: options.backend,
      litert,
      warmUp: options.warmUp,
      threads: options.threads ?? (worker ? usefulThreads() : 1),
    };
    if (!worker) {
      const local = await Engine.load(await readModel(from, signal, onProgress), engine);
      const host = {
        score: (/** @type {PhotoInput} */ i, /** @type {object} */ o) => local.score(i, o),
        explain: (/** @type {PhotoInput} */ i, /** @type {object} */ o, /** @type {AbortSignal | undefined} */ s, /** @type {any} */ tell) =>
          local.explain(i, o, (progress) => (s?.throwIfAborted(), tell?.(progress))),
        warmUp: () => local.warmUp(),
        close: () => local.close(),
      };
      return new RaliScorer(host, local.model);
    }
    const remote = new Remote();
    try {
      // The runtime comes while the model does; what goes wrong with it is said as the model is loaded.
      remote.call({ op: "prepare", options: engine }).catch(() => {});
      const bytes = await readModel(from, signal, onProgress);
      signal?.throwIfAborted();
      const buffer = bytes.buffer.byteLength === bytes.length ? bytes.buffer : bytes.slice().buffer;
      const owned = from instanceof ArrayBuffer || from instanceof Uint8Array ? buffer.slice(0) : buffer;
      const model = await remote.call({ op: "load", bytes: owned, options: engine }, [owned], signal);
      return new RaliScorer(remote, model);
    } catch (error) {
      await remote.close();
      throw error;
    }
  }

  /**
   * Score one photo.
   *
   * @param {PhotoInput} input
   * @param {import("../index.d.ts").ScoreOptions} [options]
   * @returns {Promise<Score>}
   */
  async score(input, { signal, thumbnail, maxPixels, fingerprint } = {}) {
    if (this.#closed) throw new UsageError("this scorer is closed; load it again");
    signal?.throwIfAborted();
    const score = await this.#host.score(input, { thumbnail, maxPixels, fingerprint }, signal);
    this.model.firstMs ??= score.timings.inferMs;
    return score;
  }

  /** Run one inference on an empty picture, so that the first photo does not wait; for `warmUp: false`. */
  async warmUp() {
    if (this.#closed) throw new UsageError("this scorer is closed; load it again");
    const ms = await this.#host.warmUp();
    this.model.firstMs ??= ms;
  }

  /**
   * Say where a photo is bad: windows of it, each scored alone. As many inferences as windows, about 100.
   *
   * @param {PhotoInput} input
   * @param {import("../index.d.ts").ExplainOptions} [options]
   * @returns {Promise<import("../index.d.ts").Explanation>}
   */
  async explain(input, { signal, onProgress, edge, maxPixels } = {}) {
    if (this.#closed) throw new UsageError("this scorer is closed; load it again");
    signal?.throwIfAborted();
    return this.#host.explain(input, { edge, maxPixels }, signal, onProgress);
  }

  /**
   * Score many photos, each as soon as it is done; a photo that cannot be read is an entry with an
   * error, and the others go on. Ends with the signal's reason when cancelled.
   *
   * @param {Iterable<PhotoInput> | AsyncIterable<PhotoInput>} inputs
   * @param {import("../index.d.ts").ScoreAllOptions} [options]
   * @returns {AsyncGenerator<import("../index.d.ts").BatchEntry, void, void>}
   */
  async *scoreAll(inputs, { onProgress, total, ...options } = {}) {
    const { signal } = options;
    const count = total ?? (Array.isArray(inputs) ? inputs.length : null);
    /** @type {Promise<import("../index.d.ts").BatchEntry>[]} */
    const queue = [];
    let done = 0;
    const next = async () => {
      const entry = await /** @type {Promise<import("../index.d.ts").BatchEntry>} */ (queue.shift());
      signal?.throwIfAborted();
      onProgress?.({ done: ++done, total: count });
      return entry;
    };
    let index = 0;
    for await (const input of inputs) {
      signal?.throwIfAborted();
      queue.push(this.#entry(input, index++, options));
      if (queue.length >= AHEAD) yield next();
    }
    while (queue.length) yield next();
  }

  /**
   * @param {PhotoInput} input
   * @param {number} index
   * @param {import("../index.d.ts").ScoreOptions} options
   * @returns {Promise<import("../index.d.ts").BatchEntry>}
   */
  async #entry(input, index, options) {
    try {
      return { index, input, score: await this.score(input, options) };
    } catch (error) {
      return { index, input, error: /** @type {Error} */ (error) };
    }
  }

  /** Free the model's memory. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    await this.#host.close();
  }
}

/** Threads that a page may have: one alone where it is not cross-origin isolated. */
function usefulThreads() {
  return globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
}

/** A worker with an engine in it. */
class Remote {
  constructor() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void, tell?: (progress: any) => void}>} */
    this.waiting = new Map();
    this.last = 0;
    /** Why nothing will be answered any more. @type {Error | null} */
    this.dead = null;
    this.worker.onmessage = ({ data }) => {
      const wait = this.waiting.get(data.id);
      if (data.progress) return wait?.tell?.(data.progress);
      this.waiting.delete(data.id);
      if (data.error) wait?.reject(fromPlain(data.error));
      else wait?.resolve(data.result);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail(new RuntimeLoadError(`the scoring worker stopped: ${event.message || "it could not be loaded"}`));
    };
    this.worker.onmessageerror = () => this.fail(new RuntimeLoadError("the scoring worker sent what cannot be read"));
  }

  /** @param {Error} error */
  fail(error) {
    this.dead = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  /**
   * @param {object} message
   * @param {Transferable[]} [transfer]
   * @param {AbortSignal} [signal]
   * @param {(progress: any) => void} [tell]
   * @returns {Promise<any>}
   */
  call(message, transfer = [], signal, tell) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      if (this.dead) return reject(this.dead);
      const cancel = () => {
        // The model cannot be stopped within a photo: the answer is dropped, waiting ones are not begun.
        this.waiting.delete(id);
        this.worker.postMessage({ op: "drop", id });
        reject(signal?.reason);
      };
      const settle = () => signal?.removeEventListener("abort", cancel);
      this.waiting.set(id, {
        resolve: (value) => (settle(), resolve(value)),
        reject: (error) => (settle(), reject(error)),
        tell,
      });
      signal?.addEventListener("abort", cancel, { once: true });
      this.worker.postMessage({ ...message, id }, transfer);
    });
  }

  /** @param {PhotoInput} input @param {object} options @param {AbortSignal} [signal] */
  score(input, options, signal) {
    return this.#ask("score", input, options, signal);
  }

  /** @param {PhotoInput} input @param {object} options @param {AbortSignal} [signal] @param {(progress: any) => void} [tell] */
  explain(input, options, signal, tell) {
    return this.#ask("explain", input, options, signal, tell);
  }

  /** @param {string} op @param {PhotoInput} input @param {object} options @param {AbortSignal} [signal] @param {(progress: any) => void} [tell] */
  async #ask(op, input, options, signal, tell) {
    // A bitmap is copied for the worker: transferring the caller's own would empty it.
    const copy = typeof ImageBitmap !== "undefined" && input instanceof ImageBitmap ? await createImageBitmap(input) : null;
    return this.call({ op, input: copy ?? input, options }, copy ? [copy] : [], signal, tell);
  }

  /** @returns {Promise<number>} */
  warmUp() {
    return this.call({ op: "warmUp" });
  }

  async close() {
    this.worker.terminate();
    this.fail(new UsageError("this scorer was closed"));
  }
}

/**
 * @param {string | URL | Blob | ArrayBuffer | Uint8Array} from
 * @param {AbortSignal} [signal]
 * @param {(progress: {loaded: number, total: number | null}) => void} [onProgress]
 */
async function readModel(from, signal, onProgress) {
  if (from instanceof Uint8Array) return from;
  if (from instanceof ArrayBuffer) return new Uint8Array(from);
  if (from instanceof Blob) return new Uint8Array(await from.arrayBuffer());
  let response;
  try {
    response = await fetch(from, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ModelError(`the model cannot be fetched from ${from}`, { cause: error });
  }
  if (!response.ok || !response.body) throw new ModelError(`the model is not at ${from}: the server answered ${response.status}`);
  // Of a compressed answer it is the compressed length, and what is counted here is not.
  const plain = !response.headers.get("content-encoding");
  const total = (plain && Number(response.headers.get("content-length"))) || null;
  const parts = [];
  let loaded = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    onProgress?.({ loaded, total });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
