// The shared vectors, for tests in node and in a browser.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const folder = fileURLToPath(new URL("../../golden/", import.meta.url));
export const golden = JSON.parse(readFileSync(`${folder}golden.json`, "utf8"));
export const photo = (name) => new Blob([readFileSync(`${folder}images/${name}`)]);
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** All of a photo's pixels as RGB. */
export function rgb({ width, height, channels, read }) {
  const out = new Uint8Array(width * height * 3);
  const rows = read(0, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) out[3 * i + c] = rows[channels * i + c];
  }
  return out;
}
