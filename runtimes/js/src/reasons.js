/** Why a photo scores low: what the numbers of the output `reasons` mean, and which are named. */

import { ModelError } from "./errors.js";

/** A reason of at least this is named: a person would say so as likely as not. */
export const NAMED = 0.5;

/**
 * What each number of the output `reasons` means; empty where the file has no such output.
 * @param {Record<string, any>} raw The facts.
 * @param {readonly string[]} outputs
 * @returns {import("../index.d.ts").ReasonInfo[]}
 */
export function readReasons(raw, outputs) {
  if (!outputs.includes("reasons")) return [];
  const told = Array.isArray(raw.reasons) ? raw.reasons : [];
  const reasons = told.map((/** @type {any} */ r) => ({ id: r?.id, words: r?.words, quality: r?.quality }));
  const whole = reasons.every((r) => Object.values(r).every((v) => typeof v === "string" && v !== ""));
  if (!whole || !reasons.length || new Set(reasons.map((r) => r.id)).size !== reasons.length) {
    throw new ModelError("this file's metadata does not say what its reasons mean: export it again with ralikit");
  }
  return reasons;
}

/**
 * The values that a graph gave, if they are such.
 * @param {ArrayLike<number>} values
 * @param {number} count
 * @returns {number[]}
 */
export function checkReasons(values, count) {
  const list = Array.from(values);
  if (list.length !== count || !list.every((v) => v >= 0 && v <= 1)) {
    throw new ModelError(`the model gave ${list.slice(0, count).join(", ")} instead of ${count} reasons from 0 to 1`);
  }
  return list;
}

/**
 * Those of at least `NAMED`, the highest first; equal ones in the output's order.
 * @param {readonly number[]} values
 * @param {readonly import("../index.d.ts").ReasonInfo[]} infos
 * @returns {import("../index.d.ts").Reason[]}
 */
export function namedReasons(values, infos) {
  return infos
    .map(({ id, words }, i) => ({ id, words, value: values[i] }))
    .filter(({ value }) => value >= NAMED)
    .sort((a, b) => b.value - a.value); // stable
}

/**
 * Every reason's value by its id, in the output's order.
 * @param {readonly number[]} values
 * @param {readonly import("../index.d.ts").ReasonInfo[]} infos
 * @returns {Record<string, number>}
 */
export function reasonValues(values, infos) {
  return Object.fromEntries(infos.map(({ id }, i) => [id, values[i]]));
}
