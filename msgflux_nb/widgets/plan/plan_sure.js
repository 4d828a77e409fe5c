// @ts-check
// How sure the lead of a vote is.

/**
 * The probability that the leader stays ahead of the second: of Beta(first + 1, second + 1) the part above 1/2.
 * @param {number} first
 * @param {number} second
 */
export function staysAhead(first, second) {
  const together = first + second + 1;
  let sum = 0;
  let log = -together * Math.LN2; // of the binomial's terms, which are too large for many answers
  for (let k = 0; k <= first; k++) {
    sum += Math.exp(log);
    log += Math.log((together - k) / (k + 1));
  }
  return Math.min(1, sum);
}
