// What the browser tests share: a static server, Chromium, and the golden vectors.
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { folder as goldenFolder, golden } from "../golden.mjs";

export const repo = fileURLToPath(new URL("../../../../", import.meta.url));
const modules = process.env.RALIKIT_NODE_MODULES ?? join(repo, "build/web/node_modules");
const require = createRequire(join(modules, "anything.js"));
export const ortDist = join(modules, "onnxruntime-web/dist");
export const litertFolder = join(modules, "@litertjs");

const axe = readFileSync(join(modules, "axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe-core finds wrong with a page as it is now, a line each. @returns {Promise<string[]>} */
export async function violationsOf(page) {
  await page.evaluate(axe); // by the debugger, which a page's policy does not bind
  const { violations, passes } = await page.evaluate((runOnly) => window.axe.run(document, { runOnly }), RULES);
  if (passes.length <= 10) return [`only ${passes.length} rules were applied`];
  return violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 160)}`);
}

export { golden, goldenFolder };
/** Exported files and the scores Python gave with them, written by run.sh; {} without. */
export const work = process.env.RALIKIT_WEB_WORK ?? join(repo, "build/web");
const read = (name) => (existsSync(join(work, name)) ? JSON.parse(readFileSync(join(work, name), "utf8")).precisions : {});
export const scores = Object.assign({}, ...["scores.json", "scores-int8.json", "scores-int8-weights.json"].map(read));
/** Per .tflite file the score and reasons of golden photos in Python, written by tiny_tflite.py; null without. */
export const lite = existsSync(join(work, "scores-tflite.json")) ? JSON.parse(readFileSync(join(work, "scores-tflite.json"), "utf8")) : null;

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
  ".json": "application/json", ".wasm": "application/wasm", ".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml",
};

/**
 * Serve folders under names: { "/js/": "/path/to/js" }.
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export async function serve(mounts) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const mount = Object.keys(mounts).find((m) => path.startsWith(m));
    const file = mount && join(mounts[mount], normalize(path.slice(mount.length)));
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    if (path === "/") {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>test</title>");
    } else if (!file || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
    } else {
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      response.setHeader("content-length", statSync(file).size);
      createReadStream(file).pipe(response);
    }
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}

/** Real Chromium, headless; `extra` are further command-line flags. */
export async function chromium(extra = []) {
  return require("playwright-core").chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", ...extra,
    ],
  });
}

/** Fails the test on anything the page itself reports as broken. */
export function watch(page) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  return problems;
}
