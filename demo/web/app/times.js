// How long the stages take: medians over the last frames, and frames a second.

const KEPT = 30;
export const STAGES = ["prepare", "infer", "draw"];

export class Times {
  constructor() {
    this.count = 0;
    this._frames = [];
    this._ends = [];
  }

  add(ms) {
    this.count++;
    this._frames.push(ms);
    this._ends.push(performance.now());
    if (this._frames.length > KEPT) {
      this._frames.shift();
      this._ends.shift();
    }
  }

  clear() {
    this._frames.length = this._ends.length = this.count = 0;
  }

  /** The median of a stage in milliseconds; NaN where nothing ran. */
  median(stage) {
    const sorted = this._frames.map((ms) => ms[stage]).sort((a, b) => a - b);
    return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
  }

  /** Frames a second; NaN before the second. */
  get rate() {
    const [first] = this._ends;
    const last = this._ends[this._ends.length - 1];
    return last > first ? (1000 * (this._ends.length - 1)) / (last - first) : NaN;
  }
}
