// @ts-check
// The certainty of a vote's leader.

/**
 * Return the probability that the leader stays ahead of the second: the part of Beta(first + 1, second + 1) above 1/2.
 * @param {number} first
 * @param {number} second
 */
export function staysAhead(first, second) {
  const together = first + second + 1;
  let sum = 0;
  let log = -together * Math.LN2; // logarithms, since the binomial's terms overflow for many answers
  for (let k = 0; k <= first; k++) {
    sum += Math.exp(log);
    log += Math.log((together - k) / (k + 1));
  }
  return Math.min(1, sum);
}
