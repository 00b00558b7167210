import assert from "node:assert/strict";
import { test } from "node:test";
import { corners, cutViews, openPhoto, readPreprocess, resize, resizedSize } from "../src/index.js";
import { codedProfile, convert } from "../src/icc.js";
import { golden, photo, rgb, sha256 } from "./golden.mjs";

const settings = Object.entries(golden.settings).map(([name, facts]) => [name, readPreprocess(facts)]);

// node has no image decoders: PNG alone is read by this package itself.
for (const [name, wanted] of Object.entries(golden.photos).filter(([n]) => n.endsWith(".png"))) {
  test(`${name}: ${wanted.for}`, async () => {
    const opened = await openPhoto(photo(name));
    const [height, width] = wanted.steps.upright.shape;
    assert.deepEqual([opened.source.width, opened.source.height], [width, height]);
    assert.equal(sha256(rgb(opened.source)), wanted.steps.upright.sha256, "upright sRGB pixels differ");
    for (const [setting, p] of settings) {
      const expected = wanted.settings[setting];
      const size = resizedSize(p, width, height);
      assert.deepEqual([size.width, size.height], expected.resized_size);
      assert.deepEqual(corners(p, size.width, size.height).map((c) => [c.left, c.top]), expected.corners);
      if (expected.resized) {
        const whole = resize(opened.source, { ...size, filter: p.resample });
        assert.equal(sha256(whole.data), expected.resized.sha256, `${setting}: resized pixels differ`);
      }
      assert.equal(sha256(cutViews(opened.source, p)), expected.views.sha256, `${setting}: views differ`);
    }
  });
}


test("a resize reads strips, and its result does not depend on them", () => {
  const width = 40;
  const height = 90;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 256);
  const asked = [];
  const read = (y, rows) => (asked.push(rows), data.subarray(y * width * 3, (y + rows) * width * 3));
  const source = { width, height, channels: 3, read };
  const whole = resize(source, { width: 11, height: 23 });
  const part = resize(source, { width: 11, height: 23 }, { left: 3, top: 5, width: 4, height: 6 });
  for (let y = 0; y < 6; y++) {
    const row = ((5 + y) * 11 + 3) * 3;
    assert.deepEqual(part.data.subarray(y * 12, y * 12 + 12), whole.data.subarray(row, row + 12));
  }
  assert.ok(asked[1] < height, "the part needs fewer rows than the photo has");
});

test("a flat photo stays flat, whatever the filter", () => {
  for (const filter of ["bicubic", "bilinear", "lanczos"]) {
    const source = { width: 17, height: 9, channels: 4, read: (y, rows) => new Uint8Array(17 * rows * 4).fill(200) };
    assert.ok(resize(source, { width: 31, height: 5, filter }).data.every((v) => v === 200), filter);
  }
});

test("wrong sizes and filters are refused by name", () => {
  const source = { width: 2, height: 2, channels: 3, read: () => new Uint8Array(12) };
  assert.throws(() => resize(source, { width: 0, height: 2 }), { name: "UsageError", code: "usage" });
  assert.throws(() => resize(source, { width: 2, height: 2, filter: "nearest" }), /bicubic, bilinear or lanczos/);
  assert.throws(() => resize(source, { width: 4, height: 4 }, { left: 2, top: 0, width: 3, height: 1 }), /outside/);
});

// The same numbers stand in tests/photo/test_structure.py.
const CODED = [
  [[12, 13], [216, 69, 50, 0, 255, 0, 0, 133, 255]],
  [[9, 13], [244, 37, 50, 0, 255, 0, 0, 136, 255]],
  [[9, 8], [255, 138, 128, 0, 255, 0, 0, 197, 255]],
];

test("colour by numbers gives Python's pixels", () => {
  for (const [[primaries, transfer], wanted] of CODED) {
    const data = Uint8Array.from([200, 80, 60, 0, 255, 0, 17, 130, 250]);
    convert(data, 3, codedProfile(primaries, transfer).conversion);
    assert.deepEqual([...data], wanted);
  }
  assert.equal(codedProfile(1, 13).conversion, null);
  assert.equal(codedProfile(10, 13).conversion, null);
});
