// The page itself, driven in real Chromium: served by `ralikit demo web`, with a model whose score
// is a photo's brightness, so that every ranking is known beforehand.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium, golden, goldenFolder, ortDist, repo, scores, violationsOf, watch, work } from "./harness.mjs";

const python = process.env.RALIKIT_PYTHON ?? "python3";
let server, browser, context, page, problems, requests;

/** Start the real command and wait until it says where. */
function serveDemo(model) {
  const child = spawn(python, ["-m", "ralikit", "demo", "web", "--model", model, "--ort", ortDist, "--port", "0"]);
  return new Promise((resolve, reject) => {
    let said = "";
    const listen = (data) => {
      said += data;
      const url = /http:\/\/localhost:\d+\//.exec(said)?.[0];
      if (url) resolve({ url, stop: () => new Promise((gone) => (child.once("exit", gone), child.kill("SIGINT"))) });
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.once("exit", () => reject(new Error(`ralikit demo web ended: ${said}`)));
  });
}

const ready = (p) => p.waitForFunction(() => document.querySelector("#state").dataset.is === "ready", null, { timeout: 90_000 });
const idle = (p, timeout = 60_000) =>
  p.waitForFunction(() => document.querySelector("#working").hidden && !document.querySelector("#tools").hidden, null, { timeout });
/** What a screen reader calls each card. */
const labels = (p) => p.$$eval(".open", (cards) => cards.map((c) => c.textContent));
const clear = async (p) => {
  if (await p.isVisible("#clear")) await p.click("#clear");
  await p.waitForFunction(() => document.querySelector("#tools").hidden);
};

/** Drop files made in the page; `kind` gray gives a photo of that brightness. */
const drop = (p, files) =>
  p.evaluate(async (files) => {
    const transfer = new DataTransfer();
    for (const { name, gray, text, width = 40, height = 30 } of files) {
      let body = text;
      if (gray !== undefined) {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d");
        context.fillStyle = `rgb(${gray} ${gray} ${gray})`;
        context.fillRect(0, 0, width, height);
        body = await canvas.convertToBlob({ type: "image/png" });
      }
      transfer.items.add(new File([body], name, { type: name.endsWith(".txt") ? "text/plain" : "image/png" }));
    }
    dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  }, files);

before(async () => {
  server = await serveDemo(join(work, "tiny.onnx"));
  browser = await chromium();
  context = await browser.newContext({ acceptDownloads: true });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  page = await context.newPage();
  problems = watch(page);
  // Listening from the start: asked for beside the key press, the press can overtake the request to catch the dialogue.
  page.on("filechooser", () => {});
  requests = [];
  context.on("request", (request) => requests.push(request.url()));
  await page.goto(server.url);
  await ready(page);
});
after(async () => {
  await browser?.close();
  await server?.stop().catch(() => {});
});

test("dropped photos are ranked; a corrupt file and a stranger do not stop the rest", async () => {
  await drop(page, [
    { name: "dark.png", gray: 20 },
    { name: "broken.jpg", text: "this is no photo" },
    { name: "bright.png", gray: 240 },
    { name: "notes.txt", text: "left out" },
    { name: "middle.png", gray: 128 },
  ]);
  await idle(page);
  assert.deepEqual(await labels(page), [
    "Rank 1: 4.76 of 5, excellent, too bright, bright.png",
    "Rank 2: 3.01 of 5, fair, too bright, middle.png",
    "Rank 3: 1.31 of 5, bad, too dark, dark.png",
  ]);
  assert.match(await page.textContent("#failures"), /1 file could not be scored/);
  assert.match(await page.textContent("#failures-list"), /broken\.jpg: .*cannot|broken\.jpg: it is not/);
  assert.match(await page.textContent("#announce"), /Scored 4 photos .* 1 could not be scored/);
});

test("order and threshold choose what is shown", async () => {
  await page.selectOption("#order", "worst");
  assert.match((await labels(page))[0], /dark/);
  await page.selectOption("#side", "least");
  await page.fill("#threshold", "3");
  assert.equal((await labels(page)).length, 2);
  assert.match(await page.textContent("#summary"), /2 of 3 photos/);
  await page.selectOption("#side", "below");
  assert.deepEqual((await labels(page)).map((l) => /(\w+)\.png/.exec(l)[1]), ["dark"]);
  await page.selectOption("#side", "all");
  assert.ok(await page.isHidden("#threshold"));
  await page.selectOption("#reason", "too-bright");
  assert.equal((await labels(page)).length, 2);
  await page.selectOption("#reason", "");
  await page.selectOption("#order", "best");
});

const choose = (name, on = true) => page.getByLabel(`Choose ${name}`, { exact: true }).setChecked(on);

test("two photos compare, and nearer ones than the model can tell apart share a rank", async () => {
  await drop(page, [{ name: "middle too.png", gray: 130 }]);
  await page.waitForFunction(() => document.querySelectorAll(".card").length === 4);
  assert.deepEqual(await page.$$eval(".rank", (all) => all.map((r) => r.textContent)), ["1", "2=", "2=", "4"]);
  assert.match((await labels(page))[1], /^Rank 2, shared: /);
  await choose("bright.png");
  assert.ok(await page.isDisabled("#compare"));
  await choose("dark.png");
  await page.click("#compare");
  assert.match(await page.textContent("#verdict"), /bright\.png scores 3\.45 higher, more than the 0\.10/);
  await page.keyboard.press("Escape");
  await choose("middle.png");
  assert.ok(await page.isDisabled("#compare"), "three cannot be compared");
  assert.equal(await page.textContent("#selection-words"), "3 chosen");
  await choose("bright.png", false);
  await choose("dark.png", false);
  await choose("middle too.png");
  await page.click("#compare");
  assert.match(await page.textContent("#verdict"), /Too close to call: 0\.03 apart/);
  await page.click("#versus-close");
  await page.click("#choose-none");
  assert.ok(await page.isHidden("#selection"));
});

test("keyboard: tabs by arrows, a card opens with Enter, arrows turn the pages, Escape returns", async () => {
  await page.focus("#tab-photos");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getAttribute("#tab-bench", "aria-selected"), "true");
  assert.ok(await page.isVisible("#panel-bench"));
  await page.keyboard.press("Home");
  assert.ok(await page.isVisible("#panel-photos"));
  await page.locator(".open").first().focus();
  await page.keyboard.press("Enter");
  assert.match(await page.textContent("#viewer-title"), /^1 · bright/);
  await page.keyboard.press("ArrowRight");
  assert.match(await page.textContent("#viewer-title"), /^2= · middle too/);
  assert.match(await page.textContent("#viewer-facts"), /40 × 30 pixels.*decode.*resize.*model/s);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.className), "open");
});

