// The stage: the frame that was segmented, under its own class map. What is shown can be drawn again at any time, with
// another opacity, other classes or another split, and no new run of the model.

import { CLASSES, HEIGHT, WIDTH, colour } from "../contract.js";
import { canvasOf } from "./pixels.js";

const LONGEST_SIDE = 1280;
const NO_CLASS = 255;

export class View {
  opacity = 0.6;
  /** Where the overlay begins, as a share of the width; null without a split. */
  split = null;
  hidden = new Set();
  #stage;
  #context;
  #seen = canvasOf(WIDTH, HEIGHT);
  #mask = canvasOf(WIDTH, HEIGHT);
  #next = canvasOf(1, 1);
  #shown = null;
  #ids = null;

  constructor(stage) {
    this.#stage = stage;
    this.#context = stage.getContext("2d");
    this.#resize(WIDTH, HEIGHT);
  }

  /** Take a picture's part as the next frame; returns the RGBA bytes that the model sees. */
  take(picture, part) {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(part.width, part.height));
    const [width, height] = [Math.round(part.width * scale), Math.round(part.height * scale)];
    if (this.#next.width !== width || this.#next.height !== height) Object.assign(this.#next, { width, height });
    const frame = this.#next.getContext("2d");
    frame.imageSmoothingQuality = "high";
    frame.drawImage(picture, part.x, part.y, part.width, part.height, 0, 0, width, height);
    const seen = this.#seen.getContext("2d", { willReadFrequently: true });
    seen.imageSmoothingQuality = "high";
    seen.drawImage(this.#next, 0, 0, WIDTH, HEIGHT);
    return new Uint8ClampedArray(seen.getImageData(0, 0, WIDTH, HEIGHT).data.buffer);
  }

  /** Take RGBA bytes of the model's size as the next frame. */
  takeSeen(rgba) {
    Object.assign(this.#next, { width: WIDTH, height: HEIGHT });
    this.#next.getContext("2d").putImageData(new ImageData(rgba, WIDTH, HEIGHT), 0, 0);
  }

  /** Show the frame that was taken last with its class map. */
  show(ids) {
    [this.#next, this.#shown] = [this.#shown ?? canvasOf(1, 1), this.#next];
    this.#ids = ids;
    this.draw();
  }

  /** Draw what is shown again. */
  draw() {
    if (!this.#shown) return;
    const { width, height } = this.#shown;
    if (this.#stage.width !== width || this.#stage.height !== height) this.#resize(width, height);
    this.#context.drawImage(this.#shown, 0, 0);
    this.#paintMask();
    const from = Math.round((this.split ?? 0) * width);
    this.#context.save();
    this.#context.beginPath();
    this.#context.rect(from, 0, width - from, height);
    this.#context.clip();
    this.#context.globalAlpha = this.opacity;
    this.#context.drawImage(this.#mask, 0, 0, width, height);
    this.#context.restore();
    if (this.split !== null) this.#drawDivider(from, height);
  }

  /** The share of pixels of every class in what is shown. */
  shares() {
    const counts = new Array(CLASSES.length).fill(0);
    for (const id of this.#ids ?? []) if (id < counts.length) counts[id]++;
    return counts.map((count) => count / (WIDTH * HEIGHT));
  }

  /** What is shown, as a PNG. */
  snapshot() {
    return new Promise((resolve) => this.#stage.toBlob(resolve, "image/png"));
  }

  #resize(width, height) {
    Object.assign(this.#stage, { width, height });
    this.#stage.parentElement.style.setProperty("--aspect", `${width} / ${height}`);
  }

  #paintMask() {
    const ids = this.hidden.size ? this.#ids.map((id) => (this.hidden.has(id) ? NO_CLASS : id)) : this.#ids;
    this.#mask.getContext("2d").putImageData(new ImageData(colour(ids), WIDTH, HEIGHT), 0, 0);
  }

  #drawDivider(x, height) {
    const line = Math.max(2, height / 240);
    this.#context.fillStyle = "white";
    this.#context.fillRect(x - line / 2, 0, line, height);
    this.#context.beginPath();
    this.#context.arc(x, height / 2, 5 * line, 0, 2 * Math.PI);
    this.#context.fill();
  }
}
