/**
 * The line between page and server. The dev server (`cargo xtask demo`) has one of its own, which it tells and changes at
 * `line.json`; any other host answers 404, and the line is what it is.
 *
 * @typedef {{ rtt_ms: number, down_mbps: number }} Line round trip; downstream rate, 0 for no limit
 */

/** Round trips and rates that people have; `custom` is what the visitor enters. @type {Record<string, Line & { title: string }>} */
export const lines = {
  fibre: { title: "fibre", rtt_ms: 10, down_mbps: 300 },
  dsl: { title: "DSL", rtt_ms: 40, down_mbps: 16 },
  "4g": { title: "4G", rtt_ms: 80, down_mbps: 12 },
  far: { title: "a distant server", rtt_ms: 200, down_mbps: 20 },
};

/** @returns {Promise<Line | undefined>} `undefined`: this host has no line of its own. */
export async function currentLine() {
  const response = await fetch("line.json").catch(() => undefined);
  const isJson = response?.ok && response.headers.get("content-type")?.startsWith("application/json");
  return isJson ? response?.json() : undefined;
}

/** How long the server has to answer, milliseconds: the slowest line that can be chosen takes some seconds. */
const PATIENCE = 10_000;

/** @param {Line} line @returns {Promise<Line>} what it is now */
export async function changeLine({ rtt_ms, down_mbps }) {
  const query = new URLSearchParams({ rtt_ms: String(rtt_ms), down_mbps: String(down_mbps) });
  const response = await fetch(`line.json?${query}`, { method: "POST", signal: AbortSignal.timeout(PATIENCE) }).catch((error) => {
    throw new Error(`line.json: the server does not answer (${error.message}): start it, and compare again`);
  });
  if (!response.ok) throw new Error(`line.json: status ${response.status}; the server took no line of ${rtt_ms} ms`);
  return response.json();
}

/** @param {Line | undefined} line */
export function lineText(line) {
  if (!line) return "whatever line is between";
  const { rtt_ms, down_mbps } = line;
  return rtt_ms + down_mbps === 0 ? "not shaped" : `${rtt_ms} ms, ${down_mbps ? `${down_mbps} Mbit/s` : "any rate"}`;
}
