/** Puts the page together: model, photos, tools, benchmark. */

import { BestShot, places } from "./ralikit-web/index.js";
import { makeBenchmark } from "./benchmark.js";
import { save, toCsv } from "./csv.js";
import { fromInput, onDrop } from "./files.js";
import { Gallery, element } from "./gallery.js";
import { Library, arrange, ranks } from "./library.js";
import { makeModel, state } from "./model.js";
import { drawFailures, drawHistogram, drawKept, drawProgress } from "./panels.js";
import { samples } from "./samples.js";
import { ScoreScale } from "./scale.js";
import { marks, words as sceneWords } from "./scenes.js";
import { Selection, saveCopies } from "./selection.js";
import { Store } from "./store.js";
import { makeTabs } from "./tabs.js";
import { Viewer, compare } from "./viewer.js";

const $ = (id) => document.getElementById(id);

const library = new Library(new Store());
let scale = new ScoreScale({ minimum: 1, maximum: 5, meaning: "" });
let ranked = new Map();
let scenes = new Map();
let sceneTexts = new Map();

// --- photos ----------------------------------------------------------------------------------

function announce(words) {
  $("announce").textContent = words;
}

/** @param {{photos: {file: Blob, name: string}[], left?: number}} found */
function take({ photos, left = 0 }) {
  const words = photos.length === 0 ? "No photos among these files." : `${photos.length} photo${photos.length > 1 ? "s" : ""} added.`;
  announce(left > 0 ? `${words} ${left} other file${left > 1 ? "s were" : " was"} left out.` : words);
  if (photos.length) library.add(photos);
}

const selection = new Selection(() => {
  gallery.mark(selection.ids);
  redrawSoon();
});
const gallery = new Gallery($("gallery"), $("more"), {
  open: (id) => viewer.open(id),
  choose: (id, on) => selection.set(id, on),
});
const viewer = new Viewer(
  () => ({ order: gallery.order, ranks: ranked, scale, scenes: sceneTexts }),
  (file, options) => library.scorer.explain(file, options),
);
/** The chosen photos, in the order shown; those that are not shown come last. */
function chosen() {
  const at = new Map(gallery.order.map((item, i) => [item.id, i]));
  const place = ({ id }) => at.get(id) ?? Infinity;
  return library.items.filter((i) => selection.ids.has(i.id)).sort((a, b) => (place(a) === place(b) ? a.id - b.id : place(a) - place(b)));
}

const PACE_MS = 250;
let planned = false;
let drawn = -PACE_MS;
/** Redraw soon: while hundreds of photos arrive, a few times a second is enough; the first one is shown at once. */
function redrawSoon() {
  if (planned) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    redraw();
  }, library.working ? Math.max(0, drawn + PACE_MS - performance.now()) : 0);
}

function redraw() {
  drawn = performance.now();
  const { items } = library;
  const done = items.filter((i) => i.state === "done");
  const failed = items.filter((i) => i.state === "failed");
  document.body.classList.toggle("has-photos", items.length > 0);
  const tieWidth = library.scorer?.model.facts.tieWidth ?? null;
  ranked = ranks(items, places, tieWidth);
  findScenes(done, tieWidth);
  selection.keep(items);
  const shown = arrange(items, view(), scenes);
  gallery.show(shown, ranked, scale, sceneTexts, selection.ids);
  $("tools").hidden = done.length === 0;
  const mean = done.reduce((sum, i) => sum + i.score, 0) / done.length;
  const all = `${done.length} photo${done.length === 1 ? "" : "s"}`;
  $("summary").textContent = `${shown.length === done.length ? all : `${shown.length} of ${all}`} · mean ${scale.text(mean || 0)}`;
  for (const id of ["copy", "download"]) $(id).disabled = shown.length === 0;
  drawHistogram(done, scale, view());
  drawFailures(failed);
  drawProgress(library);
  drawKept(library);
}

let sceneKey = "";
/** Scenes are found again when other photos are there, and while many arrive only at the end. */
function findScenes(done, tieWidth) {
  if (library.working && done.length > 200) return;
  const key = `${tieWidth} ${done.map((i) => `${i.id}:${i.score}`).join()}`;
  if (key === sceneKey) return;
  sceneKey = key;
  scenes = marks(done, BestShot.scenes, tieWidth);
  sceneTexts = new Map([...scenes].map(([id, mark]) => [id, sceneWords(mark)]));
  $("choose-best").hidden = ![...scenes.values()].some((mark) => mark.size > 1);
}

// --- tools -----------------------------------------------------------------------------------

const view = () => ({
  order: $("order").value, side: $("side").value, threshold: Number($("threshold").value),
  reason: $("reason").value, scenes: $("scenes").value,
});

