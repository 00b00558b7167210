// Checked by `npm run types`, never run: what index.d.ts promises is what src/ gives, and a user's
// code reads as the README shows it.
import * as implementation from "../src/index.js";
import type * as declared from "../index.d.ts";

type Functions = Omit<typeof declared, "RaliScorer" | "RaliError" | "ModelError" | "PhotoError" | "RuntimeLoadError" | "UsageError">;
export const functions: Functions = implementation;
export const load: (typeof declared.RaliScorer)["load"] extends (...a: infer A) => unknown
  ? (...a: A) => Promise<Pick<declared.RaliScorer, "model" | "score" | "scoreAll" | "close">>
  : never = implementation.RaliScorer.load;

export async function example(scorer: declared.RaliScorer, files: File[]): Promise<number[]> {
  const scores: number[] = [];
  const stop = new AbortController();
  for await (const entry of scorer.scoreAll(files, { signal: stop.signal, thumbnail: 320 })) {
    if (entry.error) console.warn(entry.index, entry.error.message);
    else scores.push(entry.score.score);
  }
  // @ts-expect-error a path is no photo
  await scorer.score("photo.jpg");
  return scores;
}
