/** Measures the loaded model on this device: one large photo end to end, then the model alone. */

import { sealRecord } from "./ralikit-web/index.js";

const LARGE = { width: 4000, height: 3000 };
const WARMUPS = 3;
const seconds = (ms) => Math.round(ms * 1e3) / 1e6;

/** A 12-megapixel JPEG with detail everywhere, made here so that everyone measures the same kind. */
async function largePhoto() {
  const context = new OffscreenCanvas(LARGE.width, LARGE.height).getContext("2d");
  const tile = new ImageData(250, 250);
  let seed = 1;
  for (let i = 0; i < tile.data.length; i += 4) {
    seed = (seed * 48271) % 2147483647;
    const [x, y] = [(i / 4) % 250, Math.floor(i / 1000)];
    tile.data.set([x + (seed % 40), y + (seed % 32), 128 + 90 * Math.sin((x * y) / 900), 255], i);
  }
  for (let y = 0; y < LARGE.height; y += 250) for (let x = 0; x < LARGE.width; x += 250) context.putImageData(tile, x, y);
  return context.canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

/** A photo that fits the model's own size: decoding and resizing are next to nothing. */
async function smallPhoto(scorer) {
  const { size, shortestEdge } = scorer.model.facts.preprocess;
  const edge = shortestEdge ?? size;
  const pixels = new ImageData(edge, edge);
  pixels.data.fill(255);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i] = (i / 4) % 251;
  return pixels;
}

/** Memory of the whole page with its worker, where the browser tells. */
async function memory() {
  if (!globalThis.crossOriginIsolated || !performance.measureUserAgentSpecificMemory) return null;
  try {
    return (await performance.measureUserAgentSpecificMemory()).bytes;
  } catch {
    return null;
  }
}

/**
 * @param {import("./ralikit-web/index.js").RaliScorer} scorer
 * @param {{runs?: number, seconds?: number, signal: AbortSignal,
 *   onProgress: (share: number, words: string) => void}} options
 */
export async function measure(scorer, { runs, seconds: budget, signal, onProgress }) {
  onProgress(0, "Making a 12-megapixel photo");
  const large = await largePhoto();
  const ends = [];
  for (let i = 0; i < 3; i++) {
    onProgress(0.02 * (i + 1), `Scoring the 12-megapixel photo, ${i + 1} of 3`);
    const start = performance.now();
    const { timings } = await scorer.score(large, { signal });
    ends.push({ ...timings, totalMs: performance.now() - start });
  }
  const small = await smallPhoto(scorer);
  for (let i = 0; i < WARMUPS; i++) await scorer.score(small, { signal });
  const inference = [];
  const started = performance.now();
  const done = () => (runs ? inference.length / runs : (performance.now() - started) / 1000 / budget);
  while (done() < 1) {
    const { timings } = await scorer.score(small, { signal });
    inference.push(timings.inferMs);
    onProgress(0.1 + 0.85 * Math.min(1, done()), `The model alone: ${inference.length} runs`);
  }
  onProgress(0.97, "Reading memory");
  return { large: { ...LARGE, bytes: large.size }, ends, inference, bytes: await memory(), quick: Boolean(runs) };
}

/** @param {Awaited<ReturnType<typeof measure>>} result */
export async function toRecord(scorer, result) {
  const { facts, sha256, bytes, backend, threads, runtime, loadMs, firstMs } = scorer.model;
  const { size, anchors } = facts.preprocess;
  const [library, version] = runtime.split(" ");
  const agent = navigator.userAgentData;
  const browser = agent?.brands?.map((b) => `${b.brand} ${b.version}`).join(", ") || navigator.userAgent;
  return sealRecord({
    kind: "latency", run: `web-${new Date().toISOString()}`, time: new Date().toISOString(), commit: "",
    model: {
      name: facts.name, hash: sha256 ?? "", bundle: facts.bundle, format: "onnx", precision: facts.precision,
      size_bytes: bytes, weights: facts.weights === "random" ? "random" : "trained", input: [anchors.length, size, size, 3],
    },
    device: {
      kind: "browser", name: browser, os: agent?.platform || navigator.platform || "unknown", chip: "unknown",
      cores: navigator.hardwareConcurrency ?? 0, memory_bytes: (navigator.deviceMemory ?? 0) * 2 ** 30, emulated: false,
    },
    runtime: { name: library, version, unit: backend === "webgpu" ? "webgpu" : "cpu", threads, batch: 1 },
    protocol: {
      quick: result.quick, rounds: 1, warmups: WARMUPS, cooldown_s: 0, command: "web demo, Benchmark",
      note: `end_to_end_s, decode_s and resize_s: a JPEG of ${result.large.width} x ${result.large.height}, ${result.large.bytes} bytes; timer resolution is the browser's`,
    },
    samples: {
      inference_s: result.inference.map(seconds),
      end_to_end_s: result.ends.map((e) => seconds(e.totalMs)),
      decode_s: result.ends.map((e) => seconds(e.decodeMs)),
      resize_s: result.ends.map((e) => seconds(e.resizeMs)),
    },
    load_s: seconds(loadMs), first_s: seconds(firstMs),
    memory: result.bytes === null ? null : { peak_bytes: 0, steady_bytes: result.bytes, private_bytes: 0, how: "measureUserAgentSpecificMemory after the runs; no peak is told" },
    state: { thermal_before: "unknown", thermal_after: "unknown", power_before: "unknown", power_after: "unknown" },
    figures: {}, photos: [],
  });
}
