// From a cold browser to the first score: node runtimes/js/test/browser/start.mjs RUNS URL...
// Wall seconds and processor seconds (of all the browser's processes, Linux alone), URLs in turn so that a busy machine
// is busy for all of them. The photo is chosen before the model is there.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { chromium, goldenFolder } from "./harness.mjs";

const TICKS = 100; // of a second, in /proc
/** Processor seconds that this process's descendants have used. */
function spent() {
  const all = new Map();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${id}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      all.set(Number(id), { parent: Number(fields[1]), seconds: (Number(fields[11]) + Number(fields[12])) / TICKS });
    } catch {
      // it has ended
    }
  }
  const ours = (id) => id > 1 && (id === process.pid || ours(all.get(id)?.parent ?? 0));
  return [...all].reduce((sum, [, { parent, seconds }]) => sum + (ours(parent) ? seconds : 0), 0);
}

const [runs, ...urls] = process.argv.slice(2);
for (let run = 0; run < Number(runs); run++) {
  for (const url of urls) {
    const browser = await chromium();
    const page = await (await browser.newContext()).newPage();
    const [before, started] = [spent(), performance.now()];
    await page.goto(url, { waitUntil: "commit" });
    await page.waitForFunction(() => document.querySelector("#files")?.onchange, null, { polling: 20, timeout: 120_000 });
    await page.setInputFiles("#files", join(goldenFolder, "images/photo.png"));
    await page.waitForFunction(() => document.querySelector(".card .score")?.textContent, null, { polling: 20, timeout: 120_000 });
    const wall = (performance.now() - started) / 1000;
    const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
    console.log(`${url} ${wall.toFixed(2)} s, processor ${(spent() - before).toFixed(2)} s, load average ${load}`);
    await browser.close();
  }
}
