import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { checkWhole } from "../src/digest.js";
import { Engine } from "../src/engine.js";
import { readFacts } from "../src/index.js";

const encode = (text) => new TextEncoder().encode(text);
const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const field = (number, body) => [...varint(number * 8 + 2), ...varint(body.length), ...body];
const entry = (key, value) => field(14, [...field(1, encode(key)), ...field(2, encode(value))]);

const MARK = "ralikit-sha256:";
const FACTS = {
  schema: 1,
  digest: "sha256",
  model: { name: "mini" },
  scale: { minimum: 1, maximum: 5, meaning: "MOS" },
  preprocess: { size: 8, shortest_edge: 8 },
};
const TENSOR = field(5, [8, 1, ...field(9, [1, 2, 3, 4])]);

/** A file that carries the digest of itself, made with another SHA-256 than the one under test. */
function sealed(facts = FACTS, { graph = TENSOR, more = [] } = {}) {
  const blank = MARK + "0".repeat(64);
  const bytes = new Uint8Array([8, 10, ...field(7, graph), ...entry("ralikit", JSON.stringify(facts)), ...entry("ralikit.digest", blank), ...more]);
  const at = Buffer.from(bytes).lastIndexOf(blank) + MARK.length;
  bytes.set(encode(createHash("sha256").update(bytes).digest("hex")), at);
  return bytes;
}

const check = async (bytes) => checkWhole(bytes, readFacts(bytes));
const isModelError = (words) => (error) => error.code === "model" && words.test(error.message);

test("a whole file is checked, and left as it was", async () => {
  const bytes = sealed();
  const before = bytes.slice();
  const checked = check(bytes);
  assert.deepEqual(bytes, before); // nobody sees the zeros that are hashed
  assert.equal(await checked, true);
});

test("no bit of a file can change", async () => {
  const whole = sealed();
  for (let at = 0; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at] ^= 1 << at % 8;
    await assert.rejects(check(bytes), { name: "ModelError" }, `byte ${at}`);
  }
});

test("a digest that is gone is missed, as the facts speak of it", async () => {
  const bytes = new Uint8Array([...field(7, TENSOR), ...entry("ralikit", JSON.stringify(FACTS))]);
  await assert.rejects(check(bytes), isModelError(/damaged/));
});

test("older files have none and open", async () => {
  const { digest: _, ...older } = FACTS;
  assert.equal(await check(new Uint8Array([...field(7, TENSOR), ...entry("ralikit", JSON.stringify(older))])), false);
});

test("a second entry is refused, whichever reader would take it", () => {
  for (const more of [entry("ralikit", JSON.stringify(FACTS)), entry("ralikit.digest", MARK + "0".repeat(64))]) {
    assert.throws(() => readFacts(sealed(FACTS, { more })), isModelError(/metadata twice/));
  }
});

test("weights in another file are refused, in inner graphs too", async () => {
  const location = field(13, [...field(1, encode("location")), ...field(2, encode("weights.bin"))]);
  const tensor = field(5, [8, 1, ...location]);
  const inner = field(1, field(5, field(6, tensor))); // node, attribute, graph
  for (const graph of [tensor, inner]) {
    await assert.rejects(check(sealed(FACTS, { graph })), isModelError(/keeps weights in another file/));
  }
});

test("an entry that is no digest is refused", async () => {
  for (const value of ["", MARK, MARK + "0".repeat(63), MARK + "G".repeat(64), "other:" + "0".repeat(64)]) {
    const bytes = new Uint8Array([...field(7, TENSOR), ...entry("ralikit", JSON.stringify(FACTS)), ...entry("ralikit.digest", value)]);
    await assert.rejects(check(bytes), isModelError(/damaged/), value);
  }
});

test("an altered file is refused before the runtime sees it", async () => {
  const bytes = sealed();
  bytes[6] ^= 1;
  await assert.rejects(Engine.load(bytes, { ort: "https://nowhere.invalid/" }), { name: "ModelError" });
});
