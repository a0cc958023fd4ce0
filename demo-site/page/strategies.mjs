/**
 * What the page says about the strategies of `run.mjs`, in the order in which it runs them.
 *
 * `needs`: a file under `index/<app>/` without which it cannot run; `own`: whether it can run the visitor's own program,
 * which nobody has recorded; `unshaped`: it is run on a line without distance or limit.
 *
 * @typedef {{ title: string, what: string, needs?: string, own?: boolean, checked?: boolean, unshaped?: boolean }} Strategy
 * @type {Record<string, Strategy>}
 */
export const strategies = {
  eager: {
    title: "Whole wheels, early",
    what: "Every package is downloaded whole while the interpreter boots: the best page without wheelfs that we could write.",
    own: true,
    checked: true,
  },
  "eager-seq": {
    title: "Whole wheels, in turn",
    what: "What documentation shows: boot, then load the packages, then run.",
    own: true,
  },
  bundle: {
    title: "One zip of what is read",
    what: "Just the files that this program reads, in one zip, unpacked before it runs.",
    needs: "bundle.json",
  },
  naive: {
    title: "File by file",
    what: "wheelfs without an index: each file is a round trip when Python opens it. Slow on a distant server.",
    own: true,
  },
  ranges: {
    title: "Files ahead of their reads",
    what: "wheelfs with an index, over the unmodified wheels; of the standard library, what is used, compiled.",
    needs: "wheelfs.idx",
    checked: true,
  },
  pack: {
    title: "The same, packed",
    what: "wheelfs with packs: what is read as one compressed stream, Python compiled.",
    needs: "pack/wheelfs.idx",
    checked: true,
  },
  "pack-slim": {
    title: "Packed, without docstrings",
    what: "The same, stripped of docstrings and of the column numbers in tracebacks.",
    needs: "slim/wheelfs.idx",
  },
  memfs: {
    title: "The processor alone",
    what: "No line and no wheelfs: compiled Python in memory. No page can be faster on this machine.",
    needs: "memfs.bin",
    unshaped: true,
  },
};

/**
 * The strategies of `own` programs, or those whose files the host has for an app.
 *
 * @param {string | undefined} app `undefined`: the visitor's own
 * @returns {Promise<Set<string>>}
 */
export async function available(app) {
  const names = await Promise.all(
    Object.entries(strategies).map(async ([name, { needs, own }]) => {
      if (app === undefined) return own ? [name] : [];
      return !needs || (await exists(`index/${app}/${needs}`)) ? [name] : [];
    }),
  );
  return new Set(names.flat());
}

/**
 * Whether the host has a file. A byte is asked for, since not every static host answers HEAD; some answer a missing file
 * with a page.
 *
 * @param {string} path
 */
export async function exists(path) {
  const asked = new AbortController();
  try {
    const { ok, headers } = await fetch(path, { headers: { range: "bytes=0-0" }, signal: asked.signal });
    return ok && !headers.get("content-type")?.startsWith("text/html");
  } catch {
    return false;
  } finally {
    asked.abort();
  }
}
