/**
 * The requests of a document, from its resource timing entries (W3C Resource Timing).
 *
 * `start`, `first`, `end`: milliseconds since navigation when it was sent, when its first byte came, and its last.
 * `bytes`: of the body as it was sent. `protocol`: as ALPN names it.
 *
 * @typedef {"runtime" | "wheelfs" | "package"} Kind
 * @typedef {{ name: string, kind: Kind, start: number, first: number, end: number, bytes: number, cached: boolean,
 *             protocol: string }} Entry
 */

/**
 * @param {Performance} performance of the document
 * @param {number} [from] how many of its entries to leave out
 * @returns {Entry[]}
 */
export function entriesOf(performance, from = 0) {
  const resources = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  return resources.slice(from).map((resource) => {
    const { pathname } = new URL(resource.name);
    return {
      name: pathname.slice(pathname.lastIndexOf("/") + 1),
      kind: kindOf(pathname),
      start: resource.startTime,
      // A worker of the browser's own, or a cache, may leave it out.
      first: resource.responseStart || resource.responseEnd,
      end: resource.responseEnd,
      bytes: resource.encodedBodySize,
      cached: resource.transferSize === 0 && resource.encodedBodySize > 0,
      protocol: resource.nextHopProtocol,
    };
  });
}

/**
 * @param {string} path
 * @returns {Kind}
 */
function kindOf(path) {
  if (/\.(whl|zip|pack)$/.test(path) && !/\/(python_stdlib\.\w+|empty\.zip)$/.test(path)) return "package";
  return /\/wheelfs\/|\.idx$/.test(path) ? "wheelfs" : "runtime";
}

/**
 * Requests under way at the same time stand one above the other; each takes the first lane that is free.
 *
 * @param {Entry[]} entries
 * @returns {{ entry: Entry, lane: number }[]} in the order in which they were sent
 */
export function inLanes(entries) {
  /** @type {number[]} When the last request of each lane ends. */
  const ends = [];
  return [...entries]
    .sort((one, other) => one.start - other.start)
    .map((entry) => {
      const free = ends.findIndex((end) => end <= entry.start);
      const lane = free < 0 ? ends.length : free;
      ends[lane] = entry.end;
      return { entry, lane };
    });
}
