// The scrubber: every view as of any event of the log. Space plays, arrow keys step.

import { announce, fill, h, newest } from "./dom.js";
import { count } from "./words.js";

const PLAY_MS = 350;
const PLAY_STEPS = 120;

export class Scrubber {
  constructor(store, footer) {
    this.store = store;
    this.range = h("input", { type: "range", min: 1, max: 1, value: 1, "aria-label": "Position in the log", on: { input: (event) => this.#seek(Number(event.target.value)) } });
    this.where = h("span", { class: "where" });
    this.play = h("button", { "aria-label": "Play the history", on: { click: () => this.#playing() } }, "▶");
    this.now = h("button", { on: { click: () => { this.#stop(); this.#seek(0); } } }, "now");
    this.fork = h("a", { class: "button", href: "#/fork" }, "what if …");
    fill(footer, this.play, this.range, this.where, this.fork, this.now);
    this.footer = footer;
    this.#seek = newest((at) => this.#go(at));
    store.addEventListener("change", ({ detail }) => { if (detail === "rows" || detail === "log" || detail === "at") this.draw(); });
    this.draw();
  }

  #seek = () => {};

  draw() {
    const { store } = this;
    this.range.max = Math.max(1, store.last);
    this.range.value = store.at || store.last;
    this.range.setAttribute("aria-valuetext", store.past ? `position ${store.at} of ${store.last}` : "now");
    const aside = (words) => h("span", {}, words); // left out where there is little room
    fill(this.where, aside(store.past ? "as of position " : "now · position "), count(store.at || store.last), store.past ? aside(` of ${count(store.last)}`) : null);
    this.footer.classList.toggle("past", store.past);
    this.now.disabled = !store.past;
    this.fork.href = store.past ? `#/fork?at=${store.at}` : "#/fork";
  }

  async #go(at) {
    const { store } = this;
    await store.travel(at);
    store.changed("at");
    announce(store.past ? `As of position ${store.at}` : "Now");
    const [path, text = ""] = location.hash.split("?"), query = new URLSearchParams(text);
    if (store.past) query.set("at", store.at); else query.delete("at");
    history.replaceState(null, "", `${path || "#/now"}${query.size ? `?${query}` : ""}`);
  }

  #stop() {
    clearInterval(this.timer);
    this.timer = null;
    fill(this.play, "▶");
    this.play.setAttribute("aria-label", "Play the history");
  }

  #playing() {
    if (this.timer) { this.#stop(); return; }
    const step = Math.max(1, Math.round(this.store.last / PLAY_STEPS));
    let at = this.store.past ? this.store.at : 1;
    fill(this.play, "❚❚");
    this.play.setAttribute("aria-label", "Pause");
    this.timer = setInterval(() => {
      this.#seek(at);
      at += step;
      if (at > this.store.last) { this.#stop(); this.#seek(0); }
    }, PLAY_MS);
  }
}
