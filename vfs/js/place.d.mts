/** What the function that bundling makes of these modules (`xtask/src/bundle.rs`) is called with. */
declare global {
  const place: {
    /** URL of the bundle. In a worker there is none of these. */
    url: string;
    /** URL of the wasm module. */
    wasm: URL;
    /** The function's own source. */
    source: () => string;
    /** Starts a worker from the file `worker.js` beside the bundle. */
    worker: () => Worker;
  };
}

export {};
