/** The same program in a worker. */
import { run } from "./run.mjs";

addEventListener("message", ({ data }) => {
  run(new URLSearchParams(data)).then(
    (result) => postMessage(result),
    (error) => postMessage({ error: String(error?.message ?? error) }),
  );
});
