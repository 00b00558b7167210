import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openPhoto } from "../src/index.js";
import { inspect } from "../src/container.js";
import { ENCODE, parseProfile } from "../src/icc.js";
import { folder, golden, photo, sha256 } from "./golden.mjs";

const bytes = (name) => new Uint8Array(readFileSync(`${folder}images/${name}`));

test("JPEG headers: size, orientation, kind of pixels and profile", () => {
  for (const [name, wanted] of Object.entries(golden.photos).filter(([n]) => n.endsWith(".jpg"))) {
    const file = inspect(bytes(name));
    const [height, width] = wanted.steps.stored.shape;
    assert.deepEqual([file.kind, file.width, file.height], ["jpeg", width, height], name);
    assert.equal(file.orientation, wanted.orientation, name);
    assert.equal(file.pixels, name === "j_gray.jpg" ? "gray" : name === "j_cmyk.jpg" ? "cmyk" : "rgb", name);
    assert.equal(file.profile !== null, name === "j_p3.jpg", name);
  }
});

test("a profile split over several JPEG segments is joined in order", () => {
  const whole = bytes("j_p3.jpg");
  const profile = inspect(whole).profile;
  const segment = (n, part) => {
    const head = [0xff, 0xe2, 0, 0, ...new TextEncoder().encode("ICC_PROFILE\0"), n, 2];
    const length = head.length - 2 + part.length;
    head[2] = length >> 8;
    head[3] = length & 255;
    return [...head, ...part];
  };
  const cut = 100;
  const file = new Uint8Array([0xff, 0xd8, ...segment(2, profile.subarray(cut)), ...segment(1, profile.subarray(0, cut)), 0xff, 0xda]);
  assert.deepEqual(inspect(file).profile, profile);
  const missing = new Uint8Array([0xff, 0xd8, ...segment(1, profile.subarray(0, cut)), 0xff, 0xda]);
  assert.equal(inspect(missing).profile, null, "half a profile is none");
});

test("Display P3 moves saturated colours and leaves gray alone", () => {
  const { conversion, space } = parseProfile(inspect(bytes("j_p3.jpg")).profile);
  assert.equal(space, "RGB");
  const gray = conversion.products.map((row) => row[0][128] + row[1][128] + row[2][128]);
  for (const y of gray) assert.equal(ENCODE[Math.floor(y * 65535 + 0.5)], 128);
  assert.ok(conversion.products[0][0][255] > 1, "P3's red lies outside sRGB");
});

const broken = {
  "an empty file": new Uint8Array(),
  "a cut PNG": bytes("photo.png").subarray(0, 20000),
  "a PNG without pixels": bytes("photo.png").subarray(0, 33),
  "a flipped byte in the pixels": bytes("photo.png").map((v, i) => (i === 30000 ? v ^ 255 : v)),
};
for (const [what, data] of Object.entries(broken)) {
  test(`${what} is a PhotoError`, async () => {
    await assert.rejects(openPhoto(new Blob([data])), { name: "PhotoError", code: "photo" });
  });
}

test("a bomb is refused by its header, before a pixel is decoded", async () => {
  const bomb = bytes("photo.png").slice();
  new DataView(bomb.buffer).setUint32(16, 100_000);
  new DataView(bomb.buffer).setUint32(20, 100_000);
  await assert.rejects(openPhoto(new Blob([bomb])), /limit is 100 megapixels/);
  await assert.rejects(openPhoto(photo("photo.png"), { maxPixels: 1000 }), { name: "PhotoError" });
});

test("random damage never throws anything but a PhotoError", async () => {
  const names = ["photo.png", "interlaced.png", "palette.png", "display_p3.png", "gray16.png"];
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 150; i++) {
    const data = bytes(names[i % names.length]).slice();
    for (let k = 0; k < 1 + random(6); k++) data[random(data.length)] = random(256);
    const cut = random(4) === 0 ? data.subarray(0, random(data.length)) : data;
    try {
      const { source } = await openPhoto(new Blob([cut]), { maxPixels: 1e6 });
      source.read(0, source.height);
    } catch (error) {
      assert.equal(error.name, "PhotoError", `${names[i % names.length]} ${i}: ${error.stack}`);
    }
  }
});

test("what is no photo is refused as such", async () => {
  await assert.rejects(openPhoto("photo.png"), { name: "UsageError" });
  await assert.rejects(openPhoto(new Blob(["hello"])), { name: "PhotoError" });
});

test("the table from linear light to sRGB is the one in docs/pixels.md", () => {
  assert.equal(sha256(ENCODE), "02387f3d0fb18f89bd923d54abccebc15685f8587ac91b4f4e2ddd8b3e953b83");
});
