/** ralikit-web: the same pixels and the same score in the browser as in Python. */

export { RaliScorer } from "./scorer.js";
export { ModelError, PhotoError, RaliError, RuntimeLoadError, UsageError } from "./errors.js";
export { MAX_PIXELS, openPhoto } from "./decode.js";
export { resize } from "./resize.js";
export { corners, cutViews, readPreprocess, resizedSize } from "./preprocess.js";
export { readFacts, readMetadata } from "./metadata.js";
export * as BestShot from "./best.js";
export { places } from "./rank.js";
export { openRecord, sealRecord } from "./record.js";
