/** Errors a caller may act on; each says what was expected, what came and what to do. */

/** Anything this package refuses. `code` survives the way out of a worker; `instanceof` does too. */
export class RaliError extends Error {
  /** @type {import("../index.d.ts").ErrorCode} */
  code = "rali";

  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The model file is incomplete, altered, of another schema, or was not made by ralikit. */
export class ModelError extends RaliError {
  /** @type {import("../index.d.ts").ErrorCode} */
  code = "model";
}

/** One photo cannot be read; the others can. */
export class PhotoError extends RaliError {
  /** @type {import("../index.d.ts").ErrorCode} */
  code = "photo";
}

/** ONNX Runtime Web could not be loaded or does not run here. */
export class RuntimeLoadError extends RaliError {
  /** @type {import("../index.d.ts").ErrorCode} */
  code = "runtime";
}

/** The call is wrong: an unknown option, a value of another type, a closed scorer. */
export class UsageError extends RaliError {
  /** @type {import("../index.d.ts").ErrorCode} */
  code = "usage";
}

const KINDS = { rali: RaliError, model: ModelError, photo: PhotoError, runtime: RuntimeLoadError, usage: UsageError };

/**
 * An error as plain values, for postMessage.
 * @param {unknown} error
 * @returns {{code: string, message: string}}
 */
export function toPlain(error) {
  if (error instanceof RaliError) return { code: error.code, message: error.message };
  if (error instanceof Error && error.name === "AbortError") return { code: "abort", message: error.message };
  return { code: "rali", message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

/**
 * The error that `toPlain` wrote down.
 * @param {{code: string, message: string}} plain
 * @returns {Error}
 */
export function fromPlain(plain) {
  if (plain.code === "abort") return new DOMException(plain.message, "AbortError");
  const Kind = KINDS[/** @type {keyof typeof KINDS} */ (plain.code)] ?? RaliError;
  return new Kind(plain.message);
}
