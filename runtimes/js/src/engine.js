/** One loaded model on one thread: ONNX Runtime Web behind a few checks. */

import { infer, open } from "./backend.js";
import { fingerprint } from "./best.js";
import { UsageError } from "./errors.js";
import { openLiteRt } from "./litert.js";
import { isTflite, readTflite } from "./tflite.js";
import { openPhoto } from "./decode.js";
import { checkWhole, sha256 as hash } from "./digest.js";
import { explain } from "./explain.js";
import { readFacts } from "./metadata.js";
import { cutViews } from "./preprocess.js";
import { namedReasons, reasonValues } from "./reasons.js";

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
    const lite = isTflite(bytes);
    const { facts, digested } = lite ? await readTflite(bytes) : await readOnnx(bytes);
    const hashing = hash(bytes); // on another thread, while the session is made
    const opened = lite ? await openTflite(bytes, facts, options) : await open(bytes, facts, options);
    const { ort, session, backend, note } = opened;
    const engine = new Engine(ort, session, {
      facts, digested, sha256: await hashing, bytes: bytes.length, backend, note, threads: ort.env?.wasm.numThreads ?? 1,
      runtime: lite ? "litertjs" : `onnxruntime-web ${ort.env?.versions?.web ?? ort.env?.versions?.common ?? "?"}`,
      loadMs: performance.now() - started, firstMs: null,
    });
    if (options.warmUp ?? true) engine.model.firstMs = await engine.warmUp();
    return engine;
  }

  /**
   * One inference on an empty picture.
   * @returns {Promise<number>} How long it took, ms.
   */
  async warmUp() {
    const { anchors, size } = this.model.facts.preprocess;
    const started = performance.now();
    await this.infer(new Uint8Array(anchors.length * size * size * 3));
    return performance.now() - started;
  }

  /**
   * Score one photo's views.
   * @param {Uint8Array} views (V, S, S, 3)
   * @returns {Promise<{value: number, reasons: number[]}>}
   */
  infer(views) {
    const run = this.turn.then(() => infer(this, this.model.facts, views));
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

  /**
   * Where a photo is bad.
   * @param {import("../index.d.ts").PhotoInput} input
   * @param {{edge?: number, maxPixels?: number}} options
   * @param {(progress: {done: number, total: number}) => void | Promise<void>} [onProgress] May stop it by an error.
   */
  async explain(input, { edge, maxPixels }, onProgress) {
    const photo = await openPhoto(input, { maxPixels });
    try {
      return await explain(photo.source, this.model.facts, (views) => this.infer(views), { edge, onProgress });
    } finally {
      photo.close();
    }
  }

  async close() {
    await this.turn;
    await this.session.release();
  }
}

/** @param {Uint8Array} bytes */
async function readOnnx(bytes) {
  const facts = readFacts(bytes);
  return { facts, digested: await checkWhole(bytes, facts) };
}

/**
 * @param {Uint8Array} bytes
 * @param {import("../index.d.ts").ModelFacts} facts
 * @param {import("./types.d.ts").EngineOptions} options
 */
async function openTflite(bytes, facts, { litert }) {
  if (!litert) throw new UsageError("a .tflite file needs LiteRT.js: give @litertjs/core as the option litert, or export --target onnx");
  return { ...(await openLiteRt(bytes, facts, litert)), backend: /** @type {const} */ ("litert"), note: "" };
}
