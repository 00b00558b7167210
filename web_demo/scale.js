/** How scores are shown: numbers, words and the 0..1 of a bar, on the model's own scale. */

const WORDS = ["bad", "poor", "fair", "good", "excellent"];

export class ScoreScale {
  /** @param {{minimum: number, maximum: number, meaning: string}} scale */
  constructor({ minimum, maximum, meaning }) {
    Object.assign(this, { minimum, maximum, meaning });
    // The opinion scale's five words; another scale has none that we know.
    this.words = minimum === 1 && maximum === 5 ? WORDS : null;
  }

  /** @param {number} score */
  text(score) {
    return score.toFixed(2);
  }

  /** @param {number} score */
  word(score) {
    return this.words?.[Math.min(4, Math.max(0, Math.round(score) - 1))] ?? "";
  }

  /** @param {number} score */
  share(score) {
    return Math.min(1, Math.max(0, (score - this.minimum) / (this.maximum - this.minimum)));
  }

  /** For a screen reader. @param {number} score */
  spoken(score) {
    const word = this.word(score);
    return `${this.text(score)} of ${this.maximum}${word ? `, ${word}` : ""}`;
  }
}
