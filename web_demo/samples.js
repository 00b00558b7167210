/** Sample photos, and worse copies of them made here: the ranking should put the copies below. */

const PHOTOS = ["cat", "coffee", "rocket", "portrait"];

/** @param {ImageBitmap} bitmap */
function canvas(bitmap) {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context;
}

const WORSE = {
  blurred(bitmap) {
    const small = new OffscreenCanvas(Math.ceil(bitmap.width / 7), Math.ceil(bitmap.height / 7));
    const shrink = small.getContext("2d");
    shrink.imageSmoothingQuality = "high";
    shrink.drawImage(bitmap, 0, 0, small.width, small.height);
    const context = canvas(bitmap);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, bitmap.width, bitmap.height);
    return context.canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  },
  dark(bitmap) {
    const context = canvas(bitmap);
    context.fillStyle = "rgb(0 0 0 / 0.78)";
    context.fillRect(0, 0, bitmap.width, bitmap.height);
    return context.canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  },
  "over-compressed": (bitmap) => canvas(bitmap).canvas.convertToBlob({ type: "image/jpeg", quality: 0.03 }),
};

/** @returns {Promise<{file: Blob, name: string}[]>} */
export async function samples() {
  const kinds = Object.keys(WORSE);
  const all = [];
  for (const [i, name] of PHOTOS.entries()) {
    const file = await (await fetch(`samples/${name}.jpg`)).blob();
    const bitmap = await createImageBitmap(file);
    all.push({ file, name: `${name}.jpg` });
    for (const kind of [kinds[i % kinds.length], kinds[(i + 1) % kinds.length]]) {
      all.push({ file: await WORSE[kind](bitmap), name: `${name}, ${kind}.jpg` });
    }
    bitmap.close();
  }
  return all;
}
