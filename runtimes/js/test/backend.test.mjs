// Which backend runs a model, with stand-ins for ONNX Runtime Web's two modules: what a graphics chip says is
// whatever a test wants. A real WebGPU adapter, in software, is in browser/runtime.test.mjs.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { TOLERANCE, builtInViews, open, prepare } from "../src/backend.js";

const FACTS = {
  outputs: ["score", "reasons"], reasons: [{ id: "a" }, { id: "b" }], scale: { minimum: 1, maximum: 5, meaning: "" },
  preprocess: { size: 16, shortestEdge: null, anchors: [[0, 0], [1, 1]], resample: "bicubic" },
};
const BYTES = new Uint8Array([1, 2, 3]);

/** A module whose sessions answer with globalThis.answers[backend]: outputs, or a function that fails. */
const stub = (own) => `
  export const env = { wasm: {} };
  export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
  export const InferenceSession = { async create(bytes, options) {
    const [backend] = options.executionProviders;
    globalThis.log.push(["create", "${own}", backend, bytes.length, options.extra.session.intra_op.allow_spinning]);
    const answer = globalThis.answers[backend];
    if (typeof answer === "string") throw new Error(answer);
    return {
      inputNames: ["image"], outputNames: ["score", "reasons"],
      async run({ image }) {
        globalThis.log.push(["run", backend, image.dims.join()]);
        const out = (values) => ({ getData: async () => values });
        return { score: out([answer.score]), reasons: out(answer.reasons) };
      },
      async release() { globalThis.log.push(["release", backend]); },
    };
  } };`;
const folder = mkdtempSync(join(tmpdir(), "ralikit-ort-"));
for (const backend of ["wasm", "webgpu"]) writeFileSync(join(folder, `ort.${backend}.min.mjs`), stub(backend));
const options = (backend) => ({ ort: pathToFileURL(`${folder}/`).href, backend, threads: 2 });

const given = Object.getOwnPropertyDescriptor(globalThis, "navigator");
const gpu = (adapter) => Object.defineProperty(globalThis, "navigator", { configurable: true, value: { gpu: { requestAdapter: async () => adapter } } });
after(() => given && Object.defineProperty(globalThis, "navigator", given));
afterEach(() => delete globalThis.answers);

const right = { score: 3.2, reasons: [0.1, 0.7] };
/** What `open` gives where a graphics chip answers so, and what was asked of the runtime. */
async function opened(webgpu, backend = "auto") {
  gpu({});
  globalThis.log = [];
  globalThis.answers = { wasm: right, webgpu };
  try {
    return { ...(await open(BYTES, FACTS, options(backend))), log: globalThis.log };
  } catch (error) {
    return { error, log: globalThis.log };
  }
}

test("WebGPU runs the model where it answers as the processor does", async () => {
  const found = await opened({ score: 3.2 + 0.009, reasons: [0.1, 0.69] });
  assert.equal(found.backend, "webgpu");
  assert.equal(found.note, "");
  assert.deepEqual(found.log.map((l) => l.slice(0, 3).join(" ")), [
    "create wasm wasm", "create webgpu webgpu", "run wasm 2,16,16,3", "run webgpu 2,16,16,3", "release wasm",
  ]);
  assert.ok(found.log.filter(([what]) => what === "create").every((l) => l[4] === "0"), "threads do not spin");
});

for (const [what, answer, words] of [
  ["scores otherwise", { score: 3.2 + 0.011, reasons: right.reasons }, /score for the built-in picture is 0\.0110 off the processor's, more than 0\.0100/],
  ["gives other reasons", { score: 3.2, reasons: [0.1, 0.67] }, /a reason for the built-in picture is 0\.0300 off/],
  ["gives no number", { score: NaN, reasons: right.reasons }, /no number/],
  ["gives reasons that are none", { score: 3.2, reasons: [0.1, 7] }, /instead of 2 reasons from 0 to 1/],
  ["refuses the graph", "no kernel for Foo", /WebGPU cannot run this model: no kernel for Foo/],
]) {
  test(`a chip that ${what}: the processor runs the model and a note says why; asked for by name it is an error`, async () => {
    const found = await opened(answer);
    assert.equal(found.backend, "wasm");
    assert.match(found.note, /^WebGPU was tried and the processor is used: /);
    assert.match(found.note, words);
    const released = found.log.filter(([l]) => l === "release").map((l) => l[1]);
    assert.deepEqual(released, typeof answer === "string" ? [] : ["webgpu"], "the processor's session stays");
    const named = await opened(answer, "webgpu");
    assert.match(named.error.message, words);
    assert.equal(named.error.name, "ModelError");
    assert.ok(named.log.some((l) => l.join() === "release,wasm"), "nothing is left behind");
  });
}

test("without an adapter the processor is used, and WebGPU by name is refused", async () => {
  gpu(null);
  globalThis.log = [];
  globalThis.answers = { wasm: right };
  const found = await open(BYTES, FACTS, options("auto"));
  assert.equal(found.backend, "wasm");
  assert.match(found.note, /offers no WebGPU/);
  await assert.rejects(open(BYTES, FACTS, options("webgpu")), { name: "RuntimeLoadError" });
  assert.equal((await open(BYTES, FACTS, options("wasm"))).note, "");
});

test("the runtime is compiled before the model is there", async () => {
  globalThis.log = [];
  globalThis.answers = { wasm: right };
  await prepare(options("auto"));
  assert.deepEqual(globalThis.log.map((l) => l.slice(0, 3).join(" ")), ["create wasm wasm", "release wasm"]);
  const ort = await import(options().ort + "ort.wasm.min.mjs");
  assert.equal(ort.env.wasm.numThreads, 2);
});

test("the built-in picture is the golden pattern, in every view", () => {
  const views = builtInViews(FACTS.preprocess);
  assert.equal(views.length, 2 * 16 * 16 * 3);
  const at = (v, y, x, c) => views[((v * 16 + y) * 16 + x) * 3 + c];
  for (const [v, y, x, c] of [[0, 0, 0, 0], [0, 3, 5, 2], [1, 15, 15, 1], [1, 9, 2, 0]]) {
    assert.equal(at(v, y, x, c), (7 * x + 13 * y + 29 * c + ((x * y) % 11)) % 256);
  }
  assert.ok(TOLERANCE.score * 4 < 0.05, "far below what a model tells apart");
});
