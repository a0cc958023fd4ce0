/**
 * What the page and the bench can run. `packages`: what an eager page has to name beforehand; `pyodide`: the version that
 * has them here, where it is not the bench's default. `cargo xtask demo` makes an index of pandas; for another,
 * `cargo xtask bench --app` does, and the page offers what it finds.
 *
 * @typedef {{ title: string, packages: string[], pyodide?: string }} App
 * @type {Record<string, App>}
 */
export const apps = {
  pandas: { title: "pandas: a CSV, grouped and merged", packages: ["pandas"] },
  matplotlib: { title: "matplotlib: a figure as PNG", packages: ["matplotlib"] },
  sklearn: { title: "scikit-learn: a model fitted", packages: ["scikit-learn"] },
  sympy: { title: "sympy: an integral", packages: ["sympy"], pyodide: "314.0.7" },
  six: { title: "six: one small file", packages: ["six"] },
  beyond: { title: "pandas: what the first program does not do", packages: ["pandas"] },
  everything: { title: "pandas, and every file of every package read", packages: ["pandas"] },
};

/** The app that the visitor writes. */
export const OWN = "own";

const STORED = "wheelfs.snippet";

/**
 * The visitor's own program. A frame has the session storage of the page around it.
 *
 * @returns {{ packages: string[], source: string }}
 */
export function snippet() {
  return JSON.parse(sessionStorage.getItem(STORED) ?? '{"packages":[],"source":""}');
}

/**
 * @param {string[]} packages names in the lock file
 * @param {string} source Python
 */
export function keepSnippet(packages, source) {
  sessionStorage.setItem(STORED, JSON.stringify({ packages, source }));
}