test("everything one can act on has a name, and every field a label", async () => {
  const nameless = await page.evaluate(() =>
    Array.from(document.querySelectorAll("button, input, select, summary, dialog, [role=tabpanel]"))
      .filter((e) => {
        const by = (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("");
        const text = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || by || e.textContent;
        return !text?.trim() && e.id !== "failures-words" && !(e.tagName === "DIALOG" && !e.open);
      })
      .map((e) => e.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(nameless, []);
});

test("CSV holds what is shown, in order, and no name can become a formula", async () => {
  await clear(page);
  await drop(page, [{ name: "=HYPERLINK(1).png", gray: 200 }, { name: "+1, \"quoted\".png", gray: 100 }, { name: "plain.png", gray: 50 }]);
  await idle(page);
  await page.click("#copy");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  const text = readFileSync(await saved.path(), "utf8");
  assert.equal(text, `\ufeff${copied}`);
  const lines = copied.trim().split("\r\n");
  assert.equal(lines[0], "rank,file,score,width,height,model,precision,model_sha256,reasons,too-dark,too-bright,tied,scene,scene_photos,in_scene");
  assert.match(lines[1], /^1,"'=HYPERLINK\(1\)\.png",4\.1373,40,30,"brightness","fp32",[0-9a-f]{64},"too bright",0\.2157,0\.7843,no,\d,1,best$/);
  assert.deepEqual(await page.$$eval(".card .reasons", (all) => all.map((r) => r.textContent)), ["too bright", "too dark", "too dark"]);
  assert.match(lines[2], /^2,"'\+1, ""quoted""\.png",/);
  assert.match(lines[3], /^3,"plain\.png",/);
});

/** Photos with a picture on them, of one scene where `seed` is the same; `dim` darkens it. */
const pictures = (p, files) =>
  p.evaluate(async (files) => {
    const transfer = new DataTransfer();
    for (const { name, seed, dim } of files) {
      const canvas = new OffscreenCanvas(64, 64);
      const context = canvas.getContext("2d");
      for (let i = 0; i < 64; i++) {
        const light = Math.round(dim * ((i * (seed ? 71 : 37)) % 256));
        context.fillStyle = `rgb(${light} ${light} ${light})`;
        context.fillRect(8 * (i % 8), 8 * Math.floor(i / 8), 8, 8);
      }
      transfer.items.add(new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" }));
    }
    dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  }, files);

test("photos of one scene are found, and the best of each is chosen, named and copied", async () => {
  await clear(page);
  await pictures(page, [
    { name: "a1.png", seed: 0, dim: 1 }, { name: "b1.png", seed: 1, dim: 0.4 }, { name: "a2.png", seed: 0, dim: 0.6 },
    { name: "a3.png", seed: 0, dim: 0.3 }, { name: "b2.png", seed: 1, dim: 0.39 },
  ]);
  await idle(page);
  const scene = async (name) => (await page.$$eval(".card", (cards) => cards.map((c) => [c.querySelector(".name").textContent, c.querySelector(".scene").textContent]))).find(([n]) => n === name)[1];
  await page.waitForFunction(() => document.querySelector(".scene").textContent !== "");
  assert.equal(await scene("a1.png"), "best of 3");
  assert.equal(await scene("a3.png"), "one of 3 of a scene");
  assert.equal(await scene("b2.png"), "among 2, too close to call");
  await page.selectOption("#scenes", "best");
  assert.deepEqual(await page.$$eval(".card .name", (all) => all.map((n) => n.textContent)), ["a1.png", "b1.png"]);
  await page.selectOption("#scenes", "several");
  assert.deepEqual(await page.$$eval(".card .name", (all) => all.map((n) => n.textContent)), ["a1.png", "a2.png", "a3.png", "b1.png", "b2.png"]);
  await page.selectOption("#scenes", "all");
  await page.click("#choose-best");
  assert.equal(await page.textContent("#selection-words"), "2 chosen");
  await page.click("#copy-names");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "a1.png\nb1.png");
  // The browser's own folder of this page stands in for one that a person picks.
  const saved = await page.evaluate(async () => {
    const folder = await navigator.storage.getDirectory();
    await (await folder.getFileHandle("a1.png", { create: true })).createWritable().then((s) => s.close());
    window.showDirectoryPicker = async () => folder;
    document.querySelector("#save-copies").click();
    while (!/copied/.test(document.querySelector("#selection-words").textContent)) await new Promise((soon) => setTimeout(soon, 20));
    const sizes = {};
    for await (const [name, file] of folder.entries()) sizes[name] = (await file.getFile()).size;
    return sizes;
  });
  assert.deepEqual(Object.keys(saved).sort(), ["a1 (2).png", "a1.png", "b1.png"]);
  assert.equal(saved["a1.png"], 0, "what lay there is untouched");
  assert.ok(saved["a1 (2).png"] > 50 && saved["b1.png"] > 50);
  await page.click("#choose-none");
});

test("boxes show what is chosen at once, not with the next drawing", async () => {
  const boxesAfter = (button) => page.evaluate((button) => {
    document.querySelector(button).click();
    return Array.from(document.querySelectorAll(".chosen input"), (box) => box.checked); // before any timer runs
  }, button);
  const all = await boxesAfter("#choose-shown");
  assert.ok(all.length > 1 && all.every((on) => on));
  assert.ok((await boxesAfter("#choose-none")).every((on) => !on));
});

test("axe finds nothing on any view", async () => {
  const check = async (view) => assert.deepEqual(await violationsOf(page), [], view);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.click("#choose-shown");
    await check(`photos, ${colorScheme}`);
    await page.locator(".open").first().click();
    await check(`viewer, ${colorScheme}`);
    await page.keyboard.press("Escape");
    await page.click("#choose-none");
    await choose("a1.png");
    await choose("b1.png");
    await page.click("#compare");
    await check(`compare, ${colorScheme}`);
    await page.keyboard.press("Escape");
    for (const tab of ["bench", "model"]) {
      await page.click(`#tab-${tab}`);
      await check(`${tab}, ${colorScheme}`);
    }
    await page.click("#tab-photos");
  }
  await page.emulateMedia({ colorScheme: null });
  await clear(page);
  await check("empty");
});

test("nothing that a finger or a mouse must hit is smaller than WCAG 2.2 asks", async () => {
  const small = async (p, least) =>
    p.evaluate((least) => {
      const seen = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 1;
      const boxes = Array.from(document.querySelectorAll("button, select, input, summary, label.chosen")).filter(seen);
      return boxes
        .filter((e) => !e.closest("label.chosen") || e.matches("label.chosen")) // the label is what one hits
        .map((e) => [e.id || e.className || e.tagName, e.getBoundingClientRect()])
        .filter(([, box]) => box.width < least || box.height < least)
        .map(([name, box]) => `${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
    }, least);
  await drop(page, [{ name: "a.png", gray: 90 }, { name: "b.png", gray: 190 }]);
  await idle(page);
  await page.selectOption("#side", "least");
  await page.click("#choose-shown");
  assert.deepEqual(await small(page, 24), []);
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const touch = await phone.newPage();
  await touch.goto(server.url);
  await ready(touch);
  assert.ok(await touch.isHidden(".for-mouse"), "nobody drops on a phone");
  await touch.setInputFiles("#files", join(goldenFolder, "images/photo.png"));
  await idle(touch);
  assert.ok(await touch.isHidden(".for-mouse"), "nor with photos there");
  await touch.selectOption("#side", "below");
  await touch.click("#choose-shown");
  for (const tab of ["bench", "model", "photos"]) {
    await touch.click(`#tab-${tab}`);
    assert.deepEqual(await small(touch, 44), [], tab);
    if (tab === "photos") assert.ok((await touch.locator("#selection").boundingBox()).height < 844 / 3, "what is chosen leaves room for photos");
    assert.ok(await touch.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${tab} is wider than the phone`);
  }
  await touch.locator(".open").first().click();
  assert.deepEqual(await small(touch, 44), []);
  const tops = await touch.$$eval(".dialog-top button", (all) => all.filter((b) => b.checkVisibility()).map((b) => b.getBoundingClientRect().top));
  assert.equal(new Set(tops).size, 1, "the viewer's buttons stand in one row");
  await phone.close();
  await page.selectOption("#side", "all");
  await clear(page);
});

test("by the keyboard alone: from the page's start to the CSV of chosen photos", async () => {
  await page.reload();
  await ready(page);
  const to = async (id, key = "Tab", most = 40) => {
    for (let i = 0; i < most; i++) {
      if (await page.evaluate((id) => document.activeElement?.id === id || document.activeElement?.matches(id.startsWith(".") ? id : "#none"), id)) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${id} is not reached by ${key}`);
  };
  await to("pick");
  const [picker] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await picker.setFiles(["photo.png", "noise.png"].map((name) => join(goldenFolder, "images", name)));
  await idle(page);
  await to("order");
  await page.keyboard.press("ArrowDown"); // worst first
  await to(".open");
  await to(".chosen input");
  await page.keyboard.press("Space");
  assert.equal(await page.textContent("#selection-words"), "1 chosen");
  await to("download-chosen");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assert.equal(readFileSync(await saved.path(), "utf8").trim().split("\r\n").length, 2);
  await to("choose-none");
  await page.keyboard.press("Enter");
  await page.selectOption("#order", "best");
  await clear(page);
});

test("a folder is searched to the bottom", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ralikit-web-"));
  mkdirSync(join(folder, "holiday/day 1"), { recursive: true });
  for (const [path, photo] of [["a.png", "photo.png"], ["holiday/b.png", "gray.png"], ["holiday/day 1/c.jpg", "j_444.jpg"]]) {
    writeFileSync(join(folder, path), readFileSync(join(goldenFolder, "images", photo)));
  }
  writeFileSync(join(folder, "holiday/readme.txt"), "no photo");
  await page.setInputFiles("#folder", folder);
  await idle(page);
  const names = await page.$$eval(".card .name", (all) => all.map((n) => n.textContent).sort());
  assert.deepEqual(names.map((n) => n.split("/").slice(1).join("/")), ["a.png", "holiday/b.png", "holiday/day 1/c.jpg"]);
});

const grays = (count, start = 0) => Array.from({ length: count }, (_, i) => ({ name: `p${start + i}.png`, gray: (i * 37) % 256, width: 64, height: 48 }));

test("200 photos: ranked, with a bounded number of cards that grows as one scrolls", async () => {
  await clear(page);
  await drop(page, grays(200));
  await idle(page, 120_000);
  assert.match(await page.textContent("#summary"), /^200 photos/);
  const shown = await page.$$eval(".card", (cards) => cards.map((c) => Number(c.dataset.score)));
  assert.ok(shown.length <= 80, `${shown.length} cards at once`);
  assert.deepEqual(shown, [...shown].sort((a, b) => b - a));
  for (let i = 0; i < 8; i++) {
    await page.mouse.wheel(0, 4000);
    await page.waitForTimeout(60);
  }
  await page.waitForFunction(() => document.querySelectorAll(".card").length > 80);
  await page.evaluate(() => scrollTo(0, 0));
});

test("1,000 photos: the tab lives on, within bounded memory", async () => {
  const heap = () => page.evaluate(async () => (await performance.measureUserAgentSpecificMemory?.())?.bytes ?? null);
  const before = await heap();
  await drop(page, grays(800, 200));
  await page.waitForFunction(() => /^1000 photos/.test(document.querySelector("#summary").textContent) && document.querySelector("#working").hidden, null, { timeout: 180_000 });
  const after = await heap();
  if (before !== null) {
    assert.ok(after - before < 60e6, `800 more photos took ${(after - before) / 1e6} MB`);
    console.log(`memory of the page: ${Math.round(before / 1e6)} MB with 200 photos, ${Math.round(after / 1e6)} MB with 1,000`);
  }
});

test("cancel stops, keeps what is scored and lets the rest go", async () => {
  await clear(page);
  const blob = readFileSync(join(goldenFolder, "images/large.png"));
  const many = Array.from({ length: 60 }, (_, i) => ({ name: `big${i}.png`, mimeType: "image/png", buffer: blob }));
  await page.setInputFiles("#files", many);
  await page.waitForFunction(() => document.querySelectorAll(".card").length >= 2, null, { timeout: 60_000 });
  await page.click("#cancel");
  await page.waitForFunction(() => document.querySelector("#working").hidden);
  const kept = (await labels(page)).length;
  assert.ok(kept >= 2 && kept < 60, `${kept} photos kept`);
  assert.match(await page.textContent("#announce"), /Cancelled after/);
  await drop(page, [{ name: "after.png", gray: 255 }]);
  await page.waitForFunction(() => /after\.png/.test(document.querySelector(".open")?.textContent), null, { timeout: 30_000 });
});

test("another model is loaded by file picker; what is no such model is refused in words", async () => {
  await clear(page);
  await drop(page, [{ name: "one.png", gray: 90 }]);
  await idle(page);
  await page.click("#tab-model");
  await page.setInputFiles("#model-file", join(goldenFolder, "images/photo.png"));
  await page.waitForSelector("#model-error:not([hidden])");
  assert.match(await page.textContent("#model-error"), /photo\.png: this is not .*ONNX file/);
  const other = Object.keys(scores)[0];
  if (other) {
    await page.setInputFiles("#model-file", join(work, `${other}.onnx`));
    await page.waitForFunction(() => document.querySelector("#own-model").hidden === false, null, { timeout: 90_000 });
    assert.match(await page.textContent("#facts"), /SHA-256/);
    await page.click("#tab-photos");
    await page.waitForFunction(() => document.querySelector("#working").hidden, null, { timeout: 30_000 });
    assert.ok(!(await labels(page))[0].startsWith("Rank 1: 2.41 of 5"));
    await page.click("#tab-model");
    await page.click("#own-model");
    await page.waitForFunction(() => document.querySelector("#own-model").hidden, null, { timeout: 60_000 });
  }
  await page.click("#tab-photos");
  await page.waitForFunction(() => /2\.41/.test(document.querySelector(".open")?.textContent));
});

const restored = async (count) => {
  await page.reload();
  await ready(page);
  await page.waitForFunction((n) => document.querySelectorAll(".card").length === n, count);
};
const shown = () => page.$$eval(".card", (cards) => cards.map((c) => [c.querySelector(".name").textContent, c.querySelector(".reasons").textContent, c.dataset.score]));

test("results outlive a reload, are taken up when the photo comes again, and belong to their model", async () => {
  await clear(page);
  const files = ["photo.png", "gray.png"].map((name) => join(goldenFolder, "images", name));
  await page.setInputFiles("#files", files);
  await idle(page);
  await page.waitForFunction(() => /2 photos/.test(document.querySelector("#kept-words").textContent));
  const before = await shown();
  await restored(2);
  assert.deepEqual(await shown(), before);
  assert.ok(await page.$eval(".thumb", (image) => image.src.startsWith("blob:")), "with its small picture");
  await page.locator(".open").first().click();
  assert.match(await page.textContent("#viewer-facts"), /small picture of an earlier visit/);
  assert.ok(await page.isHidden("#viewer-explain"), "there is no file to look at");
  await page.keyboard.press("Escape");
  // The same file again is not scored again; another file of its name is a photo of its own.
  const namesake = join(mkdtempSync(join(tmpdir(), "ralikit-web-")), "gray.png");
  writeFileSync(namesake, readFileSync(join(goldenFolder, "images/noise.png")));
  await page.setInputFiles("#files", [files[0], namesake]);
  await page.waitForFunction(() => document.querySelectorAll(".card").length === 3 && document.querySelector("#working").hidden);
  assert.match(await page.textContent("#announce"), /Scored 2 photos/);
  await page.locator(".open", { hasText: "photo.png" }).click();
  assert.doesNotMatch(await page.textContent("#viewer-facts"), /earlier visit/);
  assert.ok(await page.isVisible("#viewer-explain"));
  await page.keyboard.press("Escape");
  const other = Object.keys(scores)[0];
  if (!other) return;
  await restored(3);
  await page.setInputFiles("#model-file", join(work, `${other}.onnx`));
  await page.waitForFunction(() => document.querySelector("#own-model").hidden === false, null, { timeout: 90_000 });
  assert.equal((await shown()).length, 0, "another model's scores are not shown");
  await restored(3);
});

test("forgetting leaves nothing in the browser, neither for this page nor for the next visit", async () => {
  const kept = () =>
    page.evaluate(async () => {
      const database = await new Promise((resolve) => (indexedDB.open("ralikit-demo").onsuccess = (e) => resolve(e.target.result)));
      const count = await new Promise((resolve) => (database.transaction("results").objectStore("results").count().onsuccess = (e) => resolve(e.target.result)));
      database.close();
      return count;
    });
  assert.equal(await kept(), 3);
  await page.click("#forget");
  await page.waitForFunction(() => document.querySelector("#kept").hidden);
  assert.equal(await kept(), 0);
  await restored(0);
  assert.ok(await page.isHidden("#tools"));
});

test("a score map on demand: the worst region, in words and over the photo", async () => {
  await clear(page);
  // Bright stripes, and a dark square of stripes at the bottom right.
  await page.evaluate(async () => {
    const context = new OffscreenCanvas(120, 80).getContext("2d");
    for (let x = 0; x < 120; x++) {
      context.fillStyle = x % 10 < 5 ? "#eee" : "#bbb";
      context.fillRect(x, 0, 1, 80);
      context.fillStyle = x % 10 < 5 ? "#444" : "#000";
      if (x >= 70 && x < 110) context.fillRect(x, 40, 1, 40);
    }
    const transfer = new DataTransfer();
    transfer.items.add(new File([await context.canvas.convertToBlob({ type: "image/png" })], "spotted.png", { type: "image/png" }));
    dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  });
  await idle(page);
  await page.locator(".open").first().click();
  await page.click("#viewer-explain");
  await page.waitForSelector("#viewer-map:not([hidden])");
  assert.match(await page.textContent("#viewer-words"), /^Worst region, outlined: 1\.\d\d: too dark\. .* windows scores [34]\.\d\d/);
  const [dark, light] = await page.evaluate(() => {
    const canvas = document.querySelector("#viewer-map");
    const at = (x, y) => Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data);
    return [at(90, 60), at(20, 20)];
  });
  assert.ok(dark[0] > dark[2] + 60 && light[2] > light[0] + 10, `yellow where it is bad, blue where not: ${dark}, ${light}`);
  await page.click("#viewer-explain");
  assert.ok(await page.isHidden("#viewer-map"));
  // Stopped by going on: nothing of it appears later.
  await page.click("#viewer-explain");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector("#viewer-words").textContent === "");
  await page.waitForTimeout(300); // long enough to see it come back; too short fails nothing that is right
  assert.ok(await page.isHidden("#viewer-map"));
  assert.equal(await page.textContent("#viewer-words"), "");
});

test("the graphics chip is offered where the browser has it; where it fails, the processor goes on and a note says so", async () => {
  await page.click("#tab-model");
  assert.equal(await page.isVisible("#backend"), await page.evaluate(() => "gpu" in navigator));
  await page.evaluate(() => ((document.querySelector("#backend").value = "auto"), document.querySelector("#backend").dispatchEvent(new Event("change"))));
  await page.waitForFunction(() => document.querySelector("#model-note").textContent !== "", null, { timeout: 60_000 });
  assert.match(await page.textContent("#model-note"), /processor is used/);
  assert.match(await page.textContent("#facts"), /processor, \d+ threads?,/);
  await page.evaluate(() => ((document.querySelector("#backend").value = "wasm"), document.querySelector("#backend").dispatchEvent(new Event("change"))));
  await page.waitForFunction(() => document.querySelector("#model-note").textContent === "" && document.querySelector("#state").dataset.is === "ready");
  await page.click("#tab-photos");
});

test("the benchmark saves a record that ralikit reads", async () => {
  await page.click("#tab-bench");
  await page.click("#bench-quick");
  await page.waitForSelector(".figures", { timeout: 120_000 });
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click("#bench-save")]);
  const file = join(work, "bench.jsonl");
  await saved.saveAs(file);
  const read = "import sys; from pathlib import Path; from ralikit.bench.records import read; r, = read([Path(sys.argv[1])]); print(r.device.kind, len(r.samples['inference_s']), r.model.name)";
  assert.equal(execFileSync(python, ["-c", read, file], { encoding: "utf8" }).trim(), "browser 30 brightness");
  await page.click("#tab-photos");
});

