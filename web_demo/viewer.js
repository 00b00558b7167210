/** One photo large, and two side by side. One full-size picture is held at a time per place. */

import { element } from "./gallery.js";
import { drawMap, mapWords } from "./map.js";

const $ = (id) => document.getElementById(id);
const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Show a file in an image; the last one is let go. */
function picture(image, file) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = file ? URL.createObjectURL(file) : "";
  if (!file) image.removeAttribute("src");
}

/** @param {HTMLElement} list @param {[string, string][]} rows */
export function facts(list, rows) {
  list.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
}

/** Why the score is low, in words and shares; no row where the model has no reasons. */
function reasonRows({ reasons = [], reasonValues = {} }) {
  if (!Object.keys(reasonValues).length) return [];
  const words = reasons.map((r) => `${r.words} (${Math.round(100 * r.value)} %)`).join(", ");
  return [["Reasons", words || "none named"]];
}

export class Viewer {
  /** @type {AbortController | null} */
  #looking = null;

  /**
   * @param {() => {order: import("./library.js").Item[], ranks: Map<number, {label: string}>, scale: any, scenes: Map<number, string>}} view
   * @param {(file: Blob, options: object) => Promise<import("./ralikit-web/index.js").Explanation>} explain
   */
  constructor(view, explain) {
    this.view = view;
    this.explain = explain;
    this.id = 0;
    this.dialog = /** @type {HTMLDialogElement} */ ($("viewer"));
    $("viewer-close").onclick = () => this.dialog.close();
    $("viewer-previous").onclick = () => this.#step(-1);
    $("viewer-next").onclick = () => this.#step(1);
    $("viewer-explain").onclick = () => this.#map();
    this.dialog.onclose = () => {
      this.#unmap();
      picture($("viewer-image"), null);
    };
    this.dialog.onkeydown = (event) => {
      if (event.key === "ArrowLeft") this.#step(-1);
      if (event.key === "ArrowRight") this.#step(1);
    };
  }

  /** @param {number} id */
  open(id) {
    const { order, ranks, scale, scenes } = this.view();
    const item = order.find((i) => i.id === id);
    if (!item) return;
    this.id = id;
    $("viewer-title").textContent = `${ranks.get(id).label} · ${item.name}`;
    this.#unmap();
    $("viewer-explain").hidden = !item.file;
    picture($("viewer-image"), item.file ?? item.thumbnail);
    $("viewer-image").alt = item.name;
    const { decodeMs, resizeMs, inferMs } = item.timings;
    facts($("viewer-facts"), [
      ["Score", `${scale.spoken(item.score)} (${scale.meaning})`],
      ...reasonRows(item),
      ...(scenes.get(id) ? [["Scene", scenes.get(id)]] : []),
      ["Photo", `${item.width} × ${item.height} pixels, ${(item.size / 1e6).toFixed(2)} MB`],
      ...(item.file ? [] : [["Seen here", "a small picture of an earlier visit; choose the photo again to see it whole"]]),
      ["Time", `decode ${ms(decodeMs)}, resize ${ms(resizeMs)}, model ${ms(inferMs)}`],
      ...(item.profile === "none" ? [] : [["Colours", item.profile === "converted" ? "embedded profile converted to sRGB" : "embedded profile converted by the browser: the score may differ a little from Python's"]]),
    ]);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Show the map, stop making it, or take it away. */
  async #map() {
    if (this.#looking || !$("viewer-map").hidden) return this.#unmap();
    const looking = (this.#looking = new AbortController());
    const item = this.view().order.find((i) => i.id === this.id);
    const progress = $("viewer-progress");
    progress.hidden = false;
    $("viewer-explain").textContent = "Stop";
    $("viewer-words").textContent = "Looking at every part of the photo. This takes a while.";
    try {
      const found = await this.explain(item.file, {
        signal: looking.signal,
        onProgress: ({ done, total }) => (progress.value = done / total),
      });
      await $("viewer-image").decode();
      looking.signal.throwIfAborted();
      drawMap($("viewer-map"), $("viewer-image"), found);
      $("viewer-words").textContent = mapWords(found);
      $("viewer-map").setAttribute("aria-label", `Score map of ${item.name}`);
      $("viewer-image").hidden = !($("viewer-map").hidden = false);
      $("viewer-explain").textContent = "Show the photo";
    } catch (error) {
      if (this.#looking !== looking) return; // stopped: what is shown belongs to something else
      this.#unmap();
      $("viewer-words").textContent = `There is no map of this photo: ${error.message}`;
    } finally {
      if (this.#looking === looking) this.#looking = null;
      progress.hidden = this.#looking === null;
    }
  }

  #unmap() {
    this.#looking?.abort();
    this.#looking = null;
    $("viewer-map").hidden = $("viewer-progress").hidden = true;
    $("viewer-image").hidden = false;
    $("viewer-explain").textContent = "Where is it bad?";
    $("viewer-words").textContent = "";
    $("viewer-progress").value = 0;
  }

  #step(by) {
    const { order } = this.view();
    const at = order.findIndex((i) => i.id === this.id);
    const next = order[at + by];
    if (next) this.open(next.id);
  }
}

/**
 * Two photos beside each other, and whether the model tells them apart.
 * @param {import("./library.js").Item[]} pair
 * @param {any} scale
 * @param {number | null} tieWidth
 */
export function compare(pair, scale, tieWidth) {
  const dialog = /** @type {HTMLDialogElement} */ ($("versus"));
  const [better, worse] = [...pair].sort((a, b) => b.score - a.score);
  const gap = better.score - worse.score;
  const close = tieWidth !== null && gap < tieWidth;
  $("verdict").textContent = close
    ? `Too close to call: ${gap.toFixed(2)} apart, and this model tells photos apart from about ${tieWidth.toFixed(2)}.`
    : `${better.name} scores ${gap.toFixed(2)} higher${tieWidth === null ? "." : `, more than the ${tieWidth.toFixed(2)} this model can tell apart.`}`;
  const images = [];
  $("pair").replaceChildren(
    ...pair.map((item) => {
      const image = element("img", { alt: item.name });
      picture(image, item.file ?? item.thumbnail);
      images.push(image);
      const bar = element("i");
      bar.style.setProperty("--q", scale.share(item.score).toFixed(3));
      return element(
        "figure", {}, image,
        element(
          "figcaption", {},
          element("span", { className: "score-line" }, element("span", { className: "score", textContent: scale.text(item.score) }), element("span", { className: "word", textContent: scale.word(item.score) })),
          element("span", { className: "bar" }, bar),
          element("span", { className: "reasons", textContent: (item.reasons ?? []).map((r) => r.words).join(", ") }),
          element("span", { className: "name", textContent: `${item.name}, ${item.width} × ${item.height}`, title: item.name }),
        ),
      );
    }),
  );
  $("versus-close").onclick = () => dialog.close();
  dialog.onclose = () => images.forEach((image) => picture(image, null));
  dialog.showModal();
}
