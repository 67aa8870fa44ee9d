// The stage: the frame that was segmented, under its own class map. What is shown can be drawn again at any time, with
// another opacity, other classes or another split, and no new run of the model.

import { CLASSES, HEIGHT, WIDTH, colour } from "../contract.js";
import { canvasOf } from "./pixels.js";

const LONGEST_SIDE = 1280;
const NO_CLASS = 255;

export class View {
  constructor(stage) {
    this.opacity = 0.6;
    /** Where the overlay begins, as a share of the width; null without a split. */
    this.split = null;
    /** Ids of the classes that are not drawn. */
    this.hidden = new Set();
    this._stage = stage;
    this._context = stage.getContext("2d");
    this._seen = canvasOf(WIDTH, HEIGHT);
    this._mask = canvasOf(WIDTH, HEIGHT);
    this._next = canvasOf(1, 1);
    this._shown = null;
    this._ids = null;
    this._resize(WIDTH, HEIGHT);
  }

  /** Take a picture's part as the next frame; returns the RGBA bytes that the model sees. */
  take(picture, part) {
    const scale = Math.min(1, LONGEST_SIDE / Math.max(part.width, part.height));
    const [width, height] = [Math.round(part.width * scale), Math.round(part.height * scale)];
    if (this._next.width !== width || this._next.height !== height) Object.assign(this._next, { width, height });
    const frame = this._next.getContext("2d");
    frame.imageSmoothingQuality = "high";
    frame.drawImage(picture, part.x, part.y, part.width, part.height, 0, 0, width, height);
    const seen = this._seen.getContext("2d", { willReadFrequently: true });
    seen.imageSmoothingQuality = "high";
    seen.drawImage(this._next, 0, 0, WIDTH, HEIGHT);
    return new Uint8ClampedArray(seen.getImageData(0, 0, WIDTH, HEIGHT).data.buffer);
  }

  /** Take RGBA bytes of the model's size as the next frame. */
  takeSeen(rgba) {
    Object.assign(this._next, { width: WIDTH, height: HEIGHT });
    this._next.getContext("2d").putImageData(new ImageData(rgba, WIDTH, HEIGHT), 0, 0);
  }

  /** Show the frame that was taken last with its class map. */
  show(ids) {
    [this._next, this._shown] = [this._shown ?? canvasOf(1, 1), this._next];
    this._ids = ids;
    this.draw();
  }

  /** Draw what is shown again. */
  draw() {
    if (!this._shown) return;
    const { width, height } = this._shown;
    if (this._stage.width !== width || this._stage.height !== height) this._resize(width, height);
    this._context.drawImage(this._shown, 0, 0);
    this._paintMask();
    const from = Math.round((this.split ?? 0) * width);
    this._context.save();
    this._context.beginPath();
    this._context.rect(from, 0, width - from, height);
    this._context.clip();
    this._context.globalAlpha = this.opacity;
    this._context.drawImage(this._mask, 0, 0, width, height);
    this._context.restore();
    if (this.split !== null) this._drawDivider(from, height);
  }

  /** The share of pixels of every class in what is shown. */
  shares() {
    const counts = new Array(CLASSES.length).fill(0);
    for (const id of this._ids ?? []) if (id < counts.length) counts[id]++;
    return counts.map((count) => count / (WIDTH * HEIGHT));
  }

  /** What is shown, as a PNG. */
  snapshot() {
    return new Promise((resolve) => this._stage.toBlob(resolve, "image/png"));
  }

  _resize(width, height) {
    Object.assign(this._stage, { width, height });
    this._stage.parentElement.style.setProperty("--aspect", `${width} / ${height}`);
  }

  _paintMask() {
    const ids = this.hidden.size ? this._ids.map((id) => (this.hidden.has(id) ? NO_CLASS : id)) : this._ids;
    this._mask.getContext("2d").putImageData(new ImageData(colour(ids), WIDTH, HEIGHT), 0, 0);
  }

  _drawDivider(x, height) {
    const line = Math.max(2, height / 240);
    this._context.fillStyle = "white";
    this._context.fillRect(x - line / 2, 0, line, height);
    this._context.beginPath();
    this._context.arc(x, height / 2, 5 * line, 0, 2 * Math.PI);
    this._context.fill();
  }
}
