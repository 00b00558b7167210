/** The ranked cards. Only a window of them exists at once, and it grows as one scrolls. */

const STEP = 80;

/** @param {string} tag @param {Record<string, any>} properties @param {...(Node | string)} children */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export class Gallery {
  /** @type {Map<number, HTMLLIElement>} */
  #cards = new Map();
  /** @type {WeakMap<Blob, string>} */
  #urls = new WeakMap();
  #shown = STEP;
  /** @type {import("./library.js").Item[]} */
  order = [];

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} end Comes into view when one has scrolled to the end.
   * @param {{open: (id: number) => void, choose: (id: number, on: boolean) => void}} actions
   */
  constructor(list, end, actions) {
    this.list = list;
    this.actions = actions;
    this.ranks = new Map();
    this.scale = null;
    this.scenes = new Map();
    this.chosen = new Set();
    new IntersectionObserver((entries) => {
      if (entries.some((e) => e.isIntersecting) && this.#shown < this.order.length) {
        this.#shown += STEP;
        this.#place();
      }
    }, { rootMargin: "800px" }).observe(end);
  }

  /**
   * @param {import("./library.js").Item[]} order
   * @param {Map<number, {place: number, tied: boolean, label: string}>} ranks
   * @param {import("./scale.js").ScoreScale} scale
   * @param {Map<number, string>} scenes What each is in its scene, in words.
   * @param {Set<number>} chosen
   */
  show(order, ranks, scale, scenes, chosen) {
    this.order = order;
    this.ranks = ranks;
    this.scale = scale;
    this.scenes = scenes;
    this.chosen = chosen;
    this.#place();
  }

  /**
   * Mark these photos as chosen, at once: a box that still shows the last choice would be clicked the wrong way.
   * @param {Set<number>} chosen
   */
  mark(chosen) {
    this.chosen = chosen;
    for (const [id, card] of this.#cards) card.querySelector("input").checked = chosen.has(id);
  }

  /** Start again from the top, e.g. after another order was chosen. */
  rewind() {
    this.#shown = STEP;
  }

  #place() {
    const visible = this.order.slice(0, this.#shown);
    const wanted = new Set(visible.map((item) => item.id));
    for (const [id, card] of this.#cards) if (!wanted.has(id)) this.#drop(id, card);
    let at = this.list.firstElementChild;
    for (const item of visible) {
      const card = this.#cards.get(item.id) ?? this.#make(item);
      this.#update(card, item);
      if (card === at) at = at.nextElementSibling;
      else this.list.insertBefore(card, at); // cards in place are not touched: focus stays
    }
  }

  /** @param {number} id @param {HTMLLIElement} card */
  #drop(id, card) {
    const url = card.querySelector("img")?.src;
    card.remove();
    this.#cards.delete(id);
    if (url) URL.revokeObjectURL(url);
  }

  /** @param {import("./library.js").Item} item */
  #make(item) {
    const image = element("img", { className: "thumb", alt: "", decoding: "async", loading: "lazy" });
    const box = element("input", { type: "checkbox", title: "Choose" });
    box.setAttribute("aria-label", `Choose ${item.name}`);
    box.onchange = () => this.actions.choose(item.id, box.checked);
    // The button is called by what it shows; the words between are for those who do not see it.
    const spoken = (name) => element("span", { className: `spoken before-${name}` });
    const open = element(
      "button", { className: "open", onclick: () => this.actions.open(item.id) },
      image, spoken("score"),
      element(
        "span", { className: "caption" },
        element("span", { className: "score-line" }, element("span", { className: "score" }), spoken("word"), element("span", { className: "word" })),
        element("span", { className: "bar" }, element("i")),
        ...["reasons", "scene"].flatMap((name) => [spoken(name), element("span", { className: name })]),
        spoken("name"), element("span", { className: "name", textContent: item.name, title: item.name }),
      ),
    );
    const rank = element("span", { className: "rank" });
    rank.setAttribute("aria-hidden", "true"); // the button says it
    const card = element("li", { className: "card" }, open, rank, element("label", { className: "chosen" }, box));
    card.dataset.id = String(item.id);
    this.#cards.set(item.id, card);
    return card;
  }

  /** @param {HTMLLIElement} card @param {import("./library.js").Item} item */
  #update(card, item) {
    const { place, tied, label } = this.ranks.get(item.id);
    const scene = this.scenes.get(item.id) ?? "";
    card.querySelector("input").checked = this.chosen.has(item.id);
    const key = `${label} ${item.score} ${scene}`;
    if (card.dataset.key === key) return;
    card.dataset.key = key;
    card.dataset.score = String(item.score);
    const image = card.querySelector("img");
    if (item.thumbnail && this.#urls.get(item.thumbnail) !== image.src) {
      if (image.src) URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(item.thumbnail);
      this.#urls.set(item.thumbnail, image.src);
    }
    const set = (name, words) => (card.querySelector(`.${name}`).textContent = words);
    const word = this.scale.word(item.score);
    const reasons = (item.reasons ?? []).map((r) => r.words).join(", ");
    set("rank", label);
    set("before-score", `Rank ${place}${tied ? ", shared" : ""}: `);
    set("score", this.scale.text(item.score));
    for (const [name, words] of Object.entries({ word, reasons, scene })) {
      set(name, words);
      set(`before-${name}`, words && (name === "word" ? ` of ${this.scale.maximum}, ` : ", "));
    }
    set("before-name", ", ");
    card.querySelector(".bar i").style.setProperty("--q", this.scale.share(item.score).toFixed(3));
  }
}
