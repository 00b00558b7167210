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
      for await (const entry of this.scorer.scoreAll(next(), { signal: run.signal, thumbnail: THUMBNAIL })) {
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
      const { score, reasons, reasonValues, width, height, timings, thumbnail, profile } = entry.score;
      Object.assign(item, { state: "done", score, reasons, reasonValues, width, height, timings, thumbnail, profile });
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
 * What is shown, in its order.
 * @param {Item[]} items
 * @param {{order: string, side: string, threshold: number}} view
 */
export function arrange(items, { order, side, threshold }) {
  const names = new Intl.Collator(undefined, { numeric: true });
  const done = items.filter(
    ({ state, score }) => state === "done" && (side === "all" || (side === "least" ? score >= threshold : score < threshold)),
  );
  const by = {
    best: (a, b) => b.score - a.score || a.id - b.id,
    worst: (a, b) => a.score - b.score || a.id - b.id,
    name: (a, b) => names.compare(a.name, b.name),
    added: (a, b) => a.id - b.id,
  };
  return done.sort(by[order]);
}

/** Rank of every scored photo, best first. @param {Item[]} items @returns {Map<number, number>} */
export function ranks(items) {
  const best = items.filter((i) => i.state === "done").sort((a, b) => b.score - a.score || a.id - b.id);
  return new Map(best.map((item, i) => [item.id, i + 1]));
}
