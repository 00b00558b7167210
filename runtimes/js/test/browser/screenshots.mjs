// Pictures of the page for the docs: node runtimes/js/test/browser/screenshots.mjs URL OUT_DIR
import { join } from "node:path";
import { chromium } from "./harness.mjs";

const [url, out] = process.argv.slice(2);
const desktop = { viewport: { width: 1280, height: 860 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

const browser = await chromium();
for (const [name, options] of [
  ["desktop-light", desktop],
  ["desktop-dark", { ...desktop, colorScheme: "dark" }],
  ["phone-light", phone],
  ["phone-dark", { ...phone, colorScheme: "dark" }],
]) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector("#state").dataset.is === "ready", null, { timeout: 180_000 });
  if (name === "desktop-light") await page.screenshot({ path: join(out, "web-empty.png") });
  await page.click("#try");
  await page.waitForFunction(() => document.querySelectorAll(".card").length === 12 && document.querySelector("#working").hidden, null, { timeout: 300_000 });
  await page.mouse.move(0, 0);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(out, `web-${name}.png`) });
  if (name === "desktop-light") {
    await page.getByLabel("Choose cat.jpg").check();
    await page.locator(".chosen input").nth(1).check();
    await page.screenshot({ path: join(out, "web-chosen.png") });
    await page.click("#compare");
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(out, "web-compare.png") });
    await page.keyboard.press("Escape");
    await page.click("#tab-bench");
    await page.click("#bench-quick");
    await page.waitForSelector(".figures", { timeout: 300_000 });
    await page.screenshot({ path: join(out, "web-bench.png") });
  }
  await context.close();
}
await browser.close();
