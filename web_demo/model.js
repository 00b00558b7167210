/** The Model view: loads the page's own model or another one, and says what it is. */

import { RaliScorer } from "./ralikit-web/index.js";
import { facts } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const ORT = new URL("ort/", document.baseURI).href;

/** What the page is doing, at the top of it. @param {"loading" | "ready" | "failed"} is @param {string} words */
export function state(is, words) {
  $("state").dataset.is = is;
  $("state-text").textContent = words;
}

/** @param {import("./ralikit-web/index.js").LoadedModel} model */
const running = ({ facts: f, backend }) => `${f.name} · on this device${backend === "webgpu" ? ", WebGPU" : ""}`;

/**
 * @param {import("./library.js").Library} library
 * @param {{ready: (model: import("./ralikit-web/index.js").LoadedModel) => void, failed: () => void}} on `ready` before any
 *   photo is scored by it; `failed` where there is no model now.
 * @returns {{own: () => Promise<void>, warm: () => Promise<void>}} Load the page's own; have code optimised while nobody waits.
 */
export function makeModel(library, { ready, failed }) {
  /** What runs now, to be loaded again on another backend. @type {[string | Blob, string, number]} */
  let loaded;

  /** @param {string | Blob} from @param {string} label @param {number} bytes Its length. */
  async function load(from, label, bytes) {
    $("model-error").hidden = true;
    state("loading", `Loading ${label}`);
    const previous = library.scorer;
    try {
      const scorer = await RaliScorer.load(from, {
        ort: ORT,
        backend: $("backend").value,
        warmUp: Boolean(previous), // one that works is replaced only by another that does
        onProgress: ({ loaded }) => state("loading", loaded < bytes ? `Loading ${label}, ${Math.floor((100 * loaded) / bytes)} %` : `Starting ${label}`),
      });
      describe(scorer.model);
      $("model-note").textContent = scorer.model.note && `${scorer.model.note}.`;
      ready(scorer.model);
      await library.use(scorer);
      await previous?.close();
      loaded = [from, label, bytes];
      state("ready", running(scorer.model));
      $("own-model").hidden = typeof from === "string";
    } catch (error) {
      $("model-error").textContent = `${label}: ${error.message}`;
      $("model-error").hidden = false;
      state(previous ? "ready" : "failed", previous ? running(previous.model) : "The model could not be loaded");
      if (!previous) failed();
    }
  }

  async function own() {
    const { model } = await (await fetch("demo.json")).json();
    await load(model.file, model.name, model.bytes);
  }

  async function warm() {
    const { scorer } = library;
    if (!scorer || scorer.model.firstMs !== null) return;
    try {
      if (!library.working) await scorer.warmUp();
    } catch (error) {
      if (scorer === library.scorer) state("failed", error.message);
    }
    await library.idle();
    if (scorer === library.scorer) describe(scorer.model);
  }

  $("pick-model").onclick = () => $("model-file").click();
  $("model-file").onchange = () => {
    const [file] = $("model-file").files;
    $("model-file").value = "";
    if (file) load(file, file.name, file.size);
  };
  $("own-model").onclick = own;
  $("backend-field").hidden = !("gpu" in navigator);
  $("backend").onchange = () => loaded && load(...loaded);
  return { own, warm };
}

function describe(model) {
  const f = model.facts;
  const p = f.preprocess;
  const resize = p.shortestEdge === null ? `squashed to ${p.size} × ${p.size}` : `short edge to ${p.shortestEdge} pixels`;
  facts($("facts"), [
    ["Name", f.name],
    ["Precision", `${f.precision}, ${(model.bytes / 1e6).toFixed(1)} MB`],
    ["Score", `${f.scale.minimum} to ${f.scale.maximum}: ${f.scale.meaning}`],
    ["Tells apart", f.tieWidth === null ? "not measured" : `scores at least ${f.tieWidth} apart`],
    ["Looks at", `${p.anchors.length} view${p.anchors.length > 1 ? "s" : ""} of ${p.size} × ${p.size} pixels, ${resize}`],
    ["Runs on", `${model.backend === "webgpu" ? "graphics chip (WebGPU)" : `processor, ${model.threads} thread${model.threads > 1 ? "s" : ""}`}, ${model.runtime}`],
    ["Loaded in", `${Math.round(model.loadMs)} ms${model.firstMs === null ? "" : `, first run ${Math.round(model.firstMs)} ms`}`],
    ["Weights", f.weights === "random" ? "RANDOM: scores mean nothing" : f.weights],
    ["Licence", f.licence || "not stated"],
    ...(f.notice ? [["Notice", f.notice]] : []),
    ["File, SHA-256", model.sha256 ?? "not available on this page"],
    ["Bundle", f.bundle],
  ]);
}
