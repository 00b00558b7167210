/** Results as CSV (RFC 4180) that a spreadsheet never takes for formulas. */

/**
 * One text cell. A leading = + - @ (or a tab or line break before one) would run as a formula when
 * the file is opened in a spreadsheet; a leading apostrophe makes it text there.
 * @param {string} value
 */
export function cell(value) {
  const safe = /^[\s]*[=+\-@]/.test(value) || /^[\t\r\n]/.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

/**
 * @param {import("./library.js").Item[]} items In the order of the file.
 * @param {Map<number, {place: number, tied: boolean}>} ranks
 * @param {{name: string, precision: string, sha256: string | null}} model
 * @param {Map<number, import("./scenes.js").Mark>} marks
 */
export function toCsv(items, ranks, model, marks) {
  // Columns of reasons where the model has any: what is named, then every value.
  const ids = Object.keys(items[0]?.reasonValues ?? {});
  const more = ids.length ? ["", "reasons", ...ids].join(",") : "";
  const lines = [`rank,file,score,width,height,model,precision,model_sha256${more},tied,scene,scene_photos,in_scene`];
  for (const item of items) {
    lines.push(
      [
        ranks.get(item.id).place, cell(item.name), item.score.toFixed(4), item.width, item.height,
        cell(model.name), cell(model.precision), model.sha256 ?? "",
        ...(ids.length ? [cell(item.reasons.map((r) => r.words).join("; "))] : []),
        ...ids.map((id) => item.reasonValues[id].toFixed(4)),
        ranks.get(item.id).tied ? "yes" : "no", ...scene(marks.get(item.id)),
      ].join(","),
    );
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** @param {import("./scenes.js").Mark | undefined} mark @returns {(string | number)[]} */
function scene(mark) {
  if (!mark) return ["", "", ""];
  return [mark.scene, mark.size, mark.is === "other" ? "other" : mark.sure ? "best" : "too close to call"];
}

/** Offer text as a file. The mark at its front tells spreadsheets that it is UTF-8. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([type === "text/csv" ? "\ufeff" : "", text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
