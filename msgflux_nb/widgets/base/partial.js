// @ts-check
// A parser for JSON that arrives in pieces: gives the value so far after each piece, and reads each character once.

const JSON_DEPTH_LIMIT = 200;
const JSON_STRING_END = /["\\\u0000-\u001f]/g;
const JSON_SCALAR = /[-+.\w]*/y;
const JSON_NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$/;
const JSON_ESCAPE = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{0,4})?/;
/** @type {Record<string, string>} */
const JSON_ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
/** @type {Map<string, boolean | null>} */
const JSON_WORDS = new Map(Object.entries({ true: true, false: false, null: null }));
const JSON_SPAN = Symbol("where a container stands in the text");
/** The characters that may come next, besides white space, in each state; `v` means the start of any value. */
const JSON_EXPECTED = {
  value: ["a value", "v"],
  firstValue: ["a value or ']'", "v]"],
  afterItem: ["',' or ']'", ",]"],
  key: ["a key", '"'],
  firstKey: ["a key or '}'", '"}'],
  colon: ["':'", ":"],
  afterField: ["',' or '}'", ",}"],
  end: ["the end", ""],
};

/**
 * Push text, and read `value` at any time. It returns the same growing containers each time; objects have no prototype,
 * so that no key is special. After a problem it reads nothing more, but `value` stays readable.
 */
export class PartialJson {
  /** @type {any} */
  #root = undefined;
  /** @type {any[]} the open containers */
  #stack = [];
  /** @type {(string | number)[]} for each of them: the key or index of its current item */
  #keys = [];
  /** @type {keyof typeof JSON_EXPECTED} */
  #expected = "value";
  /** @type {"" | "key" | "string" | "scalar"} the token that the next piece continues */
  #within = "";
  #text = "";
  #escape = "";
  #length = 0;
  /** @type {string | null} */
  #problem = null;

  /** @param {{ number?: (text: string) => any }} [options] number: converts a number's text, since JavaScript's numbers lose digits */
  constructor({ number = Number } = {}) {
    this.number = number;
  }

