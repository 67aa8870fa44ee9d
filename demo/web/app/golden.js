// Golden frames: pictures with the class maps that the model's file gave where the page was written.

import { CLASSES, HEIGHT, WIDTH } from "../contract.js";
import { rgbaOf } from "./pixels.js";

/** The least share of pixels that must be as they were; int8 differs by 0.3 % between right runtimes. */
const LEAST_EQUAL = 0.99;

const folder = new URL("../golden/", import.meta.url);

export async function goldenFrames() {
  return (await load("golden.json").then((response) => response.json())).frames;
}

/** Run one frame; `wrong` says what is not right with the class map, and is empty where nothing is. */
export async function check(model, frame) {
  const { input, class_map: expected } = frame ?? (await goldenFrames())[0];
  const { ids } = await model.run(await pixels(input.file));
  return compare(ids, await pixels(expected.file));
}

/** Compare a class map with the grey pixels of a stored one. */
export function compare(ids, grey) {
  let equal = 0;
  let foreign = 0;
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === grey[4 * i]) equal++;
    if (ids[i] >= CLASSES.length) foreign++;
  }
  const share = equal / ids.length;
  let wrong = "";
  if (foreign) wrong = `${foreign} pixels of the test picture got ids that are no class`;
  else if (share < LEAST_EQUAL) wrong = `only ${(100 * share).toFixed(1)} % of the test picture's pixels are right`;
  return { share, foreign, wrong };
}

async function pixels(file) {
  const response = await load(file);
  return rgbaOf(await response.blob(), WIDTH, HEIGHT);
}

async function load(file) {
  const response = await fetch(new URL(file, folder));
  if (!response.ok) throw new Error(`the test picture ${file} could not be loaded (${response.status})`);
  return response;
}
