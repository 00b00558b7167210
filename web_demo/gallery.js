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
   * @param {{open: (id: number) => void, choose: (id: number, on: boolean) => boolean}} actions
   */
  constructor(list, end, actions) {
    this.list = list;
    this.actions = actions;
    this.ranks = new Map();
    this.scale = null;
    new IntersectionObserver((entries) => {
      if (entries.some((e) => e.isIntersecting) && this.#shown < this.order.length) {
        this.#shown += STEP;
        this.#place();
      }
    }, { rootMargin: "800px" }).observe(end);
  }

  /**
   * @param {import("./library.js").Item[]} order
   * @param {Map<number, number>} ranks
   * @param {import("./scale.js").ScoreScale} scale
   */
  show(order, ranks, scale) {
    this.order = order;
    this.ranks = ranks;
    this.scale = scale;
    this.#place();
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
    const box = element("input", { type: "checkbox", title: "Choose to compare" });
    box.setAttribute("aria-label", `Compare ${item.name}`);
    box.onchange = () => (box.checked = this.actions.choose(item.id, box.checked));
    const open = element(
      "button", { className: "open", onclick: () => this.actions.open(item.id) },
      image,
      element(
        "span", { className: "caption" },
        element("span", { className: "score-line" }, element("span", { className: "score" }), element("span", { className: "word" })),
        element("span", { className: "bar" }, element("i")),
        element("span", { className: "reasons" }),
        element("span", { className: "name", textContent: item.name, title: item.name }),
      ),
    );
    const card = element("li", { className: "card" }, open, element("span", { className: "rank" }), element("label", { className: "chosen" }, box));
    card.dataset.id = String(item.id);
    this.#cards.set(item.id, card);
    return card;
  }

  /** @param {HTMLLIElement} card @param {import("./library.js").Item} item */
  #update(card, item) {
    const rank = String(this.ranks.get(item.id));
    const key = `${rank} ${item.score}`;
    if (card.dataset.key === key) return;
    card.dataset.key = key;
    card.dataset.score = String(item.score);
    const image = card.querySelector("img");
    if (item.thumbnail && this.#urls.get(item.thumbnail) !== image.src) {
      if (image.src) URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(item.thumbnail);
      this.#urls.set(item.thumbnail, image.src);
    }
    card.querySelector(".rank").textContent = rank;
    card.querySelector(".score").textContent = this.scale.text(item.score);
    card.querySelector(".word").textContent = this.scale.word(item.score);
    const reasons = (item.reasons ?? []).map((r) => r.words).join(", ");
    card.querySelector(".reasons").textContent = reasons;
    card.querySelector(".bar i").style.setProperty("--q", this.scale.share(item.score).toFixed(3));
    card.querySelector(".open").setAttribute("aria-label", `Rank ${rank}: ${item.name}, score ${this.scale.spoken(item.score)}${reasons && `, ${reasons}`}. Open`);
  }

  /** @param {number[]} ids */
  check(ids) {
    for (const [id, card] of this.#cards) card.querySelector("input").checked = ids.includes(id);
  }
}
