// Best shot and places, against the cases that every runtime shares.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BestShot, openPhoto, places } from "../src/index.js";
import { inspect } from "../src/container.js";
import { folder, photo } from "./golden.mjs";

const best = JSON.parse(readFileSync(`${folder}best.json`, "utf8"));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");

test("fingerprints of the golden photos", async () => {
  for (const [name, wanted] of Object.entries(best.photos)) {
    assert.equal(hex(BestShot.fingerprint((await openPhoto(photo(name))).source)), wanted, name);
  }
});

test("fingerprints of made pixels, from sources of three and of four channels", () => {
  for (const { width, height, fingerprint } of best.patterns) {
    for (const channels of [3, 4]) {
      const data = new Uint8Array(width * height * channels);
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const at = (y * width + x) * channels;
          for (let c = 0; c < 3; c++) data[at + c] = pattern(x, y, c);
        }
      }
      const read = (y, rows) => data.subarray(y * width * channels, (y + rows) * width * channels);
      assert.equal(hex(BestShot.fingerprint({ width, height, channels, read })), fingerprint, `${width} x ${height}`);
    }
  }
});

test("likenesses", () => {
  for (const { one, other, likeness } of best.likenesses) {
    assert.ok(Math.abs(BestShot.likeness(bytes(one), bytes(other)) - likeness) < 1e-12);
  }
  assert.throws(() => BestShot.likeness(new Uint8Array(192), new Uint8Array(3)), /192 bytes, not 3/);
});

for (const { name, rule, shots, tie_width: tieWidth, scenes } of best.cases) {
  test(`scenes: ${name}`, () => {
    const found = BestShot.scenes(
      shots.map((s) => ({ value: s.value, fingerprint: bytes(s.fingerprint), taken: s.taken })),
      { tieWidth, seconds: rule.seconds, likeness: rule.likeness, copyLikeness: rule.copy_likeness },
    );
    assert.deepEqual(found, scenes.map((s) => ({ ...s, sure: s.rivals.length === 0 })));
  });
}

test("what is passed over in finding scenes would not have been joined", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const shots = [];
  for (let i = 0; i < 300; i++) {
    const towards = i % 3 ? shots[Math.floor(random() * i)].fingerprint : null;
    const noise = 40 * random();
    const look = Uint8Array.from({ length: 192 }, (_, k) => (towards ? Math.min(255, Math.max(0, towards[k] + noise * (random() - 0.5))) : 256 * random()));
    shots.push({ value: random(), fingerprint: i % 50 === 7 ? new Uint8Array(192).fill(9) : look, taken: i % 4 ? i * 9 : null });
  }
  for (const likeness of [0.95, 0.7, 0.2, -1]) {
    const rule = { seconds: 400, likeness, copyLikeness: 0.97 };
    const found = BestShot.scenes(shots, { tieWidth: 0.1, ...rule });
    assert.deepEqual(found.map((s) => s.shots), plainly(shots, rule));
  }
});

/** The rule of docs/contract.md, every pair compared. */
function plainly(shots, { seconds, likeness, copyLikeness }) {
  const time = (i) => shots[i].taken ?? Infinity;
  const open = [];
  for (const i of shots.map((_, i) => i).sort((a, b) => (time(a) === time(b) ? a - b : time(a) - time(b)))) {
    const { taken, fingerprint } = shots[i];
    const fits = open.map(({ latest, shots: [lead] }) => {
      const timed = taken !== null && latest !== null;
      const like = BestShot.likeness(fingerprint, shots[lead].fingerprint);
      return (timed && taken - latest > seconds) || like < (timed ? likeness : copyLikeness) ? -2 : like;
    });
    const most = Math.max(-2, ...fits);
    if (most === -2) open.push({ latest: null, shots: [] });
    const scene = open[most === -2 ? open.length - 1 : fits.indexOf(most)];
    scene.shots.push(i);
    scene.latest = taken ?? scene.latest;
  }
  return open.map((scene) => scene.shots);
}

