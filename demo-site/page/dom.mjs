/** Elements that the page cannot do without. */

/**
 * @template {Element} T
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(within, selector, type) {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`the page has no ${selector}`);
  return element;
}

/**
 * @param {string} template its id
 * @returns {DocumentFragment}
 */
export function copy(template) {
  return /** @type {DocumentFragment} */ (find(document, `#${template}`, HTMLTemplateElement).content.cloneNode(true));
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} text
 * @param {Record<string, string>} [attributes]
 */
export function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
