// What a .tflite file says of itself, read from a flatbuffer that is built here by hand.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Engine } from "../src/engine.js";
import { isTflite, readTflite } from "../src/tflite.js";

const MARK = "ralikit-sha256:";
const FACTS = JSON.stringify({
  schema: 1, digest: "sha256", model: { name: "tïny" }, scale: { minimum: 1, maximum: 5, meaning: "MOS" },
  preprocess: { size: 8, shortest_edge: 8 },
});
const DIGEST = ["ralikit.digest", MARK + "0".repeat(64)];

/** A .tflite file of tables for metadata alone. @param {[string, string][]} entries Names to texts. */
function tflite(entries) {
  const texts = entries.flat().map((t) => Buffer.from(t));
  const n = entries.length;
  // Everything has a fixed size but the texts, so places are known before anything is written.
  const [model, buffers] = [28, 40];
  const metadata = buffers + 4 + 4 * n;
  const tables = metadata + 4 + 4 * n;
  const each = 36; // a buffer's vtable and table, an entry's
  const places = [];
  texts.reduce((at, t) => (places.push(at), at + 4 + t.length), tables + each * n);
  const out = Buffer.alloc(places.at(-1) + 4 + texts.at(-1).length);
  let at = 0;
  const u16 = (...values) => values.forEach((v) => (at = out.writeUInt16LE(v, at)));
  const u32 = (...values) => values.forEach((v) => (at = out.writeUInt32LE(v, at)));
  u32(model);
  at += out.write("TFL3", at);
  u16(18, 12, 0, 0, 0, 0, 4, 0, 8, 0);
  u32(20, buffers - (model + 4), metadata - (model + 8), n);
  for (let i = 0; i < n; i++) u32(tables + each * i + 8 - (buffers + 4 + 4 * i));
  u32(n);
  for (let i = 0; i < n; i++) u32(tables + each * i + 24 - (metadata + 4 + 4 * i));
  for (let i = 0; i < n; i++) {
    const start = tables + each * i;
    u16(6, 8, 4, 0);
    u32(8, places[2 * i + 1] - (start + 12));
    u16(8, 12, 4, 8);
    u32(8, places[2 * i] - (start + 28), i);
  }
  for (const text of texts) {
    u32(text.length);
    at += text.copy(out, at);
  }
  return out;
}

/** With its digest, made by another SHA-256 than the one under test, over the zeros. */
function sealed(entries) {
  const file = tflite(entries);
  const at = file.lastIndexOf(MARK + "0".repeat(64)) + MARK.length;
  file.write(createHash("sha256").update(file).digest("hex"), at);
  return new Uint8Array(file);
}

const whole = () => sealed([["min_runtime_version", "2.3.0"], ["ralikit", FACTS], DIGEST]);

test("the facts of a whole file are read", async () => {
  const bytes = whole();
  assert.ok(isTflite(bytes));
  const { facts, digested } = await readTflite(bytes);
  assert.equal(facts.name, "tïny");
  assert.equal(digested, true);
});

test("no bit of it can change", async () => {
  const bytes = whole();
  for (let at = 8; at < bytes.length; at++) {
    const altered = bytes.slice();
    altered[at] ^= 1 << at % 8;
    await assert.rejects(readTflite(altered), { name: "ModelError" }, `byte ${at}`);
  }
});

test("foreign files, facts that stand twice, and offsets that lead nowhere are refused in words", async () => {
  const refused = (bytes, words) => assert.rejects(readTflite(bytes), { name: "ModelError", message: words });
  await refused(new Uint8Array(tflite([["ralikit", FACTS]])), /no ralikit metadata/);
  await refused(sealed([["other", "1"], DIGEST]), /no ralikit metadata/);
  await refused(sealed([["ralikit", FACTS], ["ralikit", FACTS], DIGEST]), /twice/);
  await refused(sealed([["ralikit", "not json"], DIGEST]), /not valid JSON/);
  // Sealed as they are, with a table that lies outside: whoever alters a file can seal it again.
  for (const place of [0, 32, 36, 40, 44]) {
    const file = tflite([["ralikit", FACTS], DIGEST]);
    file.writeUInt32LE(0xfffffff0, place);
    const at = file.lastIndexOf(MARK) + MARK.length;
    file.write(createHash("sha256").update(file).digest("hex"), at);
    await refused(new Uint8Array(file), /damaged|no ralikit metadata/);
  }
});

test("without LiteRT.js such a file is refused with what to do", async () => {
  await assert.rejects(Engine.load(whole(), { ort: "file:///nowhere/" }), { name: "UsageError", message: /@litertjs\/core as the option litert/ });
});
