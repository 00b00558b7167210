/**
 * ralikit-web: score image quality in the browser with a file that `ralikit export` wrote.
 *
 * ```js
 * import { RaliScorer } from "ralikit-web";
 * const scorer = await RaliScorer.load("/mini.onnx", { ort: "/ort/" });
 * const { score } = await scorer.score(file);
 * ```
 */

/** A photo: a `File` or `Blob` is decoded exactly; the others are taken as upright sRGB pixels. */
export type PhotoInput = Blob | ImageData | ImageBitmap;
export type Filter = "bicubic" | "bilinear" | "lanczos";
export type ErrorCode = "rali" | "model" | "photo" | "runtime" | "usage";

/** Rows of pixels, 3 or 4 bytes each (a fourth is ignored), top to bottom. */
export interface PixelSource {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  /** Rows y .. y + rows - 1; the buffer may be reused by the next call. */
  read(y: number, rows: number): Uint8Array | Uint8ClampedArray;
}

/** A picture in memory, RGB. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly data: Uint8Array;
}

/** From photo to views, as the model's file declares it. */
export interface Preprocess {
  /** Edge of a view, pixels. */
  readonly size: number;
  /** Edge to resize to, pixels; null squashes to the square. */
  readonly shortestEdge: number | null;
  /** Where each view lies: (x, y) in 0..1 of the room left. */
  readonly anchors: readonly (readonly [number, number])[];
  readonly resample: Filter;
}

export interface Scale {
  readonly minimum: number;
  readonly maximum: number;
  /** What the ends mean to the people who gave the scores. */
  readonly meaning: string;
}

/** What one number of the output `reasons` means. */
export interface ReasonInfo {
  /** Stable, e.g. "out-of-focus"; take the words in other languages by it. */
  readonly id: string;
  /** The same for people, English. */
  readonly words: string;
  /** The good side that it speaks against, e.g. "sharpness". */
  readonly quality: string;
}

/** A reason why a photo scores low. */
export interface Reason {
  readonly id: string;
  readonly words: string;
  /** 0 to 1; 0.5: as likely as not that a person would say so. */
  readonly value: number;
}

/** What an exported file says about itself. */
export interface ModelFacts {
  readonly schema: number;
  readonly name: string;
  /** Hash of the bundle it was exported from. */
  readonly bundle: string;
  readonly weights: string;
  readonly tower: string;
  readonly licence: string;
  readonly notice: string;
  /** Scores closer than this are not told apart by the model; null: not measured. */
  readonly tieWidth: number | null;
  /** @deprecated The former name of `tieWidth`. */
  readonly resolution: number | null;
  /** "fp32", "fp16", "int8", ... or "unknown". */
  readonly precision: string;
  readonly scale: Scale;
  /** What the file gives, by name; the score comes first. */
  readonly outputs: readonly string[];
  /** What each reason means, in the output's order; empty where the file gives none. */
  readonly reasons: readonly ReasonInfo[];
  readonly preprocess: Preprocess;
  /** The whole metadata entry. */
  readonly raw: Record<string, unknown>;
}

export interface LoadedModel {
  readonly facts: ModelFacts;
  /** Whether the file's digest of itself was checked: older files have none, insecure contexts no SHA-256. */
  readonly digested: boolean;
  /** Of the file, hexadecimal; null outside secure contexts. */
  readonly sha256: string | null;
  readonly bytes: number;
  readonly backend: "wasm" | "webgpu" | "litert";
  readonly threads: number;
  readonly runtime: string;
  /** A caveat, e.g. why WebGPU was not used; or "". */
  readonly note: string;
  readonly loadMs: number;
  /** The first inference, a discarded one unless `warmUp: false` was asked for; null before it. */
  firstMs: number | null;
}

export interface Score {
  /** On the model's scale. */
  readonly score: number;
  readonly scale: Scale;
  readonly tieWidth: number | null;
  /** @deprecated The former name of `tieWidth`. */
  readonly resolution: number | null;
  /** Why it is low: those of 0.5 and more, the highest first; empty where none is, or the model has none. */
  readonly reasons: readonly Reason[];
  /** Every reason's value by its id, in the output's order; empty where the model has none. */
  readonly reasonValues: Readonly<Record<string, number>>;
  /** Of the upright photo, pixels. */
  readonly width: number;
  readonly height: number;
  /** "converted" here, by the "browser" (its pixels may differ from Python's), or "none" to convert. */
  readonly profile: "none" | "converted" | "browser";
  /** A small JPEG, where it was asked for. */
  readonly thumbnail?: Blob;
  /** For `BestShot.scenes`, where it was asked for. */
  readonly fingerprint?: Uint8Array;
  /** Seconds since 1970 on the camera's own clock, where `fingerprint` was asked for; null: the file does not say. */
  readonly taken?: number | null;
  readonly timings: { readonly decodeMs: number; readonly resizeMs: number; readonly inferMs: number };
}

