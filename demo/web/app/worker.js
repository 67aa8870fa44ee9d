// Runs the model away from the page. A classic worker, because LiteRT.js loads its WASM with importScripts; what it needs
// itself are modules, imported when the page asks for a model.

/** What runs the model, once it is open: `run(tensor)`, `got`, `threads`. */
let engine = null;
let contract = null;

const verbs = {
  /** Open the model; `site` is site.json, `folder` the address of the page's folder, `accelerator` wasm or webgpu. */
  async open({ site, folder, accelerator }) {
    const start = performance.now();
    contract = await import("../contract.js");
    const bytes = await read(new URL(site.model, folder));
    const { open } = await import(`./engines/${site.engine}.js`);
    engine = await open({ bytes, contract, accelerator, runtime: new URL("runtime/", folder).href });
    return { answer: { got: engine.got, threads: engine.threads, ms: performance.now() - start } };
  },

  /** Make the class map of a picture: RGBA bytes of the model's size. */
  async run({ rgba }) {
    const start = performance.now();
    const tensor = contract.prepare(rgba);
    const prepared = performance.now();
    const output = await engine.run(tensor);
    const inferred = performance.now();
    const ids = contract.classMap(output);
    const ms = { prepare: prepared - start, infer: inferred - prepared, map: performance.now() - inferred };
    return { answer: { ids, rgba, ms }, transfer: [ids.buffer, rgba.buffer] };
  },
};

/** The model's file, held to its hash where the browser can compute one (it cannot over plain http). */
async function read(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the model could not be loaded (${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (self.crypto.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hash = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hash !== contract.MODEL_SHA256) throw new Error("the model is not the one that this page was written for");
  }
  return bytes;
}

async function handle({ id, verb, ...request }) {
  try {
    const { answer, transfer = [] } = await verbs[verb](request);
    self.postMessage({ id, answer }, transfer);
  } catch (error) {
    self.postMessage({ id, error: { name: String(error?.name ?? "Error"), message: String(error?.message ?? error) } });
  }
}

let turn = Promise.resolve();
self.onmessage = ({ data }) => (turn = turn.then(() => handle(data)));
