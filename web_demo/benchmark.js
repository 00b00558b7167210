/** The Benchmark view: measures the loaded model here, shows it, and saves it as a record. */

import { measure, toRecord } from "./bench.js";
import { save } from "./csv.js";
import { element } from "./gallery.js";
import { percentile } from "./percentile.js";

const $ = (id) => document.getElementById(id);
const ms = (v) => `${v < 100 ? v.toFixed(1) : Math.round(v)} ms`;

/** @param {import("./library.js").Library} library @param {(words: string) => void} announce */
export function makeBenchmark(library, announce) {
  /** @type {AbortController | null} */
  let bench = null;
  let record = "";

  async function runBench(options) {
    if (!library.scorer || bench) return;
    if (library.working) {
      announce("Wait until the photos are scored: both at once would measure neither.");
      $("bench-result").replaceChildren(element("p", { className: "error", textContent: "Photos are being scored; measure when they are done." }));
      return;
    }
    bench = new AbortController();
    for (const id of ["bench-quick", "bench-full", "bench-save"]) $(id).disabled = true;
    $("bench-working").hidden = $("bench-stop").hidden = false;
    try {
      const result = await measure(library.scorer, {
        ...options,
        signal: bench.signal,
        onProgress: (share, words) => {
          $("bench-progress").value = share;
          $("bench-words").textContent = words;
        },
      });
      record = await toRecord(library.scorer, result);
      showResult(library.scorer.model, result);
      announce(`Measured: median ${ms(percentile(result.inference, 0.5))} for the model.`);
      $("bench-save").disabled = false;
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      bench = null;
      $("bench-quick").disabled = $("bench-full").disabled = false;
      $("bench-working").hidden = $("bench-stop").hidden = true;
    }
  }

  $("bench-quick").onclick = () => runBench({ runs: 30 });
  $("bench-full").onclick = () => runBench({ seconds: 60 });
  $("bench-stop").onclick = () => bench?.abort();
  $("bench-save").onclick = () => save(record, "ralikit-web-bench.jsonl", "application/jsonl");
}

/** @param {import("./ralikit-web/index.js").LoadedModel} model @param {Awaited<ReturnType<typeof measure>>} result */
function showResult(model, { inference, ends, bytes, large, quick }) {
  const middle = (pick) => ms(percentile(ends.map(pick), 0.5));
  const figure = (value, words) => element("div", { className: "figure" }, element("b", { textContent: value }), element("span", { textContent: words }));
  $("bench-result").replaceChildren(
    element(
      "div", { className: "figures" },
      figure(ms(percentile(inference, 0.5)), `model, median (p50) of ${inference.length}`),
      figure(ms(percentile(inference, 0.9)), "model, p90"),
      figure(middle((e) => e.decodeMs), "12-megapixel photo: decode"),
      figure(middle((e) => e.resizeMs), "12-megapixel photo: resize"),
      figure(middle((e) => e.inferMs), "12-megapixel photo: model"),
      figure(bytes === null ? "not told" : `${Math.round(bytes / 1e6)} MB`, "memory of this page"),
      figure(ms(model.loadMs), "loading the model"),
      figure(ms(model.firstMs), "first run"),
    ),
    element("p", {
      className: "small",
      textContent: `${quick ? "A quick look, not a final figure. " : ""}${model.facts.name}, ${model.facts.precision}, ${model.runtime}, ${model.backend}, ${model.threads} thread${model.threads > 1 ? "s" : ""}. The photo: ${large.width} × ${large.height}, ${(large.bytes / 1e6).toFixed(1)} MB JPEG, median of 3.`,
    }),
  );
}
