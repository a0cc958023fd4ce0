/**
 * What a comparison says: figures, a verdict, a command that repeats it, a link that holds it.
 *
 * @typedef {import("./run.mjs").Result} Result
 * @typedef {import("./line.mjs").Line} Line
 * @typedef {Pick<Result, "strategy" | "total_ms" | "boot_ms" | "load_ms" | "import_ms" | "run_ms" | "requests" | "bytes" |
 *   "package_requests" | "package_bytes" | "waits" | "file_bytes" | "heap_bytes"> & Partial<Result>} Figures
 *   what a link holds of a result
 * @typedef {{ app: string, line: Line | undefined, rounds: number, strategies: string[], packages?: string, source?: string }} Choice
 */
import { apps, OWN } from "./apps.mjs";
import { lineText } from "./line.mjs";
import { strategies } from "./strategies.mjs";

/** The figures that a link holds, in its order. */
const LINKED = /** @type {const} */ (["total_ms", "boot_ms", "load_ms", "run_ms", "requests", "bytes", "package_requests",
  "package_bytes", "waits", "file_bytes", "heap_bytes", "import_ms"]);

/** A link longer than this does not survive mail and chat. */
const LONGEST_LINK = 4000;

/** Times this close to each other are noise, as a share of the smaller. */
const NOISE = 0.03;

/** The figures that the table shows. @type {[string, (figures: Figures) => string][]} */
export const columns = [
  ["total", ({ total_ms }) => seconds(total_ms)],
  ["boot", ({ boot_ms }) => seconds(boot_ms)],
  ["load", ({ load_ms }) => seconds(load_ms)],
  ["imports", ({ import_ms }) => seconds(import_ms)],
  ["run", ({ run_ms, load_ms, import_ms }) => seconds(run_ms - load_ms - import_ms)],
  ["requests", ({ requests }) => String(requests)],
  ["bytes", ({ bytes }) => megabytes(bytes)],
  ["package requests", ({ package_requests }) => String(package_requests)],
  ["package bytes", ({ package_bytes }) => megabytes(package_bytes)],
  ["reads that waited", ({ waits }) => String(waits)],
  ["files in memory", ({ file_bytes }) => megabytes(file_bytes)],
  ["interpreter memory", ({ heap_bytes }) => megabytes(heap_bytes)],
];

/**
 * The run whose time is the median; of an even number the lower of the two.
 *
 * @template {{ total_ms: number }} T
 * @param {T[]} runs at least one
 */
export function median(runs) {
  const sorted = [...runs].sort((one, other) => one.total_ms - other.total_ms);
  return sorted[(sorted.length - 1) >> 1];
}

/**
 * One sentence for each strategy against the first. Losses are said as plainly as gains.
 *
 * @param {Figures[]} results the first is what the others are compared with
 */
export function verdict(results) {
  const alone = results.find(({ strategy }) => strategies[strategy]?.unshaped);
  const [base, ...others] = results.filter((one) => one !== alone);
  if (!base) return alone ? `The processor alone needs ${seconds(alone.total_ms)}.` : "Nothing ran.";
  const other = results.find(({ output }) => output !== base.output);
  if (other) {
    return `The outputs differ: ${other.strategy} printed something else than ${base.strategy}. One of them is wrong, and ` +
      "the times compare nothing.";
  }
  const equal = results.every(({ output }) => output === undefined) ? "" : "Equal output. ";
  const floor = alone ? ` The processor alone needs ${seconds(alone.total_ms)}.` : "";
  if (!others.length) return `${base.strategy} took ${seconds(base.total_ms)}, compared with nothing.${floor}`;
  return `${equal}Against ${base.strategy} (${seconds(base.total_ms)}): ${others.map((one) => against(base, one)).join("; ")}.${floor}`;
}

/**
 * @param {Figures} base
 * @param {Figures} one
 */
function against(base, one) {
  const time = one.total_ms / base.total_ms;
  const bytes = one.package_bytes / base.package_bytes;
  const clauses = [];
  if (Math.abs(time - 1) < NOISE) clauses.push("the same time");
  else clauses.push(time < 1 ? `${time.toFixed(2)} of the time` : `${time.toFixed(2)} times the time, a loss`);
  if (Number.isFinite(bytes) && one.package_bytes > 0) clauses.push(`${bytes.toFixed(2)} of the package bytes`);
  if (one.package_requests > base.package_requests) {
    clauses.push(`${one.package_requests} package requests instead of ${base.package_requests}`);
  }
  return `${one.strategy} took ${clauses.join(", ")}`;
}

