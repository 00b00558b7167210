/** Which photos are of one scene, and what each is in its scene. */

/**
 * @typedef {object} Mark
 * @property {number} scene Number of the scene, from 1.
 * @property {number} size Its photos.
 * @property {"best" | "rival" | "other"} is A rival is not told apart from the best.
 * @property {boolean} sure Whether the model can tell which is the best.
 * @property {number} top The best's score.
 */

/**
 * @param {import("./library.js").Item[]} items
 * @param {(shots: object[], options: object) => {shots: number[], best: number, rivals: number[], sure: boolean}[]} find
 *   `BestShot.scenes` of ralikit-web.
 * @param {number | null} tieWidth
 * @returns {Map<number, Mark>} By the photos' ids.
 */
export function marks(items, find, tieWidth) {
  const done = items.filter((item) => item.state === "done");
  const found = find(done.map(({ score, fingerprint, taken }) => ({ value: score, fingerprint, taken })), { tieWidth });
  const all = new Map();
  found.forEach(({ shots, best, rivals, sure }, i) => {
    for (const at of shots) {
      const is = at === best ? "best" : rivals.includes(at) ? "rival" : "other";
      all.set(done[at].id, { scene: i + 1, size: shots.length, is, sure, top: done[best].score });
    }
  });
  return all;
}

/** A mark in words; "" for a photo that is alone in its scene. @param {Mark | undefined} mark */
export function words(mark) {
  if (!mark || mark.size === 1) return "";
  if (mark.is === "other") return `one of ${mark.size} of a scene`;
  return mark.sure ? `best of ${mark.size}` : `among ${mark.size}, too close to call`;
}