/** @param {readonly {id: string, words: string}[]} reasons */
function offerReasons(reasons) {
  const option = (value, textContent) => element("option", { value, textContent });
  $("reason").replaceChildren(option("", "Any or none"), option("none", "None named"), ...reasons.map((r) => option(r.id, r.words)));
  $("reason-field").hidden = reasons.length === 0;
  document.body.classList.toggle("says-why", reasons.length > 0);
}

function setThreshold() {
  const slider = $("threshold");
  slider.min = String(scale.minimum);
  slider.max = String(scale.maximum);
  slider.step = String((scale.maximum - scale.minimum) / 80);
  slider.value = String((scale.minimum + scale.maximum) / 2);
  showThreshold();
}

function showThreshold() {
  const all = $("side").value === "all";
  $("threshold").hidden = $("threshold-value").hidden = all;
  $("threshold-value").textContent = all ? "" : scale.text(Number($("threshold").value));
  $("threshold").setAttribute("aria-valuetext", scale.text(Number($("threshold").value)));
}

function csv(items = gallery.order) {
  const { facts: f, sha256 } = library.scorer.model;
  return toCsv(items, ranked, { name: f.name, precision: f.precision, sha256 }, scenes);
}

for (const id of ["order", "side", "threshold", "reason", "scenes"]) {
  $(id).addEventListener("input", () => {
    gallery.rewind();
    showThreshold();
    redraw();
  });
}
/** Copy text, and say so on the button. */
async function copy(button, text, words) {
  const label = (button.dataset.label ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    announce(words);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed to copy";
    announce("The browser did not allow copying.");
  }
  setTimeout(() => (button.textContent = label), 1600);
}

$("copy").onclick = () => copy($("copy"), csv(), `${gallery.order.length} rows copied.`);
$("download").onclick = () => save(csv(), "ralikit-scores.csv", "text/csv");
$("choose-best").onclick = () => {
  selection.only([...scenes].filter(([, mark]) => mark.is === "best").map(([id]) => id));
  announce(`${selection.ids.size} photos chosen: the best of each scene.`);
};
$("choose-shown").onclick = () => selection.only(gallery.order.map((item) => item.id));
$("choose-none").onclick = () => {
  selection.only([]);
  $("choose-shown").focus();
};
$("compare").onclick = () => compare(chosen(), scale, library.scorer.model.facts.tieWidth);
$("copy-names").onclick = () => {
  const names = chosen().map((item) => item.name);
  return copy($("copy-names"), names.join("\n"), `${names.length} names copied.`);
};
$("download-chosen").onclick = () => save(csv(chosen()), "ralikit-chosen.csv", "text/csv");
$("save-copies").onclick = async () => {
  try {
    const { folder, count, left } = await saveCopies(chosen());
    const missing = left ? `; ${left} of an earlier visit must be chosen again first` : "";
    announce(`${count} photos copied into ${folder}${missing}.`);
    $("selection-words").textContent = `${count} copied into ${folder}${missing}`;
  } catch (error) {
    if (error.name === "AbortError") return; // no folder was picked
    announce(`The photos could not be copied: ${error.message}`);
    $("selection-words").textContent = "Not all could be copied";
  }
};
for (const id of ["clear", "forget"]) {
  $(id).onclick = async () => {
    selection.only([]);
    await library.clear();
    announce("All photos and their results are removed from this page and from this device's memory of it.");
    $("pick").focus();
  };
}
$("cancel").onclick = () => library.cancel();

$("pick").onclick = () => $("files").click();
$("pick-folder").onclick = () => $("folder").click();
$("files").onchange = () => take(fromInput($("files")));
$("folder").onchange = () => take(fromInput($("folder")));
$("try").onclick = async () => take({ photos: await samples() });

library.addEventListener("changed", redrawSoon);
library.addEventListener("broken", ({ detail }) => state("failed", detail.message));
library.addEventListener("finished", ({ detail: { done, cancelled, seconds } }) => {
  const failed = library.items.filter((i) => i.state === "failed").length;
  const end = failed ? ` ${failed} could not be scored.` : "";
  announce(`${cancelled ? "Cancelled after" : "Scored"} ${done} photos in ${seconds.toFixed(1)} seconds.${end}`);
});

// --- views -----------------------------------------------------------------------------------

const showTab = makeTabs();
makeBenchmark(library, announce);
const model = makeModel(library, {
  ready: ({ facts }) => {
    scale = new ScoreScale(facts.scale);
    offerReasons(facts.reasons);
    setThreshold();
  },
  failed: () => showTab("tab-model"),
});
onDrop($("veil"), take);

// --- start -----------------------------------------------------------------------------------

async function offline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    $("offline-words").textContent = "It is kept on this device now and opens without a network.";
    document.documentElement.dataset.offline = "ready";
  } catch {
    $("offline-words").textContent = "This browser did not keep it for offline use.";
  }
}

redraw();
await model.own().catch((error) => state("failed", `The page is not whole: ${error.message}`));
await model.warm();
offline(); // afterwards: it reads everything once more, and the first photos should not wait for that
