// The service worker: keeps the page, the model and its runtime, so that the page opens with no network.

const PATIENCE_MS = 5000;

/** Register it and wait until it sees what this page loads, so that the first visit is kept; true where one does. */
export async function keepOffline(onUpdate) {
  const workers = navigator.serviceWorker;
  if (!workers) return false;
  try {
    const script = new URL("../service-worker.js", import.meta.url);
    const registration = await workers.register(script, { updateViaCache: "none" });
    tellOfUpdates(registration, onUpdate);
    if (!workers.controller) await Promise.race([controlled(workers), wait(PATIENCE_MS)]);
    return Boolean(workers.controller);
  } catch (error) {
    console.warn("the page is not kept for later:", error.message); // as behind a certificate that was clicked through
    return false;
  }
}

function tellOfUpdates(registration, onUpdate) {
  const ready = (worker) => {
    if (!navigator.serviceWorker.controller) return; // the first one is no update
    onUpdate(() => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      worker.postMessage("take over");
    });
  };
  if (registration.waiting) ready(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker.addEventListener("statechange", () => worker.state === "installed" && ready(worker));
  });
}

const controlled = (workers) => new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
