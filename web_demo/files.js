/** Photos out of file pickers and drops, folders included. */

const PHOTO = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|avif|heic|heif|tiff?)$/i;

/** @typedef {{file: File, name: string}} Named */

const isPhoto = (file) => file.type.startsWith("image/") || PHOTO.test(file.name);

/**
 * What a file input holds.
 * @returns {{photos: Named[], left: number}} Photos, and how many other files were left out.
 */
export function fromInput(input) {
  const all = Array.from(input.files ?? []);
  const photos = all.filter(isPhoto).map((file) => ({ file, name: file.webkitRelativePath || file.name }));
  input.value = ""; // the same files may be chosen again
  return sorted(photos, all.length);
}

/** What a drop holds; the entries must be taken before the event ends. */
export async function fromDrop(transfer) {
  const entries = Array.from(transfer.items ?? [])
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  /** @type {Named[]} */
  const all = [];
  for (const entry of entries.filter(Boolean)) await walk(entry, all);
  return sorted(all.filter(({ file }) => isPhoto(file)), all.length);
}

async function walk(entry, all) {
  if (entry instanceof File) {
    all.push({ file: entry, name: entry.name });
  } else if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) all.push({ file, name: entry.fullPath.replace(/^\//, "") });
  } else if (entry.isDirectory) {
    const reader = entry.createReader();
    for (;;) {
      // A reader gives some hundred entries at a time, and none at the end.
      const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
      if (some.length === 0) break;
      for (const inner of some) await walk(inner, all);
    }
  }
}

function sorted(photos, total) {
  const names = new Intl.Collator(undefined, { numeric: true });
  return { photos: photos.sort((a, b) => names.compare(a.name, b.name)), left: total - photos.length };
}

/**
 * Take what is dropped anywhere on the page.
 * @param {HTMLElement} veil Shown while files are held over it.
 * @param {(found: Awaited<ReturnType<typeof fromDrop>>) => void} take
 */
export function onDrop(veil, take) {
  let depth = 0;
  const dragsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (dragsFiles(event)) veil.hidden = ++depth === 0;
  });
  addEventListener("dragleave", (event) => {
    if (dragsFiles(event)) veil.hidden = (depth = Math.max(0, depth - 1)) === 0;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    take(await fromDrop(event.dataTransfer));
  });
}
