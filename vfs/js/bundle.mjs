/**
 * All modules of the package as the body of one function, which `xtask/src/bundle.rs` writes around this. A page calls it,
 * and starts a worker from its source: a file of its own would cost the worker two round trips.
 */

import { WheelfsError, importModule, loadPyodide, unpackInWorker } from "./index.mjs";

Object.assign(place, { WheelfsError, importModule, loadPyodide, unpackInWorker });
