/**
 * Runs an app by the chosen strategies, in turn, each in a fresh frame, and shows how they went.
 *
 * @typedef {import("./run.mjs").Result} Result
 * @typedef {import("./run.mjs").Failure} Failure
 * @typedef {import("./report.mjs").Figures} Figures
 * @typedef {import("./report.mjs").Choice} Choice
 */
import { drawAxis, drawLimit, drawPhases, drawRequests, rescale } from "./chart.mjs";
import { copy, element, find } from "./dom.mjs";
import { choice, form, offer } from "./form.mjs";
import { changeLine } from "./line.mjs";
import { caveats, columns, command, fromPermalink, median, permalink, seconds, verdict } from "./report.mjs";
import { entriesOf } from "./requests.mjs";
import { strategies } from "./strategies.mjs";

/** How often the requests of a run are drawn, milliseconds. Page and frame share a thread: it costs the run some. */
const LIVE = 500;

const button = find(form, "button", HTMLButtonElement);
const stop = find(form, ".stop", HTMLButtonElement);
const status = find(form, "output", HTMLOutputElement);
const charts = find(document, ".runs", HTMLElement);

/** Milliseconds that the width of the charts stands for. */
let scale = 1;
/** What the processor alone needs, milliseconds, if that was measured. @type {number | undefined} */
let limit;

const linked = fromPermalink(location.hash);
const pyodide = await servedVersion();
await offer(linked?.choice);
if (linked?.results.length) {
  linked.results.forEach(({ strategy }) => addArticle(strategy));
  show(linked.results, linked.choice);
  status.textContent = `As measured by whoever made this link. ${verdict(linked.results)}`;
}
form.addEventListener("change", () => history.replaceState(null, "", permalink(choice(), [])));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  compare(choice());
});
button.disabled = false;

/** @param {Choice} chosen */
async function compare(chosen) {
  // A button that is disabled would lose the focus.
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  const stopped = new AbortController();
  stop.onclick = () => stopped.abort();
  stop.hidden = false;
  charts.replaceChildren();
  scale = 1;
  limit = undefined;
  /** @type {Map<string, Result[]>} */
  const results = new Map();
  const failed = new Set();
  chosen.strategies.forEach(addArticle);
  try {
    for (let round = 1; round <= chosen.rounds; round++) {
      for (const strategy of chosen.strategies.filter((name) => !failed.has(name))) {
        const which = chosen.rounds > 1 ? `, round ${round} of ${chosen.rounds}` : "";
        status.textContent = `Running ${strategy}${which} …`;
        const result = await onItsLine(chosen, strategy, () => runInFrame(strategy, chosen.app, stopped.signal));
        if ("error" in result) {
          failed.add(strategy);
          results.delete(strategy);
          const total = find(article(strategy), ".total", HTMLElement);
          total.textContent = `It did not run: ${result.error}`;
          total.classList.add("failed");
        } else {
          results.set(strategy, [...(results.get(strategy) ?? []), result]);
        }
        show([...results.values()].map(median), chosen, results);
      }
    }
    const medians = [...results.values()].map(median);
    const failures = failed.size ? ` Did not run: ${[...failed].join(", ")}.` : "";
    status.textContent = verdict(medians) + failures;
    if (medians[0]) history.replaceState(null, "", permalink(chosen, medians));
  } catch (error) {
    const why = stopped.signal.aborted ? verdict([...results.values()].map(median)) : error;
    status.textContent = `Stopped: ${why instanceof Error ? why.message : why}`;
  }
  // Whoever pressed it goes on where the comparison began.
  if (document.activeElement === stop) button.focus();
  stop.hidden = true;
  button.ariaDisabled = "false";
}

/**
 * @template T
 * @param {Choice} chosen
 * @param {string} strategy
 * @param {() => Promise<T>} run
 */
async function onItsLine(chosen, strategy, run) {
  if (!chosen.line) return run();
  const wanted = strategies[strategy].unshaped ? { rtt_ms: 0, down_mbps: 0 } : chosen.line;
  await changeLine(wanted);
  try {
    return await run();
  } finally {
    await changeLine(chosen.line);
  }
}

/**
 * @param {string} strategy
 * @param {string} app
 * @param {AbortSignal} stopped
 * @returns {Promise<Result | Failure>} rejects where there is no run that could answer, or when the visitor stops it
 */
function runInFrame(strategy, app, stopped) {
  const frame = document.createElement("iframe");
  frame.title = `The page that runs ${strategy}`;
  frame.src = `run.html?${new URLSearchParams({ strategy, app, ...(pyodide && { pyodide }) })}`;
  const svg = find(article(strategy), "svg", SVGSVGElement);
  const isThere = () => Boolean(frame.contentDocument?.querySelector('script[src="run.mjs"]'));
  const ended = new AbortController();
  const { signal } = ended;
  /** @type {ReturnType<typeof setInterval> | undefined} */ let live;
  /** @type {Promise<Result | Failure>} */
  const outcome = new Promise((resolve, reject) => {
    const missing = () => reject(new Error("run.html did not come: look whether the server runs and has it, and compare again"));
    addEventListener("message", ({ source, data }) => source === frame.contentWindow && resolve(data), { signal });
    frame.addEventListener("load", () => isThere() || missing(), { signal });
    stopped.addEventListener("abort", () => reject(stopped.reason), { signal });
    stopped.throwIfAborted();
    document.body.append(frame);
    live = setInterval(() => {
      const shown = frame.contentDocument;
      // A browser's own page, for a server that is gone, is out of reach. Firefox says nothing when it has come.
      if (!shown) return missing();
      if (shown.URL === "about:blank") return;
      if (shown.readyState === "complete" && !isThere()) return missing();
      const timing = shown.defaultView?.performance;
      // Its clock does not run while its files come.
      if (!timing || strategies[strategy].unshaped) return;
      widen(timing.now());
      drawRequests(svg, entriesOf(timing), scale);
    }, LIVE);
  });
  return outcome.finally(() => {
    ended.abort();
    clearInterval(live);
    frame.remove();
  });
}

