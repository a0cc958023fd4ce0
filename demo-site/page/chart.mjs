/**
 * One strategy over time: a bar of phases and the requests below it, all charts on one scale.
 *
 * @typedef {import("./requests.mjs").Entry} Entry
 * @typedef {{ total_ms: number, boot_ms: number, load_ms: number, import_ms: number, run_ms: number }} Phases
 */
import { inLanes } from "./requests.mjs";
import { seconds } from "./report.mjs";

const SVG = "http://www.w3.org/2000/svg";

/** Height of a lane and of the bar in it, pixels. Heights are in pixels and widths in milliseconds. */
const LANE = 7, BAR = 5;

/** About so many marks on the axis. */
const MARKS = 6;

/**
 * @param {SVGSVGElement} svg
 * @param {Entry[]} entries
 * @param {number} scale milliseconds that the whole width stands for
 */
export function drawRequests(svg, entries, scale) {
  const placed = inLanes(entries);
  const height = LANE * Math.max(1, ...placed.map(({ lane }) => lane + 1));
  svg.style.height = `${height}px`;
  svg.dataset.height = String(height);
  svg.replaceChildren(
    ...placed.flatMap(({ entry, lane }) => {
      const sent = rect("waiting", entry, entry.start, entry.first, lane);
      return [sent, rect("receiving", entry, entry.first, entry.end, lane)];
    }),
  );
  svg.ariaLabel = `${entries.length} requests, at most ${height / LANE} at a time`;
  rescale(svg, scale);
}

/**
 * @param {SVGSVGElement} svg
 * @param {number} scale milliseconds
 */
export function rescale(svg, scale) {
  svg.setAttribute("viewBox", `0 0 ${scale} ${svg.dataset.height ?? LANE}`);
}

/**
 * @param {"waiting" | "receiving"} state
 * @param {Entry} entry
 * @param {number} from milliseconds
 * @param {number} to
 * @param {number} lane
 */
function rect(state, { kind, name, bytes, cached }, from, to, lane) {
  const element = document.createElementNS(SVG, "rect");
  element.setAttribute("class", `${state} ${kind}`);
  element.setAttribute("x", String(from));
  element.setAttribute("width", String(Math.max(0, to - from)));
  element.setAttribute("y", String(lane * LANE + (LANE - BAR) / 2));
  element.setAttribute("height", String(BAR));
  const title = document.createElementNS(SVG, "title");
  const size = `${(bytes / 1000).toFixed(1)} kB${cached ? " from the cache" : ""}`;
  title.textContent = `${name}, ${size}, ${state} from ${seconds(from)} to ${seconds(to)}`;
  element.append(title);
  return element;
}

/**
 * @param {HTMLElement} bar with a child for each phase, in their order
 * @param {Phases} phases
 * @param {number} scale milliseconds
 */
export function drawPhases(bar, { boot_ms, load_ms, import_ms, run_ms }, scale) {
  const phases = [boot_ms, load_ms, import_ms, run_ms - load_ms - import_ms];
  [...bar.children].forEach((part, index) => {
    if (part instanceof HTMLElement) part.style.width = `${(100 * phases[index]) / scale}%`;
  });
  const parts = ["to boot", "to load packages", "for imports", "to run"].map((name, index) => `${seconds(phases[index])} ${name}`);
  bar.ariaLabel = parts.join(", ");
}

/**
 * @param {HTMLElement} axis
 * @param {number} scale milliseconds
 */
export function drawAxis(axis, scale) {
  const step = niceStep(scale / MARKS);
  const marks = Array.from({ length: Math.floor(scale / step) + 1 }, (_, index) => index * step);
  axis.replaceChildren(
    ...marks.filter((ms) => ms <= 0.97 * scale).map((ms) => {
      const mark = document.createElement("span");
      mark.textContent = ms === 0 ? "0" : `${ms / 1000} s`;
      mark.style.left = `${(100 * ms) / scale}%`;
      return mark;
    }),
  );
}

/**
 * Marks in all charts what no strategy can beat.
 *
 * @param {HTMLElement} charts
 * @param {number | undefined} ms
 * @param {number} scale milliseconds
 */
export function drawLimit(charts, ms, scale) {
  charts.classList.toggle("limited", ms !== undefined);
  charts.style.setProperty("--limit", `${(100 * (ms ?? 0)) / scale}%`);
}

/**
 * The smallest of 1, 2, 5, 10, 20 … that is not less.
 *
 * @param {number} least
 */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? power;
}