/**
 * What a reader has to know before believing the figures.
 *
 * @param {Result[]} results as measured here; none: a link's
 * @param {Choice} choice
 */
export function caveats(results, { line, rounds }) {
  const protocols = [...new Set(results.map(({ protocol }) => protocol).filter(Boolean))].join(" and ");
  const where = results.length ? `Measured in this browser${protocols && ` by ${protocols}`}. ` : "";
  const notes = [`${where}The line: ${lineText(line)}.`];
  if (rounds === 1) notes.push("One run each, which says little on a busy machine: more rounds give medians.");
  const cached = results.reduce((sum, result) => sum + result.cached, 0);
  if (cached > 0) {
    notes.push(`${cached} responses came from the browser's cache, so these were not all first visits: clear it, or use a ` +
      "private window, and run one strategy at a time.");
  }
  for (const { strategy, unlisted } of results) {
    if (unlisted === 0) continue;
    const were = unlisted === 1 ? `One request of ${strategy} was` : `${unlisted} requests of ${strategy} were`;
    notes.push(`${were} made by wheelfs' worker: counted, but no page can see when.`);
  }
  return notes;
}

/**
 * The command that measures the same with a browser of its own, over HTTP/2.
 *
 * @param {Choice} choice
 * @param {string | undefined} pyodide version that was measured; a link does not say
 */
export function command({ app, line, rounds, strategies: names }, pyodide) {
  if (app === OWN) {
    return "save the program as demo-site/apps/NAME.py, name it and its packages in demo-site/page/apps.mjs, then: " +
      "cargo xtask bench --app NAME";
  }
  const { rtt_ms, down_mbps } = line ?? { rtt_ms: 0, down_mbps: 0 };
  const wanted = pyodide ?? apps[app]?.pyodide;
  const version = wanted ? ` --pyodide ${wanted}` : "";
  return `cargo xtask bench --app ${app}${version} --rtt ${rtt_ms} --down ${down_mbps} ` +
    `--strategies ${names.join(",")} --rounds ${rounds}`;
}

/**
 * @param {Choice} choice
 * @param {Figures[]} results
 * @returns {string} a fragment, with `#`
 */
export function permalink({ app, line, rounds, strategies: names, packages, source }, results) {
  const query = new URLSearchParams({ app, strategies: names.join(","), rounds: String(rounds) });
  if (line) query.set("line", `${line.rtt_ms},${line.down_mbps}`);
  if (app === OWN) {
    query.set("packages", packages ?? "");
    query.set("source", source ?? "");
  }
  const choice = `#${query}`;
  for (const figures of results) {
    query.append("result", [figures.strategy, ...LINKED.map((name) => Math.round(figures[name]))].join(","));
  }
  const whole = `#${query}`;
  return whole.length > LONGEST_LINK ? choice : whole;
}

/**
 * @param {string} fragment
 * @returns {{ choice: Choice, results: Figures[] } | undefined} `undefined`: it holds no choice
 */
export function fromPermalink(fragment) {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  const app = query.get("app");
  if (!app) return undefined;
  const [rtt_ms, down_mbps] = (query.get("line") ?? "").split(",").map(Number);
  const results = query.getAll("result").map((text) => {
    const [strategy, ...numbers] = text.split(",");
    const figures = LINKED.map((name, index) => [name, Number(numbers[index])]);
    return /** @type {Figures} */ ({ strategy, ...Object.fromEntries(figures) });
  });
  return {
    choice: {
      app,
      line: rtt_ms >= 0 && down_mbps >= 0 ? { rtt_ms, down_mbps } : undefined,
      rounds: Math.min(9, Math.max(1, Number(query.get("rounds")) || 1)),
      strategies: (query.get("strategies") ?? "").split(",").filter(Boolean),
      packages: query.get("packages") ?? undefined,
      source: query.get("source") ?? undefined,
    },
    results: results.filter((figures) => LINKED.every((name) => figures[name] >= 0)),
  };
}

/** @param {number} ms */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
