/** The photos of this visit and their scores. Files stay on disk; only thumbnails are kept. */

const THUMBNAIL = 360; // longest edge, pixels: about 15 kB each

/**
 * @typedef {object} Item
 * @property {number} id
 * @property {File | Blob} file
 * @property {string} name
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

  get working() {
    return this.#run !== null;
  }

  /** @param {{file: File | Blob, name: string}[]} photos */
  add(photos) {
    const fresh = photos.map(({ file, name }) => ({ id: ++this.#last, file, name, state: /** @type {const} */ ("waiting") }));
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
    const waiting = this.#waiting;
    const next = function* () {
      while (waiting.length) {
        const item = waiting.shift();
        taken.push(item);
        yield item.file;
      }
    };
    try {
      for await (const entry of this.scorer.scoreAll(next(), { signal: run.signal, thumbnail: THUMBNAIL, fingerprint: true })) {
        this.#settle(taken[entry.index], entry);
      }
    } catch (error) {
      if (error.name !== "AbortError") this.#emit("broken", error);
      run.abort(); // whatever it was, it will not go better with the next photo
    }
    this.#run = null;
    if (run.signal.aborted) {
      this.#forget(taken);
    } else if (this.#waiting.length) {
      this.start(); // added in the last moment
      return;
    }
    const { done, since } = this.progress;
    this.#emit("finished", { done, cancelled: run.signal.aborted, seconds: (performance.now() - since) / 1000 });
    this.progress = { done: 0, total: 0, since: 0 };
    this.#changed();
  }

  /** Stop; scored photos stay, those still waiting are let go. */
  cancel() {
    this.#run?.abort();
  }

  clear() {
    this.cancel();
    this.#waiting.length = 0;
    this.items = [];
    this.#changed();
  }

  /** Score everything again, with another model. */
  async use(scorer) {
    this.scorer = scorer;
    this.#run?.abort();
    while (this.#run) await new Promise((soon) => setTimeout(soon, 10));
    for (const item of this.items) item.state = "waiting";
    this.#waiting = [...this.items];
    this.progress = { done: 0, total: this.items.length, since: performance.now() };
    this.#changed();
    this.start();
  }

  /** @param {Item} item */
  #settle(item, entry) {
    if (entry.error) {
      Object.assign(item, { state: "failed", error: entry.error.message });
    } else {
      const { score, reasons, reasonValues, width, height, timings, thumbnail, profile, fingerprint, taken } = entry.score;
      Object.assign(item, { state: "done", score, reasons, reasonValues, width, height, timings, thumbnail, profile, fingerprint, taken });
    }
    this.progress.done++;
    this.#changed();
  }

  #forget(taken) {
    const gone = new Set([...taken, ...this.#waiting].filter((item) => item.state === "waiting"));
    this.#waiting.length = 0;
    this.items = this.items.filter((item) => !gone.has(item));
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
