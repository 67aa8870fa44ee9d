// onnxruntime-web for .onnx files. WebGPU needs a build of its own, twice as large, which is loaded only when asked for.

const MOST_THREADS = 4;

/** Open a model; returns what runs it. */
export async function open({ bytes, contract, accelerator, runtime }) {
  const ort = await import(`${runtime}ort.${accelerator}.min.mjs`);
  const threads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
  Object.assign(ort.env.wasm, { wasmPaths: runtime, numThreads: threads });
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [accelerator] });
  const { name, type, shape } = contract.INPUT;

  async function run(values) {
    const input = new ort.Tensor(type, values, shape);
    const outputs = await session.run({ [name]: input });
    const output = outputs[session.outputNames[0]];
    const data = await output.getData();
    for (const tensor of [input, ...Object.values(outputs)]) tensor.dispose();
    return data;
  }

  return { run, threads, got: accelerator };
}
