/**
 * What the page and the bench can run. `packages`: what an eager page has to name beforehand. `benchOnly`: the demo makes
 * no index of it.
 *
 * @typedef {{ title: string, packages: string[], benchOnly?: boolean }} App
 * @type {Record<string, App>}
 */
export const apps = {
  pandas: { title: "pandas: a CSV, grouped and merged", packages: ["pandas"] },
  matplotlib: { title: "matplotlib: a figure as PNG", packages: ["matplotlib"], benchOnly: true },
  sklearn: { title: "scikit-learn: a model fitted", packages: ["scikit-learn"], benchOnly: true },
  sympy: { title: "sympy: an integral (Pyodide 314)", packages: ["sympy"], benchOnly: true },
};
