// How long the stages take: medians over the last frames, and frames a second.

const KEPT = 30;
export const STAGES = ["prepare", "infer", "draw"];

export class Times {
  #frames = [];
  #ends = [];
  count = 0;

  add(ms) {
    this.count++;
    this.#frames.push(ms);
    this.#ends.push(performance.now());
    if (this.#frames.length > KEPT) {
      this.#frames.shift();
      this.#ends.shift();
    }
  }

  clear() {
    this.#frames.length = this.#ends.length = this.count = 0;
  }

  /** The median of a stage in milliseconds; NaN where nothing ran. */
  median(stage) {
    const sorted = this.#frames.map((ms) => ms[stage]).sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
  }

  /** Frames a second; NaN before the second. */
  get rate() {
    const [first] = this.#ends;
    const last = this.#ends.at(-1);
    return last > first ? (1000 * (this.#ends.length - 1)) / (last - first) : NaN;
  }
}
