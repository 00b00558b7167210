/** Where a photo is bad: its score map drawn over it, on demand. */

/** Colours of cividis (Nunez, Anderton, Renslow 2018), evenly spaced: good to bad. */
const STOPS = [
  [0, 34, 78], [33, 58, 110], [76, 85, 108], [108, 109, 114], [142, 137, 117], [178, 167, 108], [217, 199, 89], [254, 232, 56],
];
/** How much of a map's pixel is colour; the rest is the photo in grey. */
const TINT = 0.7;
const LONGEST = 1000; // edge of the drawing, pixels

/** The colour of badness 0 (good: dark blue) to 1 (bad: yellow). @param {number} share */
export function colour(share) {
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const low = Math.min(STOPS.length - 2, Math.floor(at));
  return STOPS[low].map((v, c) => Math.round(v + (at - low) * (STOPS[low + 1][c] - v)));
}

/**
 * Photo and map, the worst region outlined.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} photo Loaded.
 * @param {import("./ralikit-web/index.js").Explanation} found
 */
export function drawMap(canvas, photo, found) {
  const { naturalWidth: width, naturalHeight: height } = photo;
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  const grey = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < grey.data.length; i += 4) {
    const [r, g, b] = grey.data.subarray(i, i + 3);
    grey.data.fill(Math.round(0.299 * r + 0.587 * g + 0.114 * b), i, i + 3);
  }
  context.putImageData(grey, 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(tint(found), 0, 0, canvas.width, canvas.height);
  const across = canvas.width / width;
  const down = canvas.height / height;
  const { left, top, right, bottom } = found.worst;
  for (const [line, style] of [[6, "#000"], [3, "#fff"]]) {
    context.lineWidth = line;
    context.strokeStyle = style;
    context.strokeRect(left * across, top * down, (right - left) * across, (bottom - top) * down);
  }
}

/** The map's cells as a small picture: yellow where it is bad, without colour where it is too plain to judge. */
function tint({ cells, span }) {
  const { rows, columns, values, plain } = cells;
  const [low, high] = span;
  const pixels = new ImageData(columns, rows);
  values.forEach((value, i) => pixels.data.set([...colour((high - value) / (high - low)), Math.round(255 * TINT * (1 - plain[i]))], 4 * i));
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(pixels, 0, 0);
  return small;
}

/** What was found, in words. @param {import("./ralikit-web/index.js").Explanation} found */
export function mapWords({ worst, standsOut, median, windows }) {
  const why = worst.reasons.length ? `: ${worst.reasons.map((r) => r.words).join(", ")}` : "";
  const head = standsOut ? `Worst region, outlined: ${worst.value.toFixed(2)}${why}.` : `No region stands out. The lowest, outlined, scores ${worst.value.toFixed(2)}${why}.`;
  const plain = windows.filter((w) => w.plain).length;
  const rest = `The middle of ${windows.length} windows scores ${median.toFixed(2)}${plain ? `; ${plain} too plain to judge have no colour` : ""}.`;
  return `${head} Yellow is worse, dark blue better. ${rest} What is soft on purpose looks bad too.`;
}