test("places are shared by what is not told apart, and do not chain", () => {
  const of = (values, tieWidth) => places(values, { tieWidth }).map(({ place, tied }) => `${place}${tied ? "=" : ""}`);
  assert.deepEqual(of([3, 4.5, 4.45, 4.36, 1], 0.1), ["4", "1=", "1=", "3", "5"]);
  assert.deepEqual(of([2, 2, 1], null), ["1=", "1=", "3"]);
  assert.deepEqual(of([1.5, 1.25], 0.25), ["1", "2"]); // as far apart as the width: told apart
  assert.deepEqual(of([], 0.1), []);
});

/** Pixels that any language can make. */
const pattern = (x, y, c) => (7 * x + 13 * y + 29 * c + ((x * y) % 11)) % 256;

/** An EXIF block with a table of its own for the tags of 0x90.., all text. */
function exif(tags, little) {
  const b = Buffer.alloc(400);
  const two = (value, at) => (little ? b.writeUInt16LE(value, at) : b.writeUInt16BE(value, at));
  const four = (value, at) => (little ? b.writeUInt32LE(value, at) : b.writeUInt32BE(value, at));
  b.write(little ? "II" : "MM", 0, "latin1");
  two(42, 2);
  four(8, 4);
  two(2, 8);
  two(0x0112, 10), two(3, 12), four(1, 14), two(6, 18);
  two(0x8769, 22), two(4, 24), four(1, 26), four(60, 30);
  const entries = Object.entries(tags);
  two(entries.length, 60);
  let text = 200;
  entries.forEach(([tag, value], i) => {
    const at = 62 + 12 * i;
    two(Number(tag), at), two(2, at + 2), four(value.length + 1, at + 4);
    const place = value.length + 1 <= 4 ? at + 8 : text;
    if (place === text) four(text, at + 8), (text += value.length + 1);
    b.write(`${value}\0`, place, "latin1");
  });
  return b;
}

function jpeg(block) {
  const body = Buffer.concat([Buffer.from("Exif\0\0", "latin1"), block]);
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 4);
  return Uint8Array.from(Buffer.concat([head, body, Buffer.from([0xff, 0xd9])]));
}

const NOON = Date.UTC(2024, 6, 3, 12, 0, 5) / 1000;
// The same cases as in tests/photo/test_taken.py.
for (const [tags, taken] of [
  [{ 0x9003: "2024:07:03 12:00:05" }, NOON],
  [{ 0x9003: "2024:07:03 12:00:05", 0x9291: "25" }, NOON + 0.25],
  [{ 0x9003: "2024:07:03 12:00:05", 0x9291: "007" }, NOON + 0.007],
  [{ 0x9003: "2024:07:03 12:00:05", 0x9291: "x" }, NOON],
  [{ 0x9003: "0000:00:00 00:00:00" }, null],
  [{ 0x9003: "2024:02:30 12:00:05" }, null],
  [{ 0x9003: "yesterday" }, null],
  [{ 0x9004: "2024:07:03 12:00:05" }, null],
  [{}, null],
]) {
  test(`time taken: ${JSON.stringify(tags)}`, () => {
    for (const little of [true, false]) {
      const file = inspect(jpeg(exif(tags, little)));
      assert.equal(file.taken, taken);
      assert.equal(file.orientation, 6);
    }
  });
}

test("damaged EXIF says nothing, and nothing is read behind its end", () => {
  const whole = exif({ 0x9003: "2024:07:03 12:00:05" }, true);
  for (let i = 8; i < 120; i++) {
    for (const value of [0, 0x7f, 0xff]) {
      const bent = Buffer.from(whole);
      bent.fill(value, i, i + 4);
      const { taken } = inspect(jpeg(bent));
      assert.ok(taken === null || Number.isFinite(taken));
    }
    assert.ok([null, NOON].includes(inspect(jpeg(whole.subarray(0, i))).taken));
  }
});
