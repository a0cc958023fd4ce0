/** Warnings and errors that the console is told from now on; it shows them as before. */
export function listen() {
  /** @type {string[]} */ const told = [];
  for (const level of /** @type {const} */ (["warn", "error"])) {
    const original = console[level];
    console[level] = (...words) => {
      told.push(words.join(" "));
      original.apply(console, words);
    };
  }
  return told;
}
