/** What stands around the photos: progress, files that failed, the histogram, what is kept for another visit. */

import { element } from "./gallery.js";

const $ = (id) => document.getElementById(id);
const BINS = 32;

/** @param {import("./library.js").Library} library */
export function drawProgress(library) {
  const { done, total, since } = library.progress;
  $("working").hidden = total === 0;
  if (total === 0) return;
  const passed = (performance.now() - since) / 1000;
  const left = done > 2 ? `, about ${Math.max(1, Math.round((passed / done) * (total - done)))} s left` : "";
  $("progress-words").textContent = library.scorer ? `${done} of ${total} photos${left}` : `${total} photos wait for the model`;
  $("progress").max = total;
  $("progress").value = done;
}

/** @param {import("./library.js").Item[]} failed */
export function drawFailures(failed) {
  $("failures").hidden = failed.length === 0;
  $("failures-words").textContent = `${failed.length} file${failed.length === 1 ? "" : "s"} could not be scored`;
  if ($("failures-list").childElementCount !== failed.length) {
    $("failures-list").replaceChildren(...failed.map((i) => element("li", { textContent: `${i.name}: ${i.error}` })));
  }
}

/**
 * @param {import("./library.js").Item[]} done
 * @param {import("./scale.js").ScoreScale} scale
 * @param {{side: string, threshold: number}} view Bars of what it shows stand out.
 */
export function drawHistogram(done, scale, { side, threshold }) {
  const bins = new Array(BINS).fill(0);
  for (const item of done) bins[Math.min(BINS - 1, Math.floor(scale.share(item.score) * BINS))]++;
  const most = Math.max(1, ...bins);
  const list = $("histogram");
  if (list.childElementCount !== BINS) list.replaceChildren(...bins.map(() => document.createElement("i")));
  bins.forEach((n, i) => {
    const bar = list.children[i];
    const middle = scale.minimum + ((i + 0.5) / BINS) * (scale.maximum - scale.minimum);
    bar.style.height = `${Math.round((100 * n) / most)}%`;
    bar.className = n && (side === "all" || (side === "least" ? middle >= threshold : middle < threshold)) ? "in" : "";
  });
}

/** In words, with the button that ends it. @param {import("./library.js").Library} library */
export async function drawKept(library) {
  if (library.working) return;
  const count = await library.store.count();
  $("kept").hidden = count === 0;
  $("kept-words").textContent = `For your next visit this browser keeps the results of ${count} photo${count === 1 ? "" : "s"}: name, size, date and checksum, the score with its reasons, and a small picture. The photos themselves are not kept, and nothing leaves this device.`;
}
