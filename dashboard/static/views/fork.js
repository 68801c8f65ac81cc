// Fork: "what if ..." from a position of the log. A fork is a home of its own, so this page writes the commands that make
// one and starts nothing.

import { announce, fill, h } from "../parts/dom.js";
import { experimentName, shortItem } from "../parts/entries.js";
import { count, figure, plural } from "../parts/words.js";

const SAFE = /^[\w@%+=:,./~-]+$/;

// Returns a word as a shell reads it: quoted if it holds more than plain characters.
export const quoted = (text) => (SAFE.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export class ForkView {
  title = "What if …";
  change = "";
  home = "whatif";
  experiments = null;

  constructor(store) {
    this.store = store;
    this.from = store.source.live ? ".move37" : "campaign.jsonl";
  }

  get at() { return this.store.at || this.store.last; }

  mount(main) {
    this.then = h("div", { class: "part", data: { part: "then" } });
    this.commands = h("div", { class: "part", data: { part: "commands" } });
    this.caption = h("p", {});
    fill(main, h("div", { class: "title" }, h("h1", {}, this.title), this.caption), h("div", { class: "grid" },
      h("section", { class: "card s5", "aria-label": "What was known" }, h("header", {}, h("h2", {}, "What was known")), this.then),
      h("section", { class: "card s7", "aria-label": "The fork" }, h("header", {}, h("h2", {}, "The fork")), this.#form(), this.commands)));
    this.update("rows");
  }

  update(what) { if (what === "rows" || what === "at") { this.#then(); this.#commands(); } }

  async #then() {
    const { store, at } = this, { best } = store.ranking;
    const open = store.experiments.filter((row) => row.status && !row.ended);
    fill(this.caption, `as of position ${count(at)} of ${count(store.last)}; the scrubber chooses another one`);
    const { entries } = await store.source.log({ limit: 3, at });
    if (at !== this.at) return;
    fill(this.then, h("dl", { class: "facts" },
      h("div", {}, h("dt", {}, "ended"), h("dd", {}, `${count(store.ended)} of ${count(store.total)}`)),
      h("div", {}, h("dt", {}, `best ${store.meritName}`), h("dd", {}, best ? [figure("merit", store.merit(best)), " ", experimentName(store, best.id)] : "none yet")),
      h("div", {}, h("dt", {}, "under way"), h("dd", {}, plural(open.length, "experiment", "experiments")))),
    h("h3", {}, "The last events that the fork keeps"), h("ol", { class: "log short" }, entries.map((entry) => shortItem(store, entry))));
  }

  #form() {
    const field = (label, name, options) => {
      const input = h("input", { ...options, value: this[name] ?? "", on: { input: (event) => { this[name] = event.target.value; this.#commands(); } } });
      return h("label", { class: "field" }, label, input);
    };
    return h("div", { class: "compose" }, field("What to tell the lab there", "change", { placeholder: "use the delta rule with a short convolution" }),
      h("div", { class: "row" }, field("The log or the home to fork", "from", {}), field("Home of the fork", "home", {}), field("Experiments", "experiments", { type: "number", min: 0, placeholder: this.store.campaign.budget ?? "" })));
  }

  // Returns the commands with what each does.
  get lines() {
    const { store, from, home, at } = this, place = quoted(home || "whatif"), log = quoted(from || ".move37");
    const isFile = /\.\w+$/.test(from) && !from.startsWith(".move37"), original = isFile ? log : "original.jsonl";
    return [
      ["Start a home that holds the log up to here", `move37 fork ${log} --at ${at} --home ${place}`],
      this.change.trim() ? ["Tell the lab there what to change", `move37 say ${quoted(this.change.trim())} --home ${place} --no-wait`] : null,
      ["Let it continue", `move37 run --home ${place} --experiments ${Number(this.experiments) || store.campaign.budget || 20}`],
      isFile ? null : ["Write both logs", `move37 export-log original.jsonl --home ${log}`],
      [isFile ? "Write its log" : "", `move37 export-log fork.jsonl --home ${place}`],
      ["See what the change did", `move37 compare ${original} fork.jsonl`],
    ].filter(Boolean);
  }

  #commands() {
    const text = this.lines.map(([, command]) => command).join("\n");
    const copy = h("button", { on: { click: async () => { await navigator.clipboard.writeText(text); announce("copied"); fill(copy, "copied"); } } }, "Copy");
    fill(this.commands, h("ol", { class: "commands" }, this.lines.map(([words, command]) => h("li", {}, words ? h("p", { class: "quiet" }, words) : null, h("code", {}, command)))),
      navigator.clipboard ? copy : null, h("p", { class: "note" }, "Decisions that were made stay made, and no run of the past is trained again. One fork is one draw: compare several pairs, from several seeds or positions, before you call a change better."));
  }
}
