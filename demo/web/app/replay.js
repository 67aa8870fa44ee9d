// Replay: the photographs of whoever serves this page, run here; their class maps go back to be scored.

import { HEIGHT, MODEL_SHA256, WIDTH } from "../contract.js";
import { rgbaOf } from "./pixels.js";
import { greyPng } from "./png.js";

/** Run every photograph. `onPhotograph(done, total, ms)` is told of each; returns how many there were. */
export async function replay(token, site, model, view, onPhotograph) {
  const place = new URL(`../replay/${encodeURIComponent(token)}/`, import.meta.url);
  const { photographs, model_sha256: wanted, version } = await call(place, "list.json").then((answer) => answer.json());
  if (wanted !== MODEL_SHA256 || version !== site.version) await startAnew();
  const images = [];
  for (const name of photographs) {
    const photograph = await call(place, `photographs/${encodeURIComponent(name)}`).then((answer) => answer.blob());
    const rgba = await rgbaOf(photograph, WIDTH, HEIGHT);
    const { ids, rgba: seen, ms } = await model.run(rgba);
    const ran = performance.now();
    view.takeSeen(seen);
    view.show(ids);
    const draw = performance.now() - ran;
    await call(place, `maps/${encodeURIComponent(name)}`, "PUT", await greyPng(ids, WIDTH, HEIGHT));
    const stages = { prepare: ms.prepare, infer: ms.infer, draw };
    images.push({ file: name, ms: stages });
    onPhotograph(images.length, photographs.length, stages);
  }
  const accelerator = { asked: model.asked, got: model.got };
  const account = { model_sha256: MODEL_SHA256, runtime: site.runtime, version: site.runtime_version, accelerator, images };
  await call(place, "account.json", "PUT", JSON.stringify(account));
  return images.length;
}

/** What is kept of another version of this page would run another model: forget it, and load the page again. */
async function startAnew() {
  const registrations = (await navigator.serviceWorker?.getRegistrations()) ?? [];
  await Promise.all(registrations.map((registration) => registration.unregister()));
  if (!registrations.length) throw new Error("this page is of another model than the server's; load it again");
  location.reload();
  await new Promise(() => {}); // until the page is gone
}

async function call(place, path, method = "GET", body = undefined) {
  const response = await fetch(new URL(path, place), { method, body });
  if (response.ok) return response;
  throw new Error(`the server refused ${path}: ${(await response.text()).slice(0, 300)}`);
}
