// Log: every event, newest first; filter expressions and text search; jumps to causes and effects.

import { fill, h, newest, throttled } from "../parts/dom.js";
import { item } from "../parts/entries.js";
import { count } from "../parts/words.js";

const PAGE_ENTRIES = 100;
const MAX_ENTRIES = 500; // the server's page
const HINTS = [["failures", "type:CodeFailed,RunFailed,RunAnomaly,ProposalRejected"], ["people", "type:HumanMessage,HumanAnswered"], ["scores", "type:AnalysisReady"], ["pool", "type:PoolUpdated"], ["director", "role:director"]];

export class LogView {
  title = "Log";

  constructor(store) { this.store = store; }

  mount(main, { query }) {
    this.filter = query.get("filter") ?? "";
    this.known = new Set();
    this.input = h("input", { type: "search", "aria-label": "Filter the log", placeholder: 'type:RunFailed experiment:e0004 -role:memory "text"', value: this.filter, on: { input: (event) => this.#change(event.target.value) } });
    this.caption = h("p", {});
    this.list = h("ol", { class: "log", "aria-label": "Events, newest first" });
    this.more = h("button", { on: { click: () => this.#older() } }, "Older events");
    fill(main, h("div", { class: "title" }, h("h1", {}, "Log"), this.caption, h("div", { class: "tools search" }, this.input)),
      h("p", { class: "tools" }, HINTS.map(([words, filter]) => h("button", { class: "plain", on: { click: () => { this.input.value = filter; this.#change(filter); } } }, words)), h("button", { class: "plain", on: { click: () => { this.input.value = ""; this.#change(""); } } }, "everything")),
      h("section", { class: "card", "aria-label": "Events" }, this.list, h("div", { class: "pager" }, this.more)));
    this.search = newest(() => this.#newest(true));
    this.refresh = throttled(() => this.#newest(), 600);
    this.search();
  }

  update(what) { if (what === "log" || what === "at") this.refresh(); }

  #change(filter) {
    this.filter = filter;
    history.replaceState(null, "", `#/log${filter ? `?filter=${encodeURIComponent(filter)}` : ""}`);
    this.search();
  }

  async #ask(options) {
    try {
      return await this.store.source.log({ filter: this.filter, limit: PAGE_ENTRIES, at: this.store.at, ...options });
    } catch (error) {
      fill(this.caption, h("span", { class: "chip bad" }, error.message));
      return null;
    }
  }

  async #newest(again = false) {
    if (!again && this.list.querySelector('[aria-expanded="true"]') && !this.store.past) return; // an open event stays in place
    const { filter } = this, { at } = this.store, shown = again ? 0 : this.list.childElementCount;
    if (shown > MAX_ENTRIES) return; // somebody reads far back
    const reply = await this.#ask({ limit: Math.max(PAGE_ENTRIES, shown) });
    if (!reply || filter !== this.filter || at !== this.store.at) return;
    const fresh = (entry) => !again && this.known.size && !this.known.has(entry.id);
    fill(this.list, reply.entries.map((entry) => item(this.store, entry, { fresh: fresh(entry) })));
    this.known = new Set(reply.entries.map((entry) => entry.id));
    this.#count(reply);
  }

  async #older() {
    const { filter } = this, { at } = this.store, last = this.list.lastElementChild;
    this.more.disabled = true;
    const reply = last && await this.#ask({ before: Number(last.dataset.seq) });
    this.more.disabled = false;
    if (!reply || filter !== this.filter || at !== this.store.at || last !== this.list.lastElementChild) return;
    this.list.append(...reply.entries.map((entry) => item(this.store, entry)));
    this.#count(reply);
  }

  #count({ total }) {
    const shown = this.list.childElementCount;
    fill(this.caption, total ? `${count(shown)} of ${count(total)} events` : "no event matches");
    this.list.dataset.total = total;
    this.more.hidden = shown >= total;
  }
}
