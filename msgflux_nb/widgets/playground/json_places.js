// @ts-check
// The places of values, keys and signs in a JSON text that may be incomplete.

/**
 * Return the values of a JSON text as path, start and end; an open string ends at the end of the text.
 * @param {string} text
 * @returns {[path: string, start: number, end: number][]}
 */
export function fieldPlaces(text) {
  /** @type {[string, number, number][]} */
  const found = [];
  /** @type {{ key: string, index: number, array: boolean, start: number }[]} */
  const stack = [];
  const path = () => stack.map(({ key, index, array }) => (array ? `[${index}]` : key)).reduce((all, one) => (one.startsWith("[") ? all + one : all ? `${all}.${one}` : one), "");
  let expectsKey = false;
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    const [word] = token;
    const top = stack.at(-1);
    if (word === "{" || word === "[") {
      stack.push({ key: "", index: 0, array: word === "[", start: token.index });
      expectsKey = word === "{";
    } else if (word === "}" || word === "]") {
      const closed = stack.pop();
      if (closed && stack.length) found.push([path(), closed.start, token.index + 1]);
      expectsKey = false;
    } else if (word === ",") {
      if (top) top.index += 1;
      expectsKey = top !== undefined && !top.array;
    } else if (word === ":") expectsKey = false;
    else if (expectsKey && top) top.key = word.replace(/^"|"$/g, "");
    else if (top) found.push([path(), token.index, token.index + word.length]);
  }
  while (stack.length > 1) {
    const open = stack.pop();
    if (open) found.push([path(), open.start, text.length]);
  }
  return found;
}

const WHOLE_STRING = /^"(?:[^"\\]|\\.)*"$/s;

/**
 * Read a growing JSON text: each character once, except that an open string is read again.
 * @returns {(text: string) => [start: number, end: number][]} the new stretches of keys, brackets, colons and commas
 */
export function jsonSigns() {
  let at = 0;
  let expectsKey = false;
  /** @type {string[]} */
  const open = [];
  return (text) => {
    /** @type {[number, number][]} */
    const found = [];
    let joins = false; // whether the token before is a sign too
    const tokens = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/gs;
    tokens.lastIndex = at;
    for (let token = tokens.exec(text); token; token = tokens.exec(text)) {
      const [word] = token;
      const sign = "{}[],:".includes(word);
      if (word.startsWith('"') && !WHOLE_STRING.test(word)) break;
      at = tokens.lastIndex;
      const quiet = sign || (expectsKey && word.startsWith('"'));
      if (word === "{" || word === "[") open.push(word);
      else if (word === "}" || word === "]") open.pop();
      expectsKey = word === "{" || (word === "," && open.at(-1) === "{");
      if (quiet && joins) found[found.length - 1][1] = at;
      else if (quiet) found.push([token.index, at]);
      joins = quiet;
    }
    return found;
  };
}
