/** Benchmark records as `ralikit report` reads them: sealed by a hash over their canonical JSON. */

/** A number as Python prints it; JavaScript writes small ones without an exponent. */
function number(value) {
  const text = String(value);
  if (Number.isInteger(value)) return text;
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) return text;
  const [digits, exponent] = value.toExponential().split("e");
  const power = Math.abs(Number(exponent));
  return `${digits}e${exponent[0]}${power < 10 ? "0" : ""}${power}`;
}

/** JSON with sorted keys and Python's spacing: what the hash is taken over. */
export function canonical(value) {
  if (typeof value === "number") return number(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(", ")}]`;
  if (value && typeof value === "object") {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}: ${canonical(value[key])}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** @param {Record<string, any>} body @returns {Promise<string>} One line of a record file. */
export async function seal(body) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(body)));
  const hash = Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, "0")).join("");
  return `${canonical({ ...body, hash })}\n`;
}

/** @param {number[]} values @param {number} share 0..1, linear between samples */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}
