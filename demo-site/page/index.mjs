/**
 * Runs an app by each strategy, one after the other, each in a fresh frame, and shows them.
 *
 * @typedef {import("./run.mjs").Result} Result
 * @typedef {import("./run.mjs").Failure} Failure
 */
import { apps } from "./apps.mjs";

const form = find(document, "form", HTMLFormElement);
const select = find(form, "select", HTMLSelectElement);
const button = find(form, "button", HTMLButtonElement);
const status = find(form, "output", HTMLOutputElement);
const output = find(document, "pre", HTMLPreElement);

for (const [name, { title, benchOnly }] of Object.entries(apps)) if (!benchOnly) select.add(new Option(title, name));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  compare(select.value);
});

/** @param {string} app */
async function compare(app) {
  button.disabled = true;
  output.textContent = "–";
  /** @type {Result[]} */
  const results = [];
  const articles = [...document.querySelectorAll("article")];
  articles.forEach(clear);
  for (const article of articles) {
    status.textContent = `Running: ${find(article, "h2", HTMLElement).textContent?.toLowerCase()} …`;
    const result = await runInFrame(article.dataset.strategy ?? "", app);
    if ("error" in result) {
      const total = find(article, ".total", HTMLElement);
      total.textContent = `It did not run: ${result.error}`;
      total.classList.add("failed");
    } else {
      results.push(result);
    }
    // The longest so far fills its bar.
    const longest = Math.max(...results.map(({ total_ms }) => total_ms));
    for (const shown of results) show(find(document, `[data-strategy="${shown.strategy}"]`, HTMLElement), shown, longest);
  }
  status.textContent = verdict(results);
  if (results[0]) output.textContent = results[0].output;
  button.disabled = false;
}

/**
 * @param {string} strategy
 * @param {string} app
 * @returns {Promise<Result | Failure>}
 */
function runInFrame(strategy, app) {
  const frame = document.createElement("iframe");
  frame.src = `run.html?${new URLSearchParams({ strategy, app })}`;
  return new Promise((resolve) => {
    addEventListener("message", function listen({ source, data }) {
      if (source !== frame.contentWindow) return;
      removeEventListener("message", listen);
      frame.remove();
      resolve(data);
    });
    document.body.append(frame);
  });
}

/** @param {HTMLElement} article */
function clear(article) {
  const total = find(article, ".total", HTMLElement);
  total.textContent = "–";
  total.classList.remove("failed");
  for (const field of article.querySelectorAll("dd")) field.textContent = "–";
  for (const part of article.querySelectorAll("span")) part.style.width = "0";
}

/**
 * @param {HTMLElement} article
 * @param {Result} result
 * @param {number} longest the time in ms that a full bar stands for
 */
function show(article, result, longest) {
  find(article, ".total", HTMLElement).textContent = seconds(result.total_ms);
  const percent = (/** @type {number} */ ms) => `${(100 * ms) / longest}%`;
  find(article, ".boot", HTMLElement).style.width = percent(result.boot_ms);
  find(article, ".run", HTMLElement).style.width = percent(result.run_ms);
  find(article, ".bar", HTMLElement).ariaLabel = `${seconds(result.boot_ms)} to boot, ${seconds(result.run_ms)} to run`;
  for (const field of article.querySelectorAll("dd")) {
    const name = /** @type {keyof Result} */ (field.dataset.field);
    const value = Number(result[name]);
    if (name.endsWith("_ms")) field.textContent = seconds(value);
    else if (name.endsWith("bytes")) field.textContent = `${(value / 1e6).toFixed(2)} MB`;
    else field.textContent = String(value);
  }
}

/** @param {Result[]} results eager first */
function verdict([eager, lazy]) {
  if (!eager || !lazy) return "One of the two did not run.";
  if (eager.output !== lazy.output) return "The two outputs differ: this is a bug in wheelfs.";
  const share = Math.round((100 * lazy.total_ms) / eager.total_ms);
  return `Equal output. Reading as needed took ${share} % of the time.`;
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @template {Element} T
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
function find(within, selector, type) {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${selector}`);
  return element;
}
