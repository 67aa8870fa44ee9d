// The model as the page sees it: a worker that answers, and the choice of what runs it.

import { check } from "./golden.js";

/** A worker that runs the model; one call at a time. */
class Model {
  constructor() {
    this._worker = new Worker(new URL("worker.js", import.meta.url));
    this._waiting = new Map();
    this._last = 0;
    this._worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = this._waiting.get(id) ?? {};
      this._waiting.delete(id);
      if (error) reject?.(Object.assign(new Error(error.message), { name: error.name }));
      else resolve?.(answer);
    };
    this._worker.onerror = (event) => {
      for (const { reject } of this._waiting.values()) reject(new Error(event.message || "the worker could not start"));
      this._waiting.clear();
    };
  }

  async open(site, accelerator) {
    const folder = new URL("../", import.meta.url).href;
    const { got, threads, ms } = await this._ask("open", { site, folder, accelerator });
    Object.assign(this, { got, threads, ms });
  }

  /** The class map of a picture. `rgba` is taken, and comes back with `ids` and the times `ms`. */
  run(rgba) {
    return this._ask("run", { rgba }, [rgba.buffer]);
  }

  close() {
    this._worker.terminate();
  }

  _ask(verb, request, transfer = []) {
    const id = ++this._last;
    return new Promise((resolve, reject) => {
      this._waiting.set(id, { resolve, reject });
      this._worker.postMessage({ id, verb, ...request }, transfer);
    });
  }
}

/** Open the model on an accelerator; `model.note` says why another one runs it where one does.
 *
 *  WebGPU computes wrong class maps on some machines, so it runs a golden frame first and is left where it fails. */
export async function openModel(site, asked) {
  if (asked === "webgpu") {
    const { model, reason } = await tryWebGpu(site);
    if (model) return Object.assign(model, { asked });
    const plain = await openModel(site, "wasm");
    return Object.assign(plain, { asked, note: `WebGPU is not used: ${reason}. WASM runs the model.` });
  }
  const model = await opened(site, "wasm");
  return Object.assign(model, { asked, note: "" });
}

async function tryWebGpu(site) {
  if (!navigator.gpu) return { reason: "this browser has none, or only over https" };
  let model;
  try {
    if (!(await navigator.gpu.requestAdapter())) return { reason: "the browser offers no GPU" };
    model = await opened(site, "webgpu");
    const { wrong } = model.got === "webgpu" ? await check(model) : { wrong: "it cannot run all of this model" };
    if (!wrong) return { model: Object.assign(model, { note: "The self-test passed on WebGPU." }) };
    model.close();
    return { reason: wrong };
  } catch (error) {
    model?.close();
    return { reason: error.message.split("\n")[0].replace(/\.+$/, "") };
  }
}

async function opened(site, accelerator) {
  const model = new Model();
  try {
    await model.open(site, accelerator);
  } catch (error) {
    model.close();
    throw error;
  }
  return model;
}
