// @ts-check
// Functions of texts, without a page: sizes with units, tables to copy, the direction of a text, API keys in it.

/**
 * @param {number} bytes
 * @returns {string}
 */
export function sizeText(bytes) {
  const [amount, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${amount.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ${unit}`;
}

/**
 * About how many tokens a text is, by the rule of `content/tokens.py`; a part of a token counts as that part.
 * @param {string} text
 */
export function tokensOf(text) {
  let amount = 0;
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    amount += code > 0xffff ? 2 : code >= 0x2e80 ? 1 : code >= 0x250 ? 0.5 : 0.25;
  }
  return amount;
}

/**
 * Return rows as text for a spreadsheet.
 * @param {(string | null)[][]} rows
 */
export function tableText(rows) {
  return rows.map((row) => row.map((cell) => (cell ?? "").replace(/[\t\n\r]+/g, " ")).join("\t")).join("\n");
}

const RIGHT_TO_LEFT = /^[^\p{L}]{0,200}[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/**
 * Return the direction of a text in a field. With `dir=auto` a browser would read megabytes at each key.
 * @param {string} text
 */
export function directionOf(text) {
  return RIGHT_TO_LEFT.test(text.slice(0, 300)) ? "rtl" : "ltr";
}

// As in `typed_keys.py`, and also the rest of a key that was recognised while it was typed.
const KEYS =
  /\b(?:sk|pk|rk|gsk|xai|nvapi|hf|csk|fw|pplx|key)[-_](?=[a-z_\-]*[A-Z0-9])[A-Za-z0-9_\-]{8,}|\bAIza[\w\-]{10,}|Bearer\s+(?=[^\s"',]*\d)[^\s"',]+|(?<=:\/\/)[^\/\s@:]*:[^\/\s@]*(?=@)|\[key\][A-Za-z0-9_\-]+/g;

/**
 * Return a text without API keys.
 * @param {string} text
 */
export function withoutKeys(text) {
  return text.replace(KEYS, "[key]");
}

export const KEY_REMOVED =
  "What looks like an API key was removed from the field and is not kept. A key belongs in an environment variable, or in api_key= of the model.";
