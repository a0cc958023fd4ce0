/** What a page shows with `?wheelfs=record` in its address: a link that saves the trace. Loaded by no other page. */

/** @param {() => string} trace `pyodide.wheelfs.trace`. */
export function offerTrace(trace) {
  const link = document.createElement("a");
  const name = document.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  link.download = `${name || "page"}.trace`;
  link.textContent = "Save what Python read";
  link.style.cssText =
    "position:fixed;right:1rem;bottom:1rem;z-index:2147483647;padding:.5rem 1rem;background:#fff;color:#036;border:1px solid;font:1rem sans-serif";
  // At the moment of the click: reading goes on meanwhile.
  link.addEventListener("click", () => {
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([trace()], { type: "application/jsonl" }));
  });
  link.href = "#";
  document.body.append(link);
}