/**
 * The version of Pyodide that this host serves, where the npm package beside it says so. A frame asks early for files
 * that have other names in other versions.
 *
 * @returns {Promise<string | undefined>}
 */
async function servedVersion() {
  try {
    const response = await fetch("pyodide/package.json");
    return response.ok ? (await response.json()).version : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Shows what there is so far.
 *
 * @param {Figures[]} results
 * @param {Choice} chosen
 * @param {Map<string, Result[]>} [all] with every round
 */
function show(results, chosen, all) {
  if (!results.length) return;
  widen(Math.max(...results.map(({ total_ms }) => total_ms)));
  const base = results[0];
  for (const figures of results) {
    const shown = article(figures.strategy);
    const total = find(shown, ".total", HTMLElement);
    const ratio = figures.total_ms / base.total_ms;
    total.textContent = seconds(figures.total_ms);
    if (figures !== base) {
      const side = ratio > 1 ? "loss" : "gain";
      total.append(" ", element("small", `${ratio.toFixed(2)} × ${base.strategy}`, { class: side }));
    }
    drawPhases(find(shown, ".bar", HTMLElement), figures, scale);
    if (figures.entries && !strategies[figures.strategy]?.unshaped) drawRequests(find(shown, "svg", SVGSVGElement), figures.entries, scale);
  }
  limit = results.find(({ strategy }) => strategies[strategy]?.unshaped)?.total_ms;
  drawLimit(charts, limit, scale);
  tabulate(results, all);
  const measured = /** @type {Result[]} */ (results.filter(({ entries }) => entries));
  find(document, ".caveats", HTMLElement).textContent = caveats(measured, chosen).join(" ");
  find(document, ".command", HTMLElement).textContent = command(chosen, base.pyodide);
  find(document, ".permalink", HTMLAnchorElement).href = permalink(chosen, results);
  offerJson(chosen, all ? [...all.values()].flat() : results);
  find(document, ".output", HTMLElement).textContent = base.output ?? "A link has no output: compare to see it.";
  const picture = find(document, ".picture", HTMLImageElement);
  picture.hidden = !base.picture;
  if (base.picture) picture.src = base.picture;
  find(document, ".figures", HTMLElement).hidden = false;
}

/**
 * @param {Figures[]} results
 * @param {Map<string, Result[]>} [all]
 */
function tabulate(results, all) {
  const several = all && [...all.values()].some(({ length }) => length > 1);
  const head = ["strategy", ...columns.map(([name]) => name)];
  if (several) head.push("least to most");
  find(document, "thead", HTMLElement).replaceChildren(row(head.map((text) => element("th", text, { scope: "col" }))));
  const rows = results.map((figures) => {
    const cells = [element("th", figures.strategy, { scope: "row" }), ...columns.map(([, show]) => element("td", show(figures)))];
    const totals = (all?.get(figures.strategy) ?? []).map(({ total_ms }) => total_ms);
    if (several) cells.push(element("td", `${seconds(Math.min(...totals))} to ${seconds(Math.max(...totals))}`));
    return row(cells);
  });
  find(document, "tbody", HTMLElement).replaceChildren(...rows);
}

/** @param {HTMLElement[]} cells */
function row(cells) {
  const made = element("tr", "");
  made.append(...cells);
  return made;
}

/**
 * @param {Choice} chosen
 * @param {Figures[]} results every run
 */
function offerJson(chosen, results) {
  const link = find(document, ".json", HTMLAnchorElement);
  URL.revokeObjectURL(link.href);
  // Whoever made a link says nothing of either.
  const here = results.some(({ entries }) => entries) && { date: new Date().toISOString(), browser: navigator.userAgent };
  const report = { ...here, ...chosen, results };
  link.href = URL.createObjectURL(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }));
}

/** Lets the charts reach as far as `ms`. @param {number} ms */
function widen(ms) {
  if (ms <= scale) return;
  const factor = scale / ms;
  scale = ms;
  drawAxis(find(document, ".axis div", HTMLElement), scale);
  drawLimit(charts, limit, scale);
  for (const svg of charts.querySelectorAll("svg")) rescale(svg, scale);
  for (const part of charts.querySelectorAll(".bar span")) {
    if (part instanceof HTMLElement) part.style.width = `${parseFloat(part.style.width || "0") * factor}%`;
  }
}

/** @param {string} strategy */
function addArticle(strategy) {
  const shown = find(copy("run"), "article", HTMLElement);
  shown.dataset.strategy = strategy;
  find(shown, "h3", HTMLElement).textContent = strategy;
  find(shown, "h3", HTMLElement).title = strategies[strategy]?.what ?? "";
  charts.append(shown);
}

/** @param {string} strategy */
function article(strategy) {
  return find(charts, `[data-strategy="${CSS.escape(strategy)}"]`, HTMLElement);
}
