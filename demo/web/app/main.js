// The page: what its buttons and sliders do. Nothing that a file says is read as HTML.

import { check, goldenFrames } from "./golden.js";
import { fillLegend } from "./legend.js";
import { openModel } from "./model.js";
import { keepOffline } from "./offline.js";
import { page, showChecked, showMessage, showModel, showNote, showStatus, showTimes } from "./panels.js";
import { Player } from "./player.js";
import { replay } from "./replay.js";
import { countCameras, openCamera, openPicture, openVideo } from "./sources.js";
import { Times } from "./times.js";
import { View } from "./view.js";

const address = new URLSearchParams(location.search);
const view = new View(page("stage"));
const times = new Times();
const showShares = fillLegend(page("legend"), view.hidden, () => view.draw());
const player = new Player(view, onFrame);
let site = null;
let model = null;

async function start() {
  const token = address.get("replay");
  try {
    if (token === null) await keepOffline(showUpdate);
    site = await fetch("site.json").then((response) => response.json());
    page("caption").textContent = site.caption;
    page("webgpu").checked = address.has("webgpu");
    await changeModel();
    if (token !== null) await replayAll(token);
    else enable();
  } catch (error) {
    showMessage(error);
    showStatus("The model is not running");
  }
}

/** Open the model on what is asked for, in place of the one before. */
async function changeModel() {
  const accelerator = page("webgpu").checked ? "webgpu" : "wasm";
  model?.close();
  showStatus(`Loading the model into ${accelerator === "webgpu" ? "WebGPU" : "WASM"} …`);
  model = await openModel(site, accelerator);
  if (model.got !== "webgpu") page("webgpu").checked = false;
  showModel(site, model);
  showNote(model.note);
  showStatus("Start the camera, or choose a photo or a video");
  document.body.dataset.ready = model.got;
}

function enable() {
  for (const id of ["camera", "file", "webgpu", "check"]) page(id).disabled = false;
  page("file-label").removeAttribute("aria-disabled");
}

/** Open a source and play it; what goes wrong becomes a message. */
async function play(open) {
  try {
    showMessage(null);
    if (player.source?.kind === "camera") player.stop(); // phones give one camera at a time
    const source = await open();
    showSource(source);
    source.onLost?.(() => showMessage(Object.assign(new Error("its track ended"), { name: "AbortError" })));
    await playOn(source);
  } catch (error) {
    showMessage(error);
  }
}

/** Play a source that is open on the model that is. */
function playOn(source) {
  times.clear();
  return player.play(source, model);
}

function onFrame(ms) {
  times.add(ms);
  page("stage").hidden = false;
  page("welcome").hidden = true;
  for (const id of ["snapshot", "split-view"]) page(id).disabled = false;
  showTimes(times, player.source?.kind !== "picture");
  showShares(view.shares());
  document.body.dataset.frames = String(times.count);
}

function showSource(source) {
  document.body.dataset.source = source.kind;
  page("stage").classList.toggle("mirrored", source.facing === "user");
  page("torch").hidden = !source.hasTorch;
  page("torch").setAttribute("aria-pressed", "false");
  page("flip").disabled = true;
  if (source.kind === "camera") countCameras().then((count) => (page("flip").disabled = count < 2));
}

function playFile(file) {
  if (!file) return;
  play(() => (file.type.startsWith("video/") ? openVideo(file) : openPicture(file)));
}

function setSplit(share) {
  view.split = share;
  page("split-view").setAttribute("aria-pressed", String(share !== null));
  document.body.classList.toggle("split", share !== null);
  view.draw();
}

async function switchTorch() {
  const on = page("torch").getAttribute("aria-pressed") !== "true";
  try {
    await player.source?.setTorch(on);
    page("torch").setAttribute("aria-pressed", String(on));
  } catch (error) {
    showMessage(error);
  }
}

async function saveSnapshot() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await view.snapshot());
  link.download = `edge-deeplab-${new Date().toISOString().slice(0, 19).replace(/:/g, "-")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function checkGoldenFrames() {
  page("checked").replaceChildren();
  page("check").disabled = true;
  try {
    for (const frame of await goldenFrames()) {
      const { share, wrong } = await check(model, frame);
      showChecked(frame.name, share, wrong);
    }
  } catch (error) {
    showMessage(error);
  }
  page("check").disabled = false;
}

async function switchAccelerator() {
  const { source } = player;
  page("webgpu").disabled = true;
  try {
    await changeModel();
    if (source) playOn(source).catch(showMessage);
  } catch (error) {
    showMessage(error);
  }
  page("webgpu").disabled = false;
}

async function replayAll(token) {
  document.body.dataset.source = "replay";
  const count = await replay(token, site, model, view, (done, total, ms) => {
    onFrame(ms);
    showNote(`Replaying photographs: ${done} of ${total}`);
  });
  showNote(`Replayed ${count} photographs; the class maps are back. This page can be closed.`);
  document.body.dataset.replayed = String(count);
}

function showUpdate(takeOver) {
  page("update").hidden = false;
  page("update-now").onclick = takeOver;
}

function listen() {
  page("camera").onclick = () => play(() => openCamera("environment"));
  page("flip").onclick = () => play(() => openCamera(player.source?.facing === "user" ? "environment" : "user"));
  page("file").onchange = ({ target }) => {
    playFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
  page("snapshot").onclick = saveSnapshot;
  page("check").onclick = checkGoldenFrames;
  page("webgpu").onchange = switchAccelerator;
  page("message-close").onclick = () => showMessage(null);
  page("opacity").oninput = ({ target }) => {
    view.opacity = target.value / 100;
    view.draw();
  };
  page("split").oninput = ({ target }) => setSplit(target.value / 100);
  page("split-view").onclick = () => setSplit(view.split === null ? page("split").value / 100 : null);
  page("torch").onclick = switchTorch;
  page("stage").onpointermove = (event) => {
    if (view.split === null || !event.buttons) return;
    const { left, width } = page("stage").getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
    page("split").value = 100 * share;
    setSplit(share);
  };
  document.body.ondragover = (event) => event.preventDefault();
  document.body.ondrop = (event) => {
    event.preventDefault();
    if (!page("file").disabled) playFile(event.dataTransfer.files[0]);
  };
}

listen();
start();