test("what docs/web.md says the page weighs is what it weighs", () => {
  const site = join(mkdtempSync(join(tmpdir(), "ralikit-web-")), "site");
  execFileSync(python, ["-m", "ralikit", "demo", "web", "--ort", ortDist, "--out", site, "--no-serve"]);
  const files = readdirSync(site, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name));
  const weigh = (kind, size) => files.filter((f) => !f.endsWith(".gz") && kind(f.slice(site.length + 1))).reduce((sum, f) => sum + size(f), 0) / 1e6;
  const gpu = (f) => /webgpu|asyncify/.test(f);
  const kinds = {
    "ONNX Runtime Web": (f) => f.startsWith("ort/") && !gpu(f),
    "the model": (f) => f.startsWith("model/"),
    "scripts, style, page": (f) => !/^(ort|model|samples)\//.test(f),
    "sample photos": (f) => f.startsWith("samples/"),
    "WebGPU": gpu,
  };
  const doc = readFileSync(join(repo, "docs/web.md"), "utf8");
  for (const [name, kind] of Object.entries(kinds)) {
    const row = doc.split("\n").find((line) => line.startsWith(`| ${name}`))?.split("|").slice(2, 4).map(Number);
    assert.ok(row, `docs/web.md has no row "${name}"`);
    const sizes = [weigh(kind, (f) => statSync(f).size), weigh(kind, (f) => statSync(existsSync(`${f}.gz`) ? `${f}.gz` : f).size)];
    sizes.forEach((size, i) => assert.ok(Math.abs(size - row[i]) <= Math.max(0.02, 0.05 * size), `${name}: ${size.toFixed(2)} MB, docs/web.md says ${row[i]}`));
  }
});

