// The package as a user gets it: packed by npm, installed into an empty project, type-checked, then scoring
// in Chromium through a bundler (vite, development server and build) and through a plain script tag.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium, golden, goldenFolder, ortDist, repo, serve, watch, work } from "./harness.mjs";

const VITE = "8.3.8";
const { version, devDependencies } = JSON.parse(readFileSync(join(repo, "runtimes/js/package.json"), "utf8"));
const project = mkdtempSync(join(tmpdir(), "ralikit-npm-"));
const npm = (...words) => execFileSync("npm", [...words, "--no-audit", "--no-fund", "--loglevel=error"], { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A user's page, as the README shows it: it writes a photo's score into the title. */
const PAGE = `
  const scorer = await RaliScorer.load("/tiny.onnx", { ort: "/ort/" });
  const photo = await (await fetch("/photo.png")).blob();
  const { score, fingerprint } = await scorer.score(photo, { fingerprint: true });
  const [scene] = BestShot.scenes([{ value: score, fingerprint: fingerprint! }], { tieWidth: scorer.model.facts.tieWidth });
  document.title = [score.toFixed(4), scorer.model.backend, scene.shots.length].join(" ");
`;

const HEAD = `<!doctype html><title>wait</title><link rel="icon" href="data:,">`;

let browser;
let installed = "";
before(async () => {
  const tarball = npm("pack", join(repo, "runtimes/js"), "--pack-destination", project).trim().split("\n").at(-1);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  try {
    npm("install", "--ignore-scripts", join(project, tarball), `onnxruntime-web@${devDependencies["onnxruntime-web"]}`, `typescript@${devDependencies.typescript}`, `vite@${VITE}`);
  } catch (error) {
    installed = `npm could not install: ${String(error.stderr).trim().split("\n").at(-1)}`;
    return;
  }
  mkdirSync(join(project, "public"));
  for (const [from, name] of [[join(work, "tiny.onnx"), "tiny.onnx"], [join(goldenFolder, "images/photo.png"), "photo.png"]]) {
    copyFileSync(from, join(project, "public", name));
  }
  symlinkSync(ortDist, join(project, "public/ort"));
  mkdirSync(join(project, "src"));
  writeFileSync(join(project, "src/main.ts"), `import { BestShot, RaliScorer } from "ralikit-web";\n${PAGE}`);
  writeFileSync(join(project, "index.html"), `${HEAD}<script type="module" src="/src/main.ts"></script>`);
  const config = readFileSync(join(repo, "runtimes/js/README.md"), "utf8").match(/```js\n(\/\/ vite\.config\.js\n[^`]*)```/)[1];
  writeFileSync(join(project, "vite.config.js"), config);
  browser = await chromium();
});
after(async () => {
  await browser?.close();
  rmSync(project, { recursive: true, force: true });
});

/** The title that a page of a folder gives itself, and what went wrong in it. */
async function titleIn(mounts, path) {
  const server = await serve(mounts);
  try {
    return await titleOf(`${server.url}${path}`);
  } finally {
    await server.close();
  }
}

async function titleOf(url) {
  const page = await browser.newPage();
  const problems = watch(page);
  await page.goto(url);
  await page.waitForFunction(() => document.title !== "wait", null, { timeout: 60_000 }).catch(() => {});
  const title = await page.title();
  await page.close();
  return { title, problems: problems.join("\n") };
}

const wanted = () => {
  const code = "import sys, ralikit; print(f'{ralikit.load(sys.argv[1]).score(sys.argv[2]).value:.4f}')";
  return `${execFileSync(process.env.RALIKIT_PYTHON ?? "python3", ["-c", code, join(work, "tiny.onnx"), join(goldenFolder, "images/photo.png")], { encoding: "utf8" }).trim()} wasm 1`;
};

const skipped = (t) => installed && (t.skip(installed), true);

test("the package holds what it needs and nothing else", (t) => {
  if (skipped(t)) return;
  const root = join(project, "node_modules/ralikit-web");
  assert.deepEqual(readdirSync(root).sort(), ["LICENSE", "README.md", "index.d.ts", "package.json", "src"]);
  assert.equal(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version, version);
  assert.equal(readFileSync(join(root, "LICENSE"), "utf8"), readFileSync(join(repo, "LICENSE"), "utf8"));
});

test("a user's strict TypeScript compiles against its types", (t) => {
  if (skipped(t)) return;
  const options = ["--noEmit", "--strict", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022", "--lib", "es2022,dom"];
  execFileSync(join(project, "node_modules/.bin/tsc"), [...options, "src/main.ts"], { cwd: project });
});

test("vite: its build scores as Python does", async (t) => {
  if (skipped(t)) return;
  execFileSync(join(project, "node_modules/.bin/vite"), ["build", "--logLevel", "error"], { cwd: project });
  assert.deepEqual(await titleIn({ "/": join(project, "dist") }, "/index.html"), { title: wanted(), problems: "" });
});

test("vite: its development server does too", async (t) => {
  if (skipped(t)) return;
  const vite = spawn(join(project, "node_modules/.bin/vite"), ["--port", "0", "--host", "127.0.0.1"], { cwd: project });
  const url = await new Promise((resolve, reject) => {
    let said = "";
    vite.stdout.on("data", (data) => {
      said += String(data).replace(/\u001b\[[0-9;]*m/g, "");
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0];
      if (found) resolve(found);
    });
    vite.once("exit", () => reject(new Error(`vite ended: ${said}`)));
  });
  try {
    assert.deepEqual(await titleOf(url), { title: wanted(), problems: "" });
  } finally {
    vite.kill();
  }
});

test("a plain script tag and an import map suffice", async (t) => {
  if (skipped(t)) return;
  const map = `<script type="importmap">{ "imports": { "ralikit-web": "/node_modules/ralikit-web/src/index.js" } }</script>`;
  const code = `import { BestShot, RaliScorer } from "ralikit-web";${PAGE.replace("fingerprint!", "fingerprint")}`;
  writeFileSync(join(project, "public/plain.html"), `${HEAD}${map}<script type="module">${code}</script>`);
  const mounts = { "/node_modules/": join(project, "node_modules"), "/": join(project, "public") };
  assert.deepEqual(await titleIn(mounts, "/plain.html"), { title: wanted(), problems: "" });
});

assert.ok(golden.photos["photo.png"]);
