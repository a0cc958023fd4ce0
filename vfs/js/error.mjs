/** What every error of wheelfs is: a message in one line, and the parts of it that a program may want. */
export class WheelfsError extends Error {
  /**
   * @param {string} message What was wanted, what was found, and what to do.
   * @param {string} code "unreachable", "status", "range", "changed", "archive", "content", "index", "option" or "pyodide".
   * @param {string} url The file concerned.
   * @param {string} [member] The member of it that was wanted.
   */
  constructor(message, code, url, member) {
    super(message);
    this.name = "WheelfsError";
    this.code = code;
    this.url = url;
    this.member = member;
  }
}