/** LiteRT.js, for `.tflite` files. */
export interface LiteRt {
  /** `await import("@litertjs/core")`; 2.5.3 was tested. */
  module: any;
  /** URL of the folder that serves its `wasm` files. */
  wasm: string;
}

export interface LoadOptions {
  /** Folder that serves onnxruntime-web's `dist`; default: beside this package in node_modules. */
  ort?: string;
  /**
   * "wasm" (the processor; scores proved equal to Python's), "webgpu", or "auto": WebGPU where the browser
   * offers it, `ort` holds its files and it scores a built-in picture as the processor does (within 1/400 of
   * the scale, reasons within 0.02), else WASM with a note in `LoadedModel.note`. "webgpu" fails instead.
   * Default "wasm".
   */
  backend?: "auto" | "wasm" | "webgpu";
  /**
   * Threads of WASM; more than 1 needs a cross-origin isolated page. Default: there up to 4, as many as the
   * device has; else, and without a worker, 1.
   */
  threads?: number;
  /** false runs on the calling thread. Default true, but with `litert`, which cannot go into a worker. */
  worker?: boolean;
  /**
   * Run one inference on an empty picture, so that the first photo does not wait for code that is not optimised
   * yet. Default true; false is faster where a photo waits already, and `warmUp()` does it later.
   */
  warmUp?: boolean;
  /** Runs a `.tflite` file, on the processor. */
  litert?: LiteRt;
  signal?: AbortSignal;
  /** Bytes of the model fetched so far. */
  onProgress?: (progress: { loaded: number; total: number | null }) => void;
}

export interface ScoreOptions {
  signal?: AbortSignal;
  /** Longest edge of a thumbnail to return, pixels. */
  thumbnail?: number;
  /** Larger photos are refused before they are decoded. Default 100 megapixels. */
  maxPixels?: number;
  /** Also give what `BestShot.scenes` needs. Default false. */
  fingerprint?: boolean;
}

export interface ExplainOptions {
  signal?: AbortSignal;
  /** After every window. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Of a window, pixels of the resized photo, up to a view's size. Default 3/8 of that (docs/explain.md). */
  edge?: number;
  maxPixels?: number;
}

/** A square of a photo, scored as if the whole photo looked like it. */
export interface Window {
  /** Where it lies in the upright photo, pixels; right and bottom are exclusive. */
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly value: number;
  /** Nothing is in it that could be spoilt; models score that low all the same. */
  readonly plain: boolean;
  readonly reasons: readonly Reason[];
  readonly reasonValues: Readonly<Record<string, number>>;
}

/** Where a photo is bad. It orders the places of one photo; whether the photo is bad is said by its score. */
export interface Explanation {
  /** Left to right and top to bottom. */
  readonly windows: readonly Window[];
  /** The lowest of those that are not plain; of all where all are. */
  readonly worst: Window;
  /** Of those among which the worst was looked for. */
  readonly median: number;
  /** Whether the worst lies further below the median than the model's tie width. */
  readonly standsOut: boolean;
  /** The map, rows from the top: mean scores of the windows over each cell, and the share of plain ones, 0 to 1. */
  readonly cells: { readonly rows: number; readonly columns: number; readonly values: readonly number[]; readonly plain: readonly number[] };
  /** Scores at the two ends of a picture's scale, low and high. */
  readonly span: readonly [number, number];
}

export interface ScoreAllOptions extends ScoreOptions {
  /** Number of photos, where `inputs` cannot tell. */
  total?: number;
  onProgress?: (progress: { done: number; total: number | null }) => void;
}

export type BatchEntry =
  | { readonly index: number; readonly input: PhotoInput; readonly score: Score; readonly error?: undefined }
  | { readonly index: number; readonly input: PhotoInput; readonly error: Error; readonly score?: undefined };

