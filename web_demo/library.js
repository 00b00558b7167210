/** The photos and their scores. Files stay on disk; thumbnails are kept, and results outlive a reload. */

import { digestOf } from "./store.js";

const THUMBNAIL = 360; // longest edge, pixels: about 15 kB each

/**
 * @typedef {object} Item
 * @property {number} id
 * @property {File | Blob | null} file null: scored at an earlier visit, and a page may not open it again by itself.
 * @property {string} name
 * @property {number} size Of the file, bytes.
 * @property {number} modified Milliseconds since 1970; 0: not known.
 * @property {string} [digest] SHA-256 of the file, where it was scored at an earlier visit.
 * @property {"waiting" | "done" | "failed"} state
 * @property {number} [score]
 * @property {readonly {id: string, words: string, value: number}[]} [reasons]
 * @property {Readonly<Record<string, number>>} [reasonValues]
 * @property {number} [width]
 * @property {number} [height]
 * @property {{decodeMs: number, resizeMs: number, inferMs: number}} [timings]
 * @property {string} [profile]
 * @property {Uint8Array} [fingerprint]
 * @property {number | null} [taken]
 * @property {Blob} [thumbnail]
 * @property {string} [error]
 */

export class Library extends EventTarget {
  /** @type {Item[]} */
  items = [];
  /** @type {Item[]} */
  #waiting = [];
  /** @type {AbortController | null} */
  #run = null;
  #last = 0;
  scorer = null;
  progress = { done: 0, total: 0, since: 0 };

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    super();
    this.store = store;
  }

  get working() {
    return this.#run !== null;
  }

  /** @param {{file: File | Blob, name: string}[]} photos */
  add(photos) {
    const fresh = photos.map(({ file, name }) => ({
      id: ++this.#last, file, name, size: file.size, modified: file.lastModified ?? 0, state: /** @type {const} */ ("waiting"),
    }));
    this.items.push(...fresh);
    this.#waiting.push(...fresh);
    this.progress.total += fresh.length;
    this.#changed();
    this.start();
  }

  /** Score what waits, with the model now loaded. */
  async start() {
    if (this.#run || !this.scorer || this.#waiting.length === 0) return;
    const run = (this.#run = new AbortController());
    if (this.progress.done === 0) this.progress.since = performance.now();
    const taken = [];
    try {
      for await (const entry of this.scorer.scoreAll(this.#unscored(taken), { signal: run.signal, thumbnail: THUMBNAIL, fingerprint: true })) {
        this.#settle(taken[entry.index], entry);
      }
    } catch (error) {
      if (error.name !== "AbortError") this.#emit("broken", error);
      run.abort(); // whatever it was, it will not go better with the next photo
    }
    this.#run = null;
    if (run.signal.aborted) {
      this.#letGo();
    } else if (this.#waiting.length) {
      this.start(); // added in the last moment
      return;
    }
    const { done, since } = this.progress;
    this.#emit("finished", { done, cancelled: run.signal.aborted, seconds: (performance.now() - since) / 1000 });
    this.progress = { done: 0, total: 0, since: 0 };
    this.#changed();
  }

  /** The files that wait, but for those whose results are kept. @param {Item[]} taken Is given what is handed out. */
  async *#unscored(taken) {
    while (this.#waiting.length) {
      const item = this.#waiting.shift();
      if (await this.#known(item)) continue;
      taken.push(item);
      yield item.file;
    }
  }

  /** Whether a photo is one of an earlier visit, which then has its file again. @param {Item} item */
  async #known(item) {
    const alike = ({ file, name, size, modified }) => !file && name === item.name && size === item.size && modified === item.modified;
    const twin = this.items.find(alike);
    if (!twin || (await digestOf(item.file).catch(() => "")) !== twin.digest) return false;
    twin.file = item.file;
    this.items = this.items.filter((other) => other !== item);
    this.progress.done++;
    this.#changed();
    return true;
  }

  /** Wait until nothing is being scored. */
  async idle() {
    while (this.#run) await new Promise((soon) => this.addEventListener("finished", soon, { once: true }));
  }

  /** Stop; scored photos stay, those still waiting are let go. */
  cancel() {
    this.#run?.abort();
  }

  /** Let go of everything, also of what is kept for another visit. */
  async clear() {
    this.cancel();
    this.#waiting.length = 0;
    this.items = [];
    this.#changed();
    await this.store.forget();
    this.#changed();
  }

  /** Score everything again, with another model. */
  async use(scorer) {
    this.#run?.abort();
    await this.idle();
    this.scorer = null; // nothing begins while what is kept is read
    const kept = await this.#kept(scorer.model.sha256);
    this.scorer = scorer;
    this.#waiting = this.items.filter((item) => item.file);
    for (const item of this.#waiting) item.state = "waiting";
    this.items = [...kept, ...this.#waiting];
    this.progress = { done: 0, total: this.#waiting.length, since: performance.now() };
    this.#changed();
    this.start();
  }

  /** Photos of earlier visits that a model scored. @param {string | null} model @returns {Promise<Item[]>} */
  async #kept(model) {
    const all = model ? await this.store.of(model) : [];
    return all.map(({ digest, name, size, modified, result }) => ({ ...result, id: ++this.#last, file: null, name, size, modified, digest, state: "done" }));
  }

  /** Keep a result for another visit. @param {Item} item @param {object} result */
  async #keep({ file, name, size, modified }, result) {
    const model = this.scorer.model.sha256;
    if (!model) return;
    const digest = await digestOf(file);
    if (this.items.some((item) => item.file === file)) await this.store.put({ model, digest, name, size, modified, at: Date.now(), result });
  }

  /** @param {Item} item */
  #settle(item, entry) {
    if (entry.error) {
      Object.assign(item, { state: "failed", error: entry.error.message });
    } else {
      const { score, reasons, reasonValues, width, height, timings, thumbnail, profile, fingerprint, taken } = entry.score;
      const result = { score, reasons, reasonValues, width, height, timings, thumbnail, profile, fingerprint, taken };
      Object.assign(item, { state: "done", ...result });
      this.#keep(item, result).catch(() => {}); // the file went away, or the disk is full: this visit has it
    }
    this.progress.done++;
    this.#changed();
  }

  #letGo() {
    this.#waiting.length = 0;
    this.items = this.items.filter((item) => item.state !== "waiting");
  }

  #changed() {
    this.#emit("changed", null);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * What is shown, in its order. Scenes of several photos come whole: the best scene first, its best photo first.
 * @param {Item[]} items
 * @param {{order: string, side: string, threshold: number, reason?: string, scenes?: string}} view `reason`: "" any,
 *   "none" none named, or an id; `scenes`: "all" photos, the "best" of each, or scenes of "several".
 * @param {Map<number, import("./scenes.js").Mark>} [marks]
 */
export function arrange(items, { order, side, threshold, reason = "", scenes = "all" }, marks = new Map()) {
  const names = new Intl.Collator(undefined, { numeric: true });
  const inScene = ({ id }) => {
    if (scenes === "best") return marks.get(id)?.is === "best";
    return scenes === "all" || marks.get(id)?.size > 1;
  };
  const named = ({ reasons = [] }) => {
    if (reason === "none") return reasons.length === 0;
    return reason === "" || reasons.some((r) => r.id === reason);
  };
  const done = items.filter(
    (item) =>
      item.state === "done" &&
      (side === "all" || (side === "least" ? item.score >= threshold : item.score < threshold)) &&
      inScene(item) &&
      named(item),
  );
  const by = {
    best: (a, b) => b.score - a.score || a.id - b.id,
    worst: (a, b) => a.score - b.score || a.id - b.id,
    name: (a, b) => names.compare(a.name, b.name),
    added: (a, b) => a.id - b.id,
  };
  const of = ({ id }) => marks.get(id);
  return done.sort(
    scenes === "several" ? (a, b) => of(b).top - of(a).top || of(a).scene - of(b).scene || by.best(a, b) : by[order],
  );
}

/**
 * The place of every scored photo; those that the model does not tell apart share one.
 * @param {Item[]} items
 * @param {(values: number[], options: object) => {place: number, tied: boolean}[]} places That of ralikit-web.
 * @param {number | null} tieWidth
 * @returns {Map<number, {place: number, tied: boolean, label: string}>} By the photos' ids.
 */
export function ranks(items, places, tieWidth) {
  const done = items.filter((i) => i.state === "done");
  const found = places(done.map((i) => i.score), { tieWidth });
  return new Map(done.map(({ id }, i) => [id, { ...found[i], label: `${found[i].place}${found[i].tied ? "=" : ""}` }]));
}
