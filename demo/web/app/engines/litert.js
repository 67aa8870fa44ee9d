// LiteRT.js for .tflite files. Tensors live in WASM memory and are deleted by hand.

/** Open a model; returns what runs it. */
export async function open({ bytes, contract, accelerator, runtime }) {
  const litert = await import(`${runtime}litert.js`);
  if (accelerator === "wasm") hideGpu();
  const threads = await load(litert, runtime);
  const model = await litert.loadAndCompile(bytes, { accelerator });
  const got = model.isFullyAccelerated ? model.options.accelerator : "wasm";
  const { shape } = contract.INPUT;

  async function run(values) {
    const held = [];
    const hold = (tensor) => (held.push(tensor), tensor);
    try {
      const outputs = await model.run([hold(new litert.Tensor(values, shape))]);
      outputs.forEach(hold);
      const output = got === "webgpu" ? hold(await outputs[0].moveTo("wasm")) : outputs[0];
      return output.toTypedArray();
    } finally {
      for (const tensor of held) if (!tensor.deleted) tensor.delete();
    }
  }

  return { run, threads, got };
}

/** LiteRT.js takes a GPU device as soon as it is loaded, whatever runs the model: let it find none. */
function hideGpu() {
  Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } });
}

/** Load the WASM with threads where the page may have them and the build runs, else with one; returns how many. */
async function load(litert, runtime) {
  const settings = (main) => ({ locateFile: (name) => runtime + name, mainScriptUrlOrBlob: runtime + main });
  if (self.crossOriginIsolated) {
    try {
      self.Module = settings("litert_wasm_threaded_internal.js");
      const loaded = await litert.loadLiteRt(runtime, { threads: true });
      return loaded.liteRtWasm.getThreadCount();
    } catch (error) {
      console.warn("LiteRT.js goes on with one thread:", error.message); // no relaxed SIMD, as in Safari
    }
  }
  self.Module = settings("litert_wasm_internal.js");
  await litert.loadLiteRt(runtime);
  return 1;
}
