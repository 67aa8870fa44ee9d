// What the page tells: status, messages, times and runtime. Texts are set as text, never as HTML.

import { explain } from "./messages.js";
import { STAGES } from "./times.js";

const NAMES = { wasm: "WASM", webgpu: "WebGPU" };

export const page = (id) => document.getElementById(id);

/** The line on the empty stage. */
export function showStatus(text) {
  page("status").textContent = text;
}

/** A line above the settings; empty hides it. */
export function showNote(text) {
  page("note").textContent = text;
  page("note").hidden = !text;
}

/** The message of an error over the stage; null closes it. */
export function showMessage(error) {
  page("message").hidden = !error;
  if (!error) return;
  const { title, advice, detail } = explain(error);
  page("message-title").textContent = title;
  page("message-advice").textContent = advice;
  page("message-detail").textContent = detail;
}

/** What runs the model, and on what. */
export function showModel(site, model) {
  const threads = model.got === "wasm" ? `, ${model.threads} ${model.threads === 1 ? "thread" : "threads"}` : "";
  page("runtime").textContent = `${site.runtime} ${site.runtime_version}`;
  page("asked").textContent = NAMES[model.asked];
  page("got").textContent = NAMES[model.got] + threads;
}

/** Medians of the stages, and the frame rate of what moves. */
export function showTimes(times, moves) {
  for (const stage of STAGES) page(`time-${stage}`).textContent = `${times.median(stage).toFixed(1)} ms`;
  page("rate").hidden = !moves || !times.rate;
  page("rate").textContent = `${times.rate.toFixed(1)} fps`;
}

/** A golden frame, and how many of its pixels are as they should be. */
export function showChecked(name, share, wrong) {
  const item = document.createElement("li");
  item.dataset.share = String(share);
  item.append(element("span", "name", name), element("span", "share", `${(100 * share).toFixed(3)} % equal`));
  if (wrong) item.append(element("span", "wrong", wrong));
  page("checked").append(item);
}

/** An element with a class and a text. */
export function element(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
