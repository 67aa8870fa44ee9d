// Keeps this page for use without a network. The page's own files are kept when it is installed; model, runtime and golden
// frames when they are first loaded. It also sets the headers without which a browser gives WASM no threads, for hosts
// that set none.

const VERSION = "@version@";
const NAME = `edge-deeplab ${self.registration.scope} `;
const CACHE = NAME + VERSION;
const LATER = /^(runtime|golden|licences)\/|^model\.|^service-worker\.js$/;

self.addEventListener("install", (event) => event.waitUntil(keepPage()));
self.addEventListener("activate", (event) => event.waitUntil(forgetOthers().then(() => self.clients.claim())));
self.addEventListener("message", ({ data }) => data === "take over" && self.skipWaiting());

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const path = request.url.slice(self.registration.scope.length);
  const ours = request.url.startsWith(self.registration.scope) && !path.startsWith("replay/");
  if (request.method === "GET" && ours) event.respondWith(answer(request, path));
});

async function keepPage() {
  const { files } = await fetch("site.json", { cache: "no-cache" }).then((response) => response.json());
  const cache = await caches.open(CACHE);
  const page = ["./", "site.json", ...files.filter((file) => !LATER.test(file))];
  await cache.addAll(page.map((file) => new Request(file, { cache: "no-cache" })));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(NAME) && name !== CACHE).map((name) => caches.delete(name)));
}

async function answer(request, path) {
  const cache = await caches.open(CACHE);
  const place = path.startsWith("?") || path === "index.html" ? self.registration.scope : request.url;
  const kept = await cache.match(place, { ignoreSearch: true });
  if (kept) return isolated(kept);
  const response = await fetch(request);
  if (response.status === 200) await keep(cache, place, response.clone());
  return isolated(response);
}

/** A browser that has no room left serves the page all the same. */
async function keep(cache, place, response) {
  try {
    await cache.put(place, response);
  } catch (error) {
    console.warn("not kept for later:", place, error.message);
  }
}

function isolated(response) {
  if (response.type === "opaque" || response.status === 0 || response.redirected) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
