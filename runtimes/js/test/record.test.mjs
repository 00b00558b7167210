import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openRecord, sealRecord } from "../src/index.js";
import { folder } from "./golden.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const lines = readFileSync(`${folder}records.jsonl`, "utf8").split("\n").slice(0, -1);
const broken = JSON.parse(readFileSync(`${folder}records-broken.json`, "utf8")).lines;

test("the golden records open, in whatever spelling", async () => {
  const records = await Promise.all(lines.map((line) => openRecord(bytes(line))));
  assert.equal(records.length, 4);
  for (const same of records.slice(1, 3)) assert.deepEqual(same, records[0]);
  assert.deepEqual(records[0].samples.inference_s, [1e-7, 5e-5, 0.0125, 1]);
  assert.match(records[3].figures.photos.sha256, /^1{64}$/);
});

for (const { why, line, refused_by } of broken) {
  test(`${why}: refused by ${refused_by}`, async () => {
    if (refused_by === "fields") await openRecord(bytes(line)); // they are Python's to refuse
    else await assert.rejects(openRecord(bytes(line)), { name: "RaliError" });
  });
}

test("any other byte anywhere is refused", async () => {
  const whole = bytes(lines[1]);
  for (let at = 0; at < whole.length; at++) {
    const other = whole.slice();
    other[at] ^= 1;
    await assert.rejects(openRecord(other), { name: "RaliError" });
    await assert.rejects(openRecord(whole.subarray(0, at)), { name: "RaliError" });
  }
});

test("what is written here is, byte for byte, the golden line that Python reads", async () => {
  const line = lines.find((l) => l.startsWith('{"schema":2,"kind":"latency"'));
  // JavaScript spells 5e-5 as 0.00005 and 1e-7 as 1e-7; the line was made so, by Python.
  assert.equal(await sealRecord(await openRecord(bytes(line))), `${line}\n`);
});

test("a seal within the values is refused", async () => {
  await assert.rejects(sealRecord({ sha256: "" }), { name: "UsageError" });
  await assert.rejects(sealRecord({ schema: 1 }), { name: "UsageError" });
});
