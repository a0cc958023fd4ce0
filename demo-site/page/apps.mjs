/**
 * What the page can run. `packages`: what an eager page has to name beforehand.
 *
 * @typedef {{ title: string, packages: string[] }} App
 * @type {Record<string, App>}
 */
export const apps = {
  pandas: { title: "pandas: a CSV, grouped and merged", packages: ["pandas"] },
};
