/**
 * Keeps Python's cycle collector away from suspended stacks.
 *
 * From 3.14 on the collector walks the frames of every thread state. The entry frames among them lie on the C stack,
 * and while a task is suspended another may have its part of that stack: the collector then follows whatever is there
 * ("memory access out of bounds"). A stock Pyodide 314.0.7 dies of it too, when one task is in `run_sync` and another
 * suspends often; lazy imports suspend often. So the collector pauses while any stack is suspended.
 */

/**
 * @param {any} env Imports of Pyodide's main module; `saveState` and `restoreState` are replaced.
 * @returns {(interpreter: any) => void} To be given the exports.
 */
export function pauseCollector(env) {
  const { saveState, restoreState } = env;
  /** @type {any} */ let python;
  let suspended = 0;
  let wasEnabled = false;
  env.saveState = () => {
    if (suspended === 0) wasEnabled = Boolean(python.PyGC_Disable());
    const state = saveState();
    // Refused: nothing is going to be suspended or restored.
    if (state?.stackState) suspended++;
    else if (suspended === 0 && wasEnabled) python.PyGC_Enable();
    return state;
  };
  env.restoreState = (/** @type {any} */ state) => {
    restoreState(state);
    suspended--;
    if (suspended === 0 && wasEnabled) python.PyGC_Enable();
  };
  return (interpreter) => {
    python = interpreter;
  };
}
