// The loop: a frame of the source, the model, the stage; one frame at a time, so that a slow model drops frames and none
// queue up.

/** Plays one source at a time. `onFrame(ms)` is told of every frame that is shown. */
export class Player {
  constructor(view, onFrame) {
    this._view = view;
    this._onFrame = onFrame;
    this._source = null;
    this._turn = 0;
  }

  get source() {
    return this._source;
  }

  /** Play a source until it ends or something else is played; the same source again begins anew. */
  play(source, model) {
    if (this._source !== source) this.stop();
    this._source = source;
    source.rewind?.();
    return this._run(source, model, ++this._turn);
  }

  /** End what plays; the last frame stays on the stage. */
  stop() {
    this._turn++;
    this._source?.close();
    this._source = null;
  }

  async _run(source, model, turn) {
    while ((await source.next()) && turn === this._turn) {
      const start = performance.now();
      const rgba = this._view.take(source.picture, source.part);
      const taken = performance.now();
      const { ids, ms } = await model.run(rgba);
      if (turn !== this._turn) return;
      const came = performance.now();
      this._view.show(ids);
      const prepare = taken - start + ms.prepare;
      this._onFrame({ prepare, infer: ms.infer + ms.map, draw: performance.now() - came });
    }
  }
}
