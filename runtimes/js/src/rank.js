/** The order of scores, with those that a model cannot tell apart sharing a place. */

/**
 * Places of scores, 1 for the highest. A group is the highest not yet placed and all that lie less
 * than `tieWidth` below it: they share the first of their places.
 * @param {readonly number[]} values
 * @param {{tieWidth: number | null}} options null: only equal ones share a place.
 * @returns {import("../index.d.ts").Place[]} In the order given.
 */
export function places(values, { tieWidth }) {
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]); // stable
  /** @type {import("../index.d.ts").Place[]} */
  const found = new Array(values.length);
  for (let first = 0, end = 0; first < order.length; first = end) {
    const lead = values[order[first]];
    const same = (/** @type {number} */ value) => value === lead || lead - value < (tieWidth ?? 0);
    while (end < order.length && same(values[order[end]])) end++;
    for (let at = first; at < end; at++) found[order[at]] = { place: first + 1, tied: end - first > 1 };
  }
  return found;
}
