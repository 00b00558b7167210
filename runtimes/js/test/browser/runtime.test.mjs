// ralikit-web in real Chromium: the golden pixels byte for byte, the golden scores, and its manners.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium, golden, goldenFolder, litertFolder, lite, ortDist, repo, scores, serve, watch, work } from "./harness.mjs";

// int8: its steps are chosen so that kernels cannot round its sums differently (docs/web.md).
const LIMITS = { fp32: 1e-4, fp16: 1e-4, int8: 1e-3, "int8-weights": 1e-3 };
let server, browser, page, problems;

before(async () => {
  server = await serve({ "/js/": join(repo, "runtimes/js/"), "/golden/": goldenFolder, "/ort/": ortDist, "/models/": work, "/litert/": litertFolder });
  browser = await chromium();
  page = await browser.newPage();
  problems = watch(page);
  await page.goto(server.url);
  await page.evaluate(async () => {
    const rali = await import("/js/src/index.js");
    const fetchBlob = async (url) => (await fetch(url)).blob();
    const sha256 = async (bytes) =>
      Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
    const rgb = ({ source }) => {
      const out = new Uint8Array(source.width * source.height * 3);
      for (let y = 0; y < source.height; y++) {
        const row = source.read(y, 1);
        for (let x = 0; x < source.width; x++) {
          for (let c = 0; c < 3; c++) out[3 * (y * source.width + x) + c] = row[source.channels * x + c];
        }
      }
      return out;
    };
    Object.assign(window, { rali, fetchBlob, sha256, rgb });
  });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test("PNG: every step equals Python byte for byte", async () => {
  const names = Object.keys(golden.photos).filter((n) => n.endsWith(".png"));
  const found = await page.evaluate(async ({ names, settings }) => {
    const out = {};
    for (const name of names) {
      const photo = await rali.openPhoto(await fetchBlob(`/golden/images/${name}`));
      out[name] = { upright: await sha256(rgb(photo)), views: {} };
      for (const [setting, facts] of Object.entries(settings)) {
        out[name].views[setting] = await sha256(rali.cutViews(photo.source, rali.readPreprocess(facts)));
      }
      photo.close();
    }
    return out;
  }, { names, settings: golden.settings });
  for (const name of names) {
    assert.equal(found[name].upright, golden.photos[name].steps.upright.sha256, `${name}: upright pixels differ`);
    for (const [setting, hash] of Object.entries(found[name].views)) {
      assert.equal(hash, golden.photos[name].settings[setting].views.sha256, `${name}: ${setting} views differ`);
    }
  }
});

test("JPEG: decoded here against Pillow, the difference measured and written down", async () => {
  const names = Object.keys(golden.photos).filter((n) => n.endsWith(".jpg"));
  const rows = await page.evaluate(async (names) => {
    const rows = [];
    for (const name of names) {
      const mine = await rali.openPhoto(await fetchBlob(`/golden/images/${name}`));
      const wanted = await rali.openPhoto(await fetchBlob(`/golden/expected/${name.replace(".jpg", ".upright.png")}`));
      const size = [mine.source.width, mine.source.height];
      const [a, b] = [rgb(mine), rgb(wanted)];
      let most = 0, sum = 0, differing = 0;
      for (let i = 0; i < b.length; i++) {
        const d = Math.abs(a[i] - b[i]);
        most = Math.max(most, d);
        sum += d;
        differing += d > 0;
      }
      rows.push({ photo: name, size, wanted: [wanted.source.width, wanted.source.height], profile: mine.profile,
        max: most, mean: sum / b.length, differing: differing / b.length });
    }
    return rows;
  }, names);
  for (const row of rows) {
    assert.deepEqual(row.size, row.wanted, `${row.photo} is turned another way`);
    assert.ok(row.max <= 3, `${row.photo}: ${row.max} levels off`);
  }
  const record = { decoder: `Chromium ${browser.version()}`, against: "Pillow", rows: rows.map(({ size, wanted, ...r }) => r) };
  writeFileSync(join(work, "decoder-chromium.json"), `${JSON.stringify(record, null, 1)}\n`);
});

test("what createImageBitmap does to profiles, alpha and orientation is what decode.js relies on", async () => {
  const found = await page.evaluate(async () => {
    const pixels = async (name, options) => {
      const bitmap = await createImageBitmap(await fetchBlob(`/golden/images/${name}`), options);
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return { size: [bitmap.width, bitmap.height], data: Array.from(context.getImageData(0, 0, bitmap.width, bitmap.height).data) };
    };
    const same = (a, b) => a.data.length === b.data.length && a.data.every((v, i) => v === b.data[i]);
    const raw = await pixels("display_p3.png", { colorSpaceConversion: "none" });
    const converted = await pixels("display_p3.png", { colorSpaceConversion: "default" });
    const stored = await rali.openPhoto(await fetchBlob("/golden/images/display_p3.png"));
    return {
      profileLeftAlone: !same(raw, converted),
      turned: (await pixels("j_turn6.jpg", { imageOrientation: "none" })).size,
      turnedByDefault: (await pixels("j_turn6.jpg", {})).size,
      ours: stored.profile,
    };
  });
  assert.equal(found.profileLeftAlone, true, "colorSpaceConversion none must leave the stored values");
  assert.deepEqual(found.turnedByDefault, [80, 120]);
  assert.equal(found.ours, "converted");
});

test("ImageData and ImageBitmap are taken as upright sRGB, alpha over white", async () => {
  const found = await page.evaluate(async () => {
    const data = new ImageData(new Uint8ClampedArray([10, 20, 30, 0, 10, 20, 30, 255, 100, 100, 100, 128, 0, 0, 0, 1]), 4, 1);
    const before = Array.from(data.data);
    const photo = await rali.openPhoto(data);
    const bitmap = await createImageBitmap(new ImageData(new Uint8ClampedArray([9, 8, 7, 255]), 1, 1));
    const drawn = await rali.openPhoto(bitmap);
    const result = { rgb: Array.from(rgb(photo)), kept: before.join() === Array.from(data.data).join(), bitmap: Array.from(rgb(drawn)) };
    drawn.close();
    return { ...result, stillOpen: bitmap.width };
  });
  assert.deepEqual(found.rgb, [255, 255, 255, 10, 20, 30, 177, 177, 177, 254, 254, 254]);
  assert.ok(found.kept, "the caller's ImageData is not changed");
  assert.deepEqual(found.bitmap, [9, 8, 7]);
  assert.equal(found.stillOpen, 1, "the caller's bitmap stays open");
});

for (const precision of Object.keys(LIMITS)) {
  const wanted = scores[precision];
  test(`scores equal Python's: ${precision}`, { skip: wanted ? false : `no ${precision} file was exported` }, async () => {
    const found = await page.evaluate(async ({ file, names }) => {
      const scorer = await rali.RaliScorer.load(file, { ort: "/ort/" });
      const out = {};
      const reasons = {};
      const blobs = await Promise.all(names.map((name) => fetchBlob(`/golden/images/${name}`)));
      for await (const entry of scorer.scoreAll(blobs)) {
        out[names[entry.index]] = entry.error?.message ?? entry.score.score;
        reasons[names[entry.index]] = entry.score?.reasonValues;
      }
      await scorer.close();
      return { out, reasons, model: scorer.model };
    }, { file: `/models/${precision}.onnx`, names: Object.keys(wanted.scores) });
    assert.equal(found.model.sha256, wanted.file);
    let worst = 0;
    for (const [name, value] of Object.entries(wanted.scores)) {
      const off = Math.abs(found.out[name] - value);
      assert.ok(off <= LIMITS[precision], `${name}: ${found.out[name]}, Python says ${value}`);
      worst = Math.max(worst, off);
    }
    assert.deepEqual(found.model.facts.reasons.map((r) => r.id), wanted.reason_ids ?? []);
    for (const [name, values] of Object.entries(wanted.reasons ?? {})) {
      for (const [i, id] of wanted.reason_ids.entries()) {
        const off = Math.abs(found.reasons[name][id] - values[i]);
        assert.ok(off <= 10 * LIMITS[precision], `${name}: ${id} is ${found.reasons[name][id]}, Python says ${values[i]}`);
      }
    }
    console.log(`${precision}: ${Object.keys(wanted.scores).length} photos, largest difference ${worst.toExponential(1)}`);
  });
}

const any = Object.keys(scores)[0];
const withModel = { skip: any ? false : "no model was exported" };

test("the discarded first run: made while loading, or left out and made when asked for", withModel, async () => {
  const found = await page.evaluate(async (file) => {
    const options = { ort: "/ort/", warmUp: false };
    const blob = await fetchBlob("/golden/images/photo.png");
    const usual = await rali.RaliScorer.load(file, { ort: "/ort/" });
    const loaded = usual.model.firstMs;
    await usual.warmUp(); // once more does no harm, and is not the first
    const kept = usual.model.firstMs === loaded;
    await usual.close();
    const out = { loaded, kept, cold: [], warmed: [], closed: await usual.warmUp().catch((e) => e.name) };
    for (const worker of [true, false]) {
      const waiting = await rali.RaliScorer.load(file, { ...options, worker });
      const before = waiting.model.firstMs;
      const { score, timings } = await waiting.score(blob);
      out.cold.push({ before, score, same: waiting.model.firstMs === timings.inferMs });
      await waiting.close();
      const asked = await rali.RaliScorer.load(file, { ...options, worker });
      await asked.warmUp();
      const first = asked.model.firstMs;
      out.warmed.push({ score: (await asked.score(blob)).score, same: first > 0 && asked.model.firstMs === first });
      await asked.close();
    }
    return out;
  }, `/models/${any}.onnx`);
  assert.ok(found.loaded > 0);
  assert.ok(found.kept);
  assert.equal(found.closed, "UsageError");
  assert.deepEqual(found.cold.map((c) => c.before), [null, null]);
  assert.ok(found.cold.every((c) => c.same), "the first inference is the photo's own");
  assert.ok(found.warmed.every((c) => c.same), "the first inference is the one asked for");
  for (const { score } of [...found.cold, ...found.warmed]) {
    assert.ok(Math.abs(score - scores[any].scores["photo.png"]) < 1e-3);
  }
});

test("cancelling rejects at once, leaves the scorer usable, and counts progress", withModel, async () => {
  const found = await page.evaluate(async (file) => {
    const steps = [];
    const scorer = await rali.RaliScorer.load(file, { ort: "/ort/", onProgress: (p) => steps.push(p) });
    const blob = await fetchBlob("/golden/images/photo.png");
    const stop = new AbortController();
    const seen = [];
    let error = null;
    try {
      for await (const entry of scorer.scoreAll(Array(50).fill(blob), { signal: stop.signal, onProgress: (p) => seen.push(p.done) })) {
        if (entry.index === 3) stop.abort();
      }
    } catch (e) {
      error = e.name;
    }
    const one = new AbortController();
    const waiting = scorer.score(blob, { signal: one.signal }).catch((e) => e.name);
    one.abort();
    const again = await scorer.score(blob);
    const early = await scorer.score(blob, { signal: AbortSignal.abort() }).catch((e) => e.name);
    await scorer.close();
    const closed = await scorer.score(blob).catch((e) => [e.name, e instanceof rali.UsageError]);
    return { error, seen, waiting: await waiting, again: again.score, early, closed, last: steps.at(-1) };
  }, `/models/${any}.onnx`);
  assert.equal(found.error, "AbortError");
  assert.deepEqual(found.seen, [1, 2, 3, 4]);
  assert.equal(found.waiting, "AbortError");
  assert.equal(found.early, "AbortError");
  assert.ok(Math.abs(found.again - scores[any].scores["photo.png"]) < 1e-3);
  assert.deepEqual(found.closed, ["UsageError", true]);
  assert.equal(found.last.loaded, found.last.total);
});

test("errors keep their type and their words on the way out of the worker", withModel, async () => {
  const found = await page.evaluate(async (file) => {
    const name = (promise) => promise.then(() => "no error", (e) => `${e.name}/${e.code}: ${e.message}`);
    const scorer = await rali.RaliScorer.load(file, { ort: "/ort/" });
    const bytes = new Uint8Array(await (await fetch(file)).arrayBuffer());
    return {
      photo: await name(scorer.score(new Blob(["not a photo"]))),
      jpeg: await name(scorer.score((await fetchBlob("/golden/images/j_444.jpg")).slice(0, 300))),
      missing: await name(rali.RaliScorer.load("/models/none.onnx", { ort: "/ort/" })),
      foreign: await name(rali.RaliScorer.load("/golden/images/photo.png", { ort: "/ort/" })),
      cut: await name(rali.RaliScorer.load(bytes.slice(0, bytes.length - 100), { ort: "/ort/" })),
      runtime: await name(rali.RaliScorer.load(file, { ort: "/nowhere/" })),
      option: await name(rali.RaliScorer.load(file, { ortt: "/ort/" })),
      kept: bytes.length,
      sameThread: (await (await rali.RaliScorer.load(bytes, { ort: "/ort/", worker: false })).score(await fetchBlob("/golden/images/photo.png"))).score,
      bitmap: (await scorer.score(await createImageBitmap(await fetchBlob("/golden/images/photo.png")))).score,
      thumbnail: (await scorer.score(await fetchBlob("/golden/images/large.png"), { thumbnail: 100 })).thumbnail.type,
    };
  }, `/models/${any}.onnx`);
  assert.match(found.photo, /^PhotoError\/photo/);
  assert.match(found.jpeg, /^PhotoError\/photo/);
  assert.match(found.missing, /^ModelError\/model: .*404/);
  assert.match(found.foreign, /^ModelError\/model/);
  assert.match(found.cut, /^ModelError\/model/);
  assert.match(found.runtime, /^RuntimeLoadError\/runtime: .*onnxruntime-web/);
  assert.match(found.option, /^UsageError\/usage: unknown option "ortt"/);
  for (const value of [found.sameThread, found.bitmap]) assert.ok(Math.abs(value - scores[any].scores["photo.png"]) < 1e-3);
  assert.equal(found.thumbnail, "image/jpeg");
  problems.length = 0; // the 404s above are meant
});

test(".tflite files score through LiteRT.js as in Python, and only where it was given", { skip: lite ? false : "no .tflite file was exported" }, async () => {
  const found = await page.evaluate(async ({ wanted, wasm }) => {
    const map = Object.assign(document.createElement("script"), { type: "importmap" });
    map.textContent = JSON.stringify({ imports: { "@litertjs/core": "/litert/core/dist/index.js", "@litertjs/wasm-utils": "/litert/wasm-utils/dist/index.js" } });
    document.head.append(map);
    const litert = { module: await import("@litertjs/core"), wasm };
    const out = {};
    for (const [file, photos] of Object.entries(wanted)) {
      const scorer = await rali.RaliScorer.load(`/models/${file}`, { litert });
      out[file] = { model: scorer.model, photos: {} };
      for (const name of Object.keys(photos)) {
        const { score, reasonValues } = await scorer.score(await fetchBlob(`/golden/images/${name}`));
        out[file].photos[name] = [score, ...Object.values(reasonValues)];
      }
      await scorer.close();
    }
    const file = Object.keys(wanted)[0];
    const said = (options, from = `/models/${file}`) => rali.RaliScorer.load(from, options).then(() => "no error", (e) => `${e.name}: ${e.message}`);
    const bytes = new Uint8Array(await (await fetch(`/models/${file}`)).arrayBuffer());
    bytes[bytes.length >> 1] ^= 1;
    return { out, without: await said({ ort: "/ort/" }), worker: await said({ litert, worker: true }), damaged: await said({ litert }, bytes) };
  }, { wanted: lite, wasm: "/litert/core/wasm/" });
  let worst = 0;
  for (const [file, photos] of Object.entries(lite)) {
    const { model } = found.out[file];
    assert.equal(model.backend, "litert");
    assert.equal(model.digested, true);
    for (const [name, values] of Object.entries(photos)) {
      values.forEach((value, i) => {
        const off = Math.abs(found.out[file].photos[name][i] - value);
        assert.ok(off < 1e-4, `${file}, ${name}: ${found.out[file].photos[name]}, Python says ${values}`);
        worst = Math.max(worst, off);
      });
    }
  }
  console.log(`.tflite: largest difference ${worst.toExponential(1)}`);
  assert.match(found.without, /^UsageError: a \.tflite file needs LiteRT\.js/);
  assert.match(found.worker, /^UsageError: .*worker must be false/);
  assert.match(found.damaged, /^ModelError: this file is damaged/);
});

test("WebGPU, on Chromium's software adapter: checked against the processor, then used", async (t) => {
  const own = await chromium(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);
  try {
    const tab = await own.newPage();
    await tab.goto(server.url);
    const found = await tab.evaluate(async () => {
      if (!(await navigator.gpu?.requestAdapter())) return null;
      const { RaliScorer } = await import("/js/src/index.js");
      const blob = await (await fetch("/golden/images/photo.png")).blob();
      const scored = async (backend) => {
        const scorer = await RaliScorer.load("/models/tiny.onnx", { ort: "/ort/", backend });
        const { score, reasonValues } = await scorer.score(blob);
        await scorer.close();
        return { score, reasons: Object.values(reasonValues), backend: scorer.model.backend, note: scorer.model.note };
      };
      return { gpu: await scored("auto"), cpu: await scored("wasm") };
    });
    if (!found) return t.skip("this Chromium has no software adapter for WebGPU");
    assert.equal(found.gpu.note, "");
    assert.equal(found.gpu.backend, "webgpu");
    for (const [a, b] of [[found.gpu.score, found.cpu.score], [found.gpu.reasons[1], found.cpu.reasons[1]]]) assert.ok(Math.abs(a - b) < 1e-4);
  } finally {
    await own.close();
  }
});
