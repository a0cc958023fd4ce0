/**
 * What a visitor chooses. Only what the host has can be chosen.
 *
 * @typedef {import("./report.mjs").Choice} Choice
 * @typedef {import("./line.mjs").Line} Line
 */
import { apps, keepSnippet, OWN } from "./apps.mjs";
import { copy, find } from "./dom.mjs";
import { currentLine, lines, lineText } from "./line.mjs";
import { available, exists, strategies } from "./strategies.mjs";

export const form = find(document, "form", HTMLFormElement);
const app = field("app", HTMLSelectElement);
const line = field("line", HTMLSelectElement);
const rtt = field("rtt", HTMLInputElement);
const down = field("down", HTMLInputElement);
const rounds = field("rounds", HTMLInputElement);
const packages = field("packages", HTMLInputElement);
const source = field("source", HTMLTextAreaElement);
const list = find(form, ".strategies", HTMLElement);

/** The line that the server has of its own, as it was when the page was opened. @type {Line | undefined} */
let served;

/** Fills the form with what the host has. @param {Choice} [wanted] */
export async function offer(wanted) {
  const names = Object.keys(apps);
  const [there, its] = await Promise.all([
    Promise.all(names.map((name) => exists(`index/${name}/wheelfs.idx`))),
    currentLine(),
  ]);
  names.forEach((name, index) => {
    const option = new Option(apps[name].title + (there[index] ? "" : " (not on this host)"), name);
    option.disabled = !there[index];
    app.add(option);
  });
  app.add(new Option("a program of your own", OWN));
  app.value = [wanted?.app, ...names, OWN].find((name) => name && selectable(name)) ?? OWN;

  served = its;
  if (its) {
    line.options[0].text = `as it is: ${lineText(its)}`;
    for (const [name, { title, rtt_ms, down_mbps }] of Object.entries(lines)) {
      line.add(new Option(`${title}: ${rtt_ms} ms, ${down_mbps} Mbit/s`, name));
    }
    line.add(new Option("of your own", "custom"));
    line.disabled = false;
  }
  if (wanted) choose(wanted);
  await offerStrategies(wanted?.strategies);
  reveal();
  form.addEventListener("change", async ({ target }) => {
    if (target === app) await offerStrategies();
    reveal();
  });
}

/** @param {Choice} wanted */
function choose(wanted) {
  rounds.value = String(wanted.rounds);
  if (wanted.packages !== undefined) packages.value = wanted.packages;
  if (wanted.source !== undefined) source.value = wanted.source;
  if (!served || !wanted.line) return;
  const { rtt_ms, down_mbps } = wanted.line;
  const same = (/** @type {Line} */ one) => one.rtt_ms === rtt_ms && one.down_mbps === down_mbps;
  line.value = same(served) ? "" : (Object.keys(lines).find((name) => same(lines[name])) ?? "custom");
  rtt.value = String(rtt_ms);
  down.value = String(down_mbps);
}

/** What is chosen now; keeps the visitor's program where a run finds it. @returns {Choice} */
export function choice() {
  const chosen = [...list.querySelectorAll("input")].filter(({ checked }) => checked).map(({ value }) => value);
  if (app.value === OWN) keepSnippet(packages.value.split(",").map((name) => name.trim()).filter(Boolean), source.value);
  return {
    app: app.value,
    line: chosenLine(),
    rounds: Math.min(9, Math.max(1, Math.round(rounds.valueAsNumber) || 1)),
    strategies: chosen,
    ...(app.value === OWN && { packages: packages.value, source: source.value }),
  };
}

/** @returns {Line | undefined} */
function chosenLine() {
  if (line.value !== "custom") return line.value ? lines[line.value] : served;
  return { rtt_ms: whole(rtt), down_mbps: whole(down) };
}

/** @param {HTMLInputElement} input */
function whole({ valueAsNumber }) {
  return Math.max(0, Math.round(valueAsNumber) || 0);
}

/** @param {string[]} [wanted] instead of those that are chosen by default */
async function offerStrategies(wanted) {
  const own = app.value === OWN;
  const there = await available(own ? undefined : app.value);
  const offered = Object.entries(strategies).filter(([, { unshaped }]) => !unshaped || served);
  list.replaceChildren(
    ...offered.map(([name, { title, what, checked }]) => {
      const label = find(copy("strategy"), "label", HTMLLabelElement);
      const input = find(label, "input", HTMLInputElement);
      input.value = name;
      input.disabled = !there.has(name);
      input.checked = there.has(name) && (wanted?.length ? wanted.includes(name) : Boolean(checked || (own && name === "naive")));
      find(label, "b", HTMLElement).textContent = name;
      const missing = own ? "Needs an index." : "Not on this host.";
      find(label, ".quiet", HTMLElement).textContent = `${title}. ${there.has(name) ? what : missing}`;
      return label;
    }),
  );
}

/** Shows the fields that the choice needs. */
function reveal() {
  find(form, ".own", HTMLElement).hidden = app.value !== OWN;
  find(form, ".custom", HTMLElement).hidden = line.value !== "custom";
}

/** @param {string} name */
function selectable(name) {
  return [...app.options].some(({ value, disabled }) => value === name && !disabled);
}

/**
 * @template {Element} T
 * @param {string} name
 * @param {new () => T} type
 */
function field(name, type) {
  return find(form, `[name="${name}"]`, type);
}
