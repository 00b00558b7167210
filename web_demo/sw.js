/** Keeps the whole page, model included, so that it opens without a network after the first visit. */

const VERSION = "development"; // replaced by `ralikit demo web` with a hash of everything it wrote
const CACHE = `ralikit-demo-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const { files } = await (await fetch("precache.json", { cache: "no-store" })).json();
      const cache = await caches.open(CACHE);
      // "no-cache": the server is asked whether each file is still the one the browser has.
      await cache.addAll(files.map((file) => new Request(file, { cache: "no-cache" })));
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith("ralikit-demo-") && name !== CACHE) await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  event.respondWith(answer(event.request));
});

/** From the cache first: a version of the page is only ever seen whole. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  const kept =
    (await cache.match(request, { ignoreSearch: true })) ??
    (request.mode === "navigate" ? await cache.match("./") : undefined);
  return kept ? isolated(kept) : fetch(request);
}

/** With these headers a browser lets the page use threads and tells how much memory it takes. */
function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
