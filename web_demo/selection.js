/** The photos a person has chosen, and what can be done with them. */

const $ = (id) => document.getElementById(id);

/** Photos can be copied into a folder where the browser can write into one. */
export const canSave = () => typeof window.showDirectoryPicker === "function";

export class Selection {
  /** @type {Set<number>} */
  ids = new Set();

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  /** @param {number} id @param {boolean} on */
  set(id, on) {
    if (on) this.ids.add(id);
    else this.ids.delete(id);
    this.show();
  }

  /** Choose these and no others. @param {Iterable<number>} ids */
  only(ids) {
    this.ids = new Set(ids);
    this.show();
  }

  /** @param {import("./library.js").Item[]} items Those that are left. */
  keep(items) {
    const there = new Set(items.map((item) => item.id));
    const kept = [...this.ids].filter((id) => there.has(id));
    if (kept.length !== this.ids.size) this.only(kept);
  }

  show() {
    const { size } = this.ids;
    $("selection").hidden = size === 0;
    $("selection-words").textContent = `${size} chosen`;
    $("compare").disabled = size !== 2;
    $("compare").textContent = size === 2 ? "Compare the two" : "Compare: choose two";
    $("save-copies").hidden = !canSave();
    this.changed();
  }
}

/**
 * Copy photos into a folder that the person picks; what lies there under a name is never replaced.
 * @param {import("./library.js").Item[]} items Those of an earlier visit, whose files are not there, are left out.
 * @returns {Promise<{folder: string, count: number, left: number}>}
 */
export async function saveCopies(items) {
  const folder = await window.showDirectoryPicker({ mode: "readwrite", id: "ralikit-keepers" });
  const taken = new Set();
  for await (const name of folder.keys()) taken.add(name.toLowerCase());
  const there = items.filter((item) => item.file);
  for (const item of there) {
    const name = freeName(item.name, taken);
    taken.add(name.toLowerCase());
    const file = await folder.getFileHandle(name, { create: true });
    const stream = await file.createWritable(); // appears under its name when it is whole
    try {
      await stream.write(item.file);
    } catch (error) {
      await stream.abort();
      await folder.removeEntry(name);
      throw error;
    }
    await stream.close();
  }
  return { folder: folder.name, count: there.length, left: items.length - there.length };
}

/**
 * A name that is not taken: "a.jpg", then "a (2).jpg". Folders of the photo's own are left out.
 * @param {string} name
 * @param {Set<string>} taken Lower case.
 */
export function freeName(name, taken) {
  const last = name.split(/[/\\]/).at(-1);
  const dot = last.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [last.slice(0, dot), last.slice(dot)] : [last, ""];
  let free = last;
  for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${stem} (${n})${ending}`;
  return free;
}
