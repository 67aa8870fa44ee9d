// The loop: a frame of the source, the model, the stage; one frame at a time, so that a slow model drops frames and none
// queue up.

/** Plays one source at a time. `onFrame(ms)` is told of every frame that is shown. */
export class Player {
  #view;
  #onFrame;
  #source = null;
  #turn = 0;

  constructor(view, onFrame) {
    this.#view = view;
    this.#onFrame = onFrame;
  }

  get source() {
    return this.#source;
  }

  /** Play a source until it ends or something else is played; the same source again begins anew. */
  play(source, model) {
    if (this.#source !== source) this.stop();
    this.#source = source;
    source.rewind?.();
    return this.#run(source, model, ++this.#turn);
  }

  /** End what plays; the last frame stays on the stage. */
  stop() {
    this.#turn++;
    this.#source?.close();
    this.#source = null;
  }

  async #run(source, model, turn) {
    while ((await source.next()) && turn === this.#turn) {
      const start = performance.now();
      const rgba = this.#view.take(source.picture, source.part);
      const taken = performance.now();
      const { ids, ms } = await model.run(rgba);
      if (turn !== this.#turn) return;
      const came = performance.now();
      this.#view.show(ids);
      const prepare = taken - start + ms.prepare;
      this.#onFrame({ prepare, infer: ms.infer + ms.map, draw: performance.now() - came });
    }
  }
}