  /** @param {string} text */
  push(text) {
    let at = 0;
    while (at < text.length && this.#problem === null) {
      if (this.#within === "scalar") at = this.#readScalar(text, at);
      else if (this.#within) at = this.#escape ? this.#readEscape(text, at) : this.#readString(text, at);
      else at = this.#readMark(text, at);
    }
    this.#length += at;
  }

  /** The value so far, with open strings as far as they go; undefined at first. */
  get value() {
    if (this.#within === "string") this.#put(this.#text);
    return this.#root;
  }

  /** Whether a whole value has been read; only white space may follow. */
  get complete() {
    return this.#expected === "end" && this.#problem === null;
  }

  /** The error in the text with its place, or null. */
  get problem() {
    return this.#problem;
  }

  /** The number of characters read. */
  get length() {
    return this.#length;
  }

  /**
   * Return whether the value at a path is still arriving.
   * @param {(string | number)[]} path keys and indices from the root
   */
  isOpen(path) {
    const depth = this.#stack.length;
    const arriving = this.#within === "string" || this.#within === "scalar";
    if (path.length > depth || (path.length === depth && !arriving)) return false;
    return path.every((key, index) => key === this.#keys[index]);
  }

  /**
   * Return the range of an object or an array of `value` in the text; an open one reaches to the end.
   * @param {any} container
   * @returns {[start: number, end: number]}
   */
  span(container) {
    const [start, end] = container[JSON_SPAN];
    return [start, end || this.#length];
  }

  /**
   * @param {string} text
   * @param {number} at
   */
  #readMark(text, at) {
    const mark = text[at];
    if (mark === " " || mark === "\n" || mark === "\t" || mark === "\r") return at + 1;
    const [name, marks] = JSON_EXPECTED[this.#expected];
    const wanted = marks.includes(mark) && mark !== "v";
    if (wanted) this.#takeMark(mark, at);
    else if (!marks.includes("v") || !this.#beginValue(mark, at)) this.#fail(at, `expected ${name}, got '${mark}'`);
    return at + 1;
  }

  /**
   * @param {string} mark
   * @param {number} at
   */
  #takeMark(mark, at) {
    if (mark === ":") this.#expected = "value";
    else if (mark === '"') this.#within = "key";
    else if (mark === "]" || mark === "}") this.#endContainer(at);
    else if (this.#expected === "afterField") this.#expected = "key";
    else {
      this.#keys[this.#keys.length - 1] = Number(this.#keys.at(-1)) + 1;
      this.#expected = "value";
    }
  }

  /**
   * @param {string} mark
   * @param {number} at
   * @returns {boolean} whether a value can begin so
   */
  #beginValue(mark, at) {
    if (mark === "{" || mark === "[") this.#beginContainer(mark, at);
    else if (mark === '"') this.#within = "string";
    else if ("-0123456789tfn".includes(mark)) {
      this.#within = "scalar";
      this.#text = mark;
    } else return false;
    return true;
  }

  /**
   * @param {string} mark
   * @param {number} at
   */
  #beginContainer(mark, at) {
    if (this.#stack.length >= JSON_DEPTH_LIMIT) {
      this.#fail(at, `nested deeper than ${JSON_DEPTH_LIMIT}`);
      return;
    }
    /** @type {any} */
    const container = mark === "[" ? [] : Object.create(null);
    container[JSON_SPAN] = [this.#length + at, 0];
    this.#put(container);
    this.#stack.push(container);
    this.#keys.push(mark === "[" ? 0 : "");
    this.#expected = mark === "[" ? "firstValue" : "firstKey";
  }

  /** @param {number} at */
  #endContainer(at) {
    this.#stack.pop()[JSON_SPAN][1] = this.#length + at + 1;
    this.#keys.pop();
    this.#endValue();
  }

  /** @param {any} value replaces the partial value of an earlier read */
  #put(value) {
    const container = this.#stack.at(-1);
    if (container === undefined) this.#root = value;
    else container[/** @type {string} */ (this.#keys.at(-1))] = value;
  }

  #endValue() {
    this.#within = "";
    this.#text = "";
    const container = this.#stack.at(-1);
    this.#expected = container === undefined ? "end" : Array.isArray(container) ? "afterItem" : "afterField";
  }

  /**
   * @param {string} text
   * @param {number} at
   */
  #readString(text, at) {
    JSON_STRING_END.lastIndex = at;
    const end = JSON_STRING_END.exec(text)?.index ?? text.length;
    if (end > at) this.#text += text.slice(at, end);
    if (end === text.length) return end;
    if (text[end] === '"') this.#endString();
    else if (text[end] === "\\") this.#escape = "\\";
    else this.#fail(end, "a control character in a string");
    return end + 1;
  }

  #endString() {
    if (this.#within === "string") {
      this.#put(this.#text);
      this.#endValue();
      return;
    }
    this.#keys[this.#keys.length - 1] = this.#text;
    this.#within = "";
    this.#text = "";
    this.#expected = "colon";
  }

  /**
   * @param {string} text
   * @param {number} at
   */
  #readEscape(text, at) {
    const known = this.#escape.length;
    const whole = (this.#escape + text[at])[1] === "u" ? 6 : 2;
    this.#escape += text.slice(at, at + whole - known);
    const right = JSON_ESCAPE.exec(this.#escape)?.[0].length ?? 0;
    if (right < this.#escape.length) this.#fail(at + right - known, `an unknown escape ${this.#escape.slice(0, right + 1)}`);
    else if (right === whole) {
      const letter = this.#escape[1];
      this.#text += whole === 2 ? JSON_ESCAPES[letter] : String.fromCharCode(parseInt(this.#escape.slice(2), 16));
      this.#escape = "";
    }
    return at + right - known;
  }

  /**
   * @param {string} text
   * @param {number} at
   */
  #readScalar(text, at) {
    JSON_SCALAR.lastIndex = at;
    const end = at + (JSON_SCALAR.exec(text)?.[0].length ?? 0);
    this.#text += text.slice(at, end);
    if (end < text.length) this.#endScalar(end);
    return end;
  }

  /** @param {number} at */
  #endScalar(at) {
    const word = this.#text;
    if (JSON_WORDS.has(word)) this.#put(JSON_WORDS.get(word));
    else if (JSON_NUMBER.test(word)) this.#put(this.number(word));
    else {
      this.#fail(at - word.length, `expected a value, got '${word.slice(0, 20)}'`);
      return;
    }
    this.#endValue();
  }

  /**
   * @param {number} at
   * @param {string} problem
   */
  #fail(at, problem) {
    if (this.#within === "string") this.#put(this.#text);
    this.#problem = `${problem} at character ${this.#length + at}`;
    this.#within = "";
  }
}
