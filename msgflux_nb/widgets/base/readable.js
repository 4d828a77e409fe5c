// @ts-check
// Writes a value for people, by the rules of `display/values.py`: no brackets and quotes, no zero seconds, a dash for null.

export const SHOWN_CHARACTERS = 2000;
const MOMENT = /^(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d:\d\d)(?::(\d{0,2}(?:\.\d+)?))?(Z|[+-]\d\d:\d\d)?$/;

/**
 * Return a value as `readable` of `display/values.py` writes it at the end.
 * @param {any} value
 * @param {string} [type] its declared type
 * @returns {string}
 */
export function shownValue(value, type = "") {
  const text = scalar(value, type);
  if (text !== null) return text;
  return (Array.isArray(value) && listed(value, type)) || json(value);
}

/**
 * Return the text of one plain value; null for what holds others.
 * @param {any} value
 * @param {string} type
 */
function scalar(value, type) {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "object") return null;
  return typeof value === "string" && isMoment(type) ? moment(value) : String(value);
}

/** Whether a type holds times. @param {string} type */
export const isMoment = (type) => /\b(date)?time\b/.test(type);

/** @param {string} text */
function moment(text) {
  const found = MOMENT.exec(text);
  if (!found) return text;
  const [, day = "", minutes, seconds = "", zone = ""] = found;
  const exact = /[1-9]/.test(seconds) ? `${minutes}:${seconds}` : minutes;
  return [day, exact, zone === "Z" || zone === "+00:00" ? "UTC" : zone].filter(Boolean).join(" ");
}

/**
 * Join the items of a list; one with a comma is quoted. Empty if they would not be told apart.
 * @param {any[]} items
 * @param {string} type
 */
function listed(items, type) {
  const texts = items.slice(0, SHOWN_CHARACTERS).map((item) => scalar(item, type));
  if (texts.some((text) => text === null || /[“”]/.test(text))) return "";
  return texts.map((text) => (text && text === text.trim() && !/[,\n]/.test(text) ? text : `“${text}”`)).join(", ") || "none";
}

/**
 * @param {any} value
 * @returns {string}
 */
function json(value) {
  let left = SHOWN_CHARACTERS;
  /**
   * @param {any} inner
   * @returns {string}
   */
  function written(inner) {
    if (left <= 0) return "…";
    if (typeof inner === "string") inner = inner.slice(0, left);
    if (typeof inner !== "object" || inner === null) {
      const text = JSON.stringify(inner) ?? "…";
      left -= text.length;
      return text;
    }
    const parts = [];
    for (const key in inner) {
      if (left <= 0) {
        parts.push("…");
        break;
      }
      left -= 4;
      parts.push(Array.isArray(inner) ? written(inner[/** @type {any} */ (key)]) : `${written(key)}: ${written(inner[key])}`);
    }
    return Array.isArray(inner) ? `[${parts.join(", ")}]` : `{${parts.join(", ")}}`;
  }
  return written(value);
}