export class RaliScorer {
  private constructor();
  readonly model: LoadedModel;
  /**
   * Load an exported `.onnx` file, or a `.tflite` one with the option `litert`.
   * @throws {ModelError} It was not made by ralikit, or is of a schema this version does not know.
   * @throws {RuntimeLoadError} ONNX Runtime Web is not where `ort` says.
   */
  static load(from: string | URL | Blob | ArrayBuffer | Uint8Array, options?: LoadOptions): Promise<RaliScorer>;
  /** @throws {PhotoError} The photo cannot be read. */
  score(input: PhotoInput, options?: ScoreOptions): Promise<Score>;
  /**
   * Say where a photo is bad, by about 100 inferences on windows of it.
   * @throws {PhotoError} The photo cannot be read, or is too long for a map.
   */
  explain(input: PhotoInput, options?: ExplainOptions): Promise<Explanation>;
  /** Score many, one entry each, in order; a broken photo is an entry with an error. */
  scoreAll(
    inputs: Iterable<PhotoInput> | AsyncIterable<PhotoInput>,
    options?: ScoreAllOptions,
  ): AsyncGenerator<BatchEntry, void, void>;
  /** Run one inference on an empty picture, so that the first photo does not wait; after `load` with `warmUp: false`. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export class RaliError extends Error {
  readonly code: ErrorCode;
}
export class ModelError extends RaliError {}
export class PhotoError extends RaliError {}
export class RuntimeLoadError extends RaliError {}
export class UsageError extends RaliError {}

/** A photo whose upright sRGB pixels can be read. */
export interface Photo {
  readonly source: PixelSource;
  readonly profile: "none" | "converted" | "browser";
  /** Seconds since 1970 on the camera's own clock; null: not said. */
  readonly taken: number | null;
  thumbnail(edge: number): Promise<Blob>;
  close(): void;
}

/** Largest photo that is decoded unless more is allowed, pixels. */
export const MAX_PIXELS: number;
export function openPhoto(input: PhotoInput, options?: { maxPixels?: number }): Promise<Photo>;
/** Pillow's antialiased resize, byte for byte (one pass at a time, across then down). */
export function resize(
  source: PixelSource,
  to: { width: number; height: number; filter?: Filter },
  part?: { left: number; top: number; width: number; height: number },
): Pixels;
export function readPreprocess(facts: unknown): Preprocess;
export function resizedSize(p: Preprocess, width: number, height: number): { width: number; height: number };
export function corners(p: Preprocess, width: number, height: number): { left: number; top: number }[];
/** All views of a photo, (V, S, S, 3). */
export function cutViews(source: PixelSource, p: Preprocess): Uint8Array;
/** Metadata entries of an ONNX file, read from its protobuf. */
export function readMetadata(bytes: Uint8Array): Map<string, string>;
export function readFacts(bytes: Uint8Array): ModelFacts;
/** A scored photo, for `BestShot.scenes`. */
export interface Shot {
  /** Its score. */
  readonly value: number;
  /** 192 bytes. */
  readonly fingerprint: Uint8Array;
  /** Seconds since any moment that all share; null or absent: not known. */
  readonly taken?: number | null;
}

/** When two photos are of one scene; docs/contract.md. */
export interface SceneRule {
  /** Longest pause within a scene. Default 60. */
  readonly seconds: number;
  /** Least likeness to the scene's first photo, where both times are known. Default 0.70. */
  readonly likeness: number;
  /** The same where a time is not known. Default 0.95. */
  readonly copyLikeness: number;
}

/** Photos of one scene, as places in the list that was given. */
export interface Scene {
  /** All of them, in the order they were taken. */
  readonly shots: readonly number[];
  readonly best: number;
  /** Those that are not told apart from the best, highest first. */
  readonly rivals: readonly number[];
  /** Whether the model can tell which is the best. */
  readonly sure: boolean;
}

export const BestShot: {
  /** The mean colours of 8 x 8 cells, 192 bytes: the same in every runtime. */
  fingerprint(source: PixelSource): Uint8Array;
  /** Correlation of two fingerprints, -1 to 1. @throws {UsageError} One has not 192 bytes. */
  likeness(one: Uint8Array, other: Uint8Array): number;
  /** All scenes, also those of one photo, in the order of their first photos. */
  scenes(shots: readonly Shot[], options: { tieWidth: number | null } & Partial<SceneRule>): Scene[];
};

/** A score's place among others. */
export interface Place {
  /** 1 for the highest; scores that are not told apart share the first of their places. */
  readonly place: number;
  readonly tied: boolean;
}
/** Places of scores, in the order given; `tieWidth` null: only equal ones share a place. */
export function places(values: readonly number[], options: { tieWidth: number | null }): Place[];
/**
 * A benchmark record as a sealed line that `ralikit report` reads, its line feed included.
 * @throws {UsageError} The values hold `schema` or `sha256`: the seal writes those.
 */
export function sealRecord(values: Record<string, unknown>): Promise<string>;
/**
 * The values of a sealed line, given without its line feed; what they mean is not checked.
 * @throws {RaliError} It was altered by a byte, is no record, or is of another schema.
 */
export function openRecord(line: Uint8Array): Promise<Record<string, unknown>>;
