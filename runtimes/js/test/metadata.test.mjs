import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelError, readFacts, readMetadata, readPreprocess } from "../src/index.js";
import { checkReasons, namedReasons, reasonValues } from "../src/reasons.js";

const encode = (text) => new TextEncoder().encode(text);
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const field = (number, body) => [...varint(number * 8 + 2), ...varint(body.length), ...body];
const entry = (key, value) => field(14, [...field(1, encode(key)), ...field(2, encode(value))]);
const graph = field(7, [1, 2, 3]);

const FACTS = {
  schema: 1,
  precision: "int8",
  model: { name: "mini", bundle: "b0", tie_width: 0.05, licence: "x", notice: "n", tower: "t", weights: "trained" },
  scale: { minimum: 1, maximum: 5, meaning: "MOS" },
  preprocess: { size: 256, shortest_edge: 512, anchors: [[0.25, 0.5], [0.75, 0.5]], resample: "bicubic", mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
};
/** An ONNX file's bytes with these facts; other fields stand around them as in a real one. */
const model = (facts) =>
  new Uint8Array([8, 10, ...field(2, encode("pytorch")), ...graph, ...entry("other", "1"), ...entry("ralikit", JSON.stringify(facts))]);
const changed = (change) => {
  const facts = structuredClone(FACTS);
  change(facts);
  return model(facts);
};

test("the facts of a file are read from its protobuf", () => {
  assert.equal(readMetadata(model(FACTS)).get("other"), "1");
  const facts = readFacts(model(FACTS));
  assert.equal(facts.name, "mini");
  assert.equal(facts.precision, "int8");
  assert.equal(facts.tieWidth, 0.05);
  assert.deepEqual(facts.preprocess.anchors, [[0.25, 0.5], [0.75, 0.5]]);
  assert.equal(facts.preprocess.shortestEdge, 512);
});

test("files of the first version call the width of a tie a resolution", () => {
  const old = changed((f) => {
    delete f.model.tie_width;
    f.model.resolution = 0.07;
  });
  assert.equal(readFacts(old).tieWidth, 0.07);
  assert.equal(readFacts(old).resolution, 0.07);
});

const REASONS = [
  { id: "out-of-focus", words: "out of focus", quality: "sharpness", later: 1 },
  { id: "noise", words: "noise", quality: "cleanness" },
];
const reasoned = (change = () => {}) =>
  changed((f) => {
    f.outputs = ["score", "reasons"];
    f.reasons = structuredClone(REASONS);
    change(f);
  });

test("reasons are read where the file gives them, and nowhere else", () => {
  const facts = readFacts(reasoned());
  assert.deepEqual(facts.outputs, ["score", "reasons"]);
  assert.deepEqual(facts.reasons.map((r) => r.id), ["out-of-focus", "noise"]);
  assert.equal(facts.reasons[0].quality, "sharpness");
  assert.deepEqual(readFacts(model(FACTS)).outputs, ["score"]);
  assert.deepEqual(readFacts(model(FACTS)).reasons, []);
  assert.deepEqual(readFacts(reasoned((f) => (f.outputs = ["score"]))).reasons, []);
});

test("named: one half and more, the highest first, equal ones in the output's order", () => {
  const infos = ["a", "b", "c", "d"].map((id) => ({ id, words: `${id}!`, quality: "q" }));
  const named = namedReasons([0.5, 0.7, 0.4999, 0.7], infos);
  assert.deepEqual(named.map((r) => r.id), ["b", "d", "a"]);
  assert.deepEqual(named[2], { id: "a", words: "a!", value: 0.5 });
  assert.deepEqual(reasonValues([0.5, 0.7, 0.25, 0], infos), { a: 0.5, b: 0.7, c: 0.25, d: 0 });
  assert.deepEqual(namedReasons([], []), []);
});

test("a graph's reasons are as many as promised, and lie in 0..1", () => {
  assert.deepEqual(checkReasons(new Float32Array([0, 1]), 2), [0, 1]);
  for (const values of [[0.5], [0.5, 0.5, 0.5], [0.5, NaN], [0.5, 1.01], [-0.01, 0.5]]) {
    assert.throws(() => checkReasons(values, 2), ModelError);
  }
});

test("squashing settings have no shortest edge", () => {
  const facts = readFacts(changed((f) => (f.preprocess.shortest_edge = null)));
  assert.equal(facts.preprocess.shortestEdge, null);
});

const refused = {
  "another schema": [(f) => (f.schema = 2), /schema 2/],
  "an unknown setting": [(f) => (f.preprocess.letterbox = true), /"letterbox"/],
  "an unknown resize": [(f) => (f.preprocess.resample = "nearest"), /"nearest"/],
  "a view outside the photo": [(f) => (f.preprocess.anchors[0][0] = 1.5), /outside 0..1/],
  "no views": [(f) => (f.preprocess.anchors = []), /no view/],
  "an edge below the size": [(f) => (f.preprocess.shortest_edge = 100), /shortest_edge 100/],
  "a size that is no number": [(f) => (f.preprocess.size = "256"), /size 256/],
  "no preprocessing": [(f) => delete f.preprocess, /is missing/],
  "outputs that are no list": [(f) => (f.outputs = "score"), /outputs/],
  "another output first": [(f) => (f.outputs = ["reasons", "score"]), /score comes first/],
  "reasons that nobody explains": [(f) => (f.outputs = ["score", "reasons"]), /what its reasons mean/],
  "a reason twice": [
    (f) => Object.assign(f, { outputs: ["score", "reasons"], reasons: [REASONS[0], REASONS[0]] }), /what its reasons mean/,
  ],
  "a reason without words": [
    (f) => Object.assign(f, { outputs: ["score", "reasons"], reasons: [{ id: "x", quality: "y" }] }), /what its reasons mean/,
  ],
  "a turned scale": [(f) => (f.scale = { minimum: 5, maximum: 1 }), /scale/],
};
for (const [what, [change, words]] of Object.entries(refused)) {
  test(`${what} is refused`, () => {
    assert.throws(() => readFacts(changed(change)), (error) => error.code === "model" && words.test(error.message));
  });
}

test("files that are not ralikit's are refused with a sentence", () => {
  assert.throws(() => readFacts(new Uint8Array([8, 10, ...graph])), /not made by ralikit export/);
  assert.throws(() => readFacts(encode("<html>not a model</html>")), { name: "ModelError" });
  assert.throws(() => readFacts(model(FACTS).subarray(0, 60)), { name: "ModelError" });
  assert.throws(() => readFacts(new Uint8Array()), { name: "ModelError" });
  assert.throws(() => readFacts(new Uint8Array([...graph, ...entry("ralikit", "{")])), /not valid JSON/);
});

test("fields are skipped by their length, also past 32 bits", () => {
  const odd = new Uint8Array([...field(2, encode("x")), 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, ...model(FACTS)]);
  assert.equal(readFacts(odd).name, "mini");
  const tooLong = new Uint8Array([...graph, 14 * 8 + 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
  assert.throws(() => readMetadata(tooLong), { name: "ModelError" });
});

test("preprocessing is checked on its own too", () => {
  assert.throws(() => readPreprocess(null), { code: "model" });
  assert.ok(Object.isFrozen(readPreprocess({ size: 8, shortest_edge: 8 })));
});