test("nothing leaves the page: every request is its own, and its policy forbids others", async () => {
  const origin = new URL(server.url).origin;
  assert.deepEqual([...new Set(requests.map((url) => new URL(url)).filter((u) => u.protocol.startsWith("http")).map((u) => u.origin))], [origin]);
  const refused = await page.evaluate(() => fetch("http://127.0.0.1:9/").then(() => "sent", (e) => e.name));
  assert.equal(refused, "TypeError");
  assert.match(problems.join("\n"), /Content Security Policy/);
  assert.equal(problems.filter((p) => !/Content Security Policy|127\.0\.0\.1:9/.test(p)).join("\n"), "");
});

// Weights stored in 16 bits are computed in 32.
const float = ["fp32", "fp16"].find((p) => scores[p]);

test("the exported model ranks the golden photos as Python does", { skip: float ? false : "no model was exported" }, async () => {
  const real = await serveDemo(join(work, `${float}.onnx`));
  const own = await browser.newPage();
  await own.goto(real.url);
  await ready(own);
  const names = ["photo.png", "portrait.png", "noise.png", "gray.png", "j_low.jpg", "j_p3.jpg", "display_p3.png", "tall.png"];
  await own.setInputFiles("#files", names.map((n) => join(goldenFolder, "images", n)));
  await own.waitForFunction((n) => document.querySelectorAll(".card").length === n && document.querySelector("#working").hidden, names.length, { timeout: 90_000 });
  const wanted = [...names].sort((a, b) => scores[float].scores[b] - scores[float].scores[a]);
  assert.deepEqual(await own.$$eval(".card .name", (all) => all.map((n) => n.textContent)), wanted);
  for (const [i, value] of (await own.$$eval(".card", (all) => all.map((c) => Number(c.dataset.score)))).entries()) {
    assert.ok(Math.abs(value - scores[float].scores[wanted[i]]) < 1e-4);
  }
  await own.close();
  await real.stop();
});

test("offline: with the server stopped the page opens again and scores", async () => {
  await page.waitForFunction(() => document.documentElement.dataset.offline === "ready", null, { timeout: 60_000 });
  await clear(page);
  await server.stop();
  await page.close();
  const again = await context.newPage();
  const broken = watch(again);
  await again.goto(server.url);
  await ready(again);
  assert.equal(await again.evaluate(() => crossOriginIsolated), true);
  await again.click("#try");
  await again.waitForFunction(() => document.querySelectorAll(".card").length === 12 && document.querySelector("#working").hidden, null, { timeout: 60_000 });
  assert.equal(broken.join("\n"), "");
});

assert.ok(Object.keys(golden.photos).length > 30); // the vectors are there
