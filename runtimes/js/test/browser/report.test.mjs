// The pages that `ralikit report` and `ralikit quickstart` write, read by axe in real Chromium: the benchmark report of this
// project, and every further page named in RALIKIT_REPORTS.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium, repo, violationsOf, watch } from "./harness.mjs";

const pages = [join(repo, "benchmarks/report.html"), ...(process.env.RALIKIT_REPORTS ?? "").split(":").filter(Boolean)];
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
let browser;

before(async () => (browser = await chromium()));
after(() => browser?.close());

for (const file of pages) {
  test(`axe finds nothing in ${file.replace(repo, "")}, and nothing is wider than a phone`, async () => {
    const page = await browser.newPage();
    const problems = watch(page);
    for (const [device, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.goto(pathToFileURL(file).href);
        assert.deepEqual(await violationsOf(page), [], `${device}, ${colorScheme}`);
      }
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `it is wider than a ${device}`);
    }
    assert.deepEqual(problems, []);
    await page.close();
  });
}
