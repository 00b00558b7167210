/**
 * Results that outlive a reload, in this browser's own database and nowhere else: a photo's name, size, date and
 * SHA-256, its score with all that came with it, and a small picture. Photos themselves are never kept.
 *
 * Results belong to a model's file: those of another one are not shown.
 */

const NAME = "ralikit-demo";
const RESULTS = "results";

/** @param {IDBRequest} request */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * @typedef {object} Kept
 * @property {string} model SHA-256 of the model's file.
 * @property {string} digest SHA-256 of the photo's file.
 * @property {string} name
 * @property {number} size Bytes.
 * @property {number} modified Milliseconds since 1970; 0: not known.
 * @property {number} at When it was scored, the same.
 * @property {object} result What `Library` shows of it.
 */

export class Store {
  /** @type {Promise<IDBDatabase | null> | null} */
  #opened = null;
  /** The last write, so that what is forgotten does not come back. @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @returns {Promise<IDBDatabase | null>} null where the browser keeps nothing, e.g. in private windows of some. */
  #database() {
    this.#opened ??= new Promise((resolve) => {
      if (!globalThis.indexedDB || !globalThis.crypto?.subtle) return resolve(null);
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(RESULTS, { keyPath: ["model", "digest"] }).createIndex("model", "model");
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close(); // another tab forgets everything
        resolve(request.result);
      };
      request.onerror = () => resolve(null);
    });
    return this.#opened;
  }

  /** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} work @param {T} none */
  #with(mode, work, none) {
    const run = this.#last.then(async () => {
      const database = await this.#database();
      try {
        return database ? await done(work(database.transaction(RESULTS, mode).objectStore(RESULTS))) : none;
      } catch {
        return none; // full, or closed: the page works without
      }
    });
    this.#last = run;
    return run;
  }

  /** Results of a model, as they were scored. @param {string} model @returns {Promise<Kept[]>} */
  async of(model) {
    const all = await this.#with("readonly", (store) => store.index("model").getAll(model), []);
    return all.sort((a, b) => a.at - b.at);
  }

  /** @param {Kept} kept */
  put(kept) {
    return this.#with("readwrite", (store) => store.put(kept), undefined);
  }

  /** Results of all models. @returns {Promise<number>} */
  count() {
    return this.#with("readonly", (store) => store.count(), 0);
  }

  /** Remove everything, of every model. */
  async forget() {
    await this.#with("readwrite", (store) => store.clear(), undefined);
  }
}

/** SHA-256 of a photo's file, hexadecimal. @param {Blob} file */
export async function digestOf(file) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(hash, (b) => b.toString(16).padStart(2, "0")).join("");
}
