/**
 * Keeps Python's cycle collector away from suspended stacks.
 *
 * From 3.14 on the collector walks the frames of every thread state. The entry frames among them lie on the C stack,
 * and while a task is suspended another may have its part of that stack: the collector then follows whatever is there
 * ("memory access out of bounds"). A stock Pyodide 314.0.7 dies of it too, when one task is in `run_sync` and another
 * suspends often; lazy imports suspend often. So the collector pauses while any stack is suspended.
 */

/** One interpreter's collector. */
export class Collector {
  /** @type {any} */ #python;
  #suspended = 0;
  /** While it pauses: whether Python wants it to run. Set by `vfs/py/collector.py`. */
  wanted = false;

  /** Whether a stack is suspended, and the collector therefore paused. */
  get paused() {
    return this.#suspended > 0;
  }

  /** Replaces two of the imports of Pyodide's main module, `saveState` and `restoreState`. */
  interpose(/** @type {any} */ env) {
    const { saveState, restoreState } = env;
    env.saveState = () => {
      if (!this.paused) this.wanted = Boolean(this.#python.PyGC_Disable());
      const state = saveState();
      // Refused: nothing is going to be suspended or restored.
      if (state?.stackState) this.#suspended++;
      else this.#resume();
      return state;
    };
    env.restoreState = (/** @type {any} */ state) => {
      restoreState(state);
      this.#suspended--;
      this.#resume();
    };
  }

  /** To be given the exports of the same module. */
  connect(/** @type {any} */ interpreter) {
    this.#python = interpreter;
  }

  #resume() {
    if (!this.paused && this.wanted) this.#python.PyGC_Enable();
  }
}
