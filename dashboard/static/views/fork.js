// Fork: "what if ..." from a position of the log. Where the lab's home is next to the server, a button starts one;
// everywhere the page writes the same as commands.

import { fill, h } from "../parts/dom.js";
import { experimentName, shortItem } from "../parts/entries.js";
import { commandList, quoted } from "../parts/commands.js";
import { runsHere, forkList } from "../parts/forks.js";
import { count, figure, plural } from "../parts/words.js";
import { signInForm } from "./talk.js";

const CHANGES = { say: "a message", veto: "a veto", restore: "a restoration", nothing: "nothing" };

const MODELS = { "": "as in the log", settings: "those of the lab's settings", none: "none" };

const number = (text) => (text === "" ? null : Number(text));

export class ForkView {
  title = "What if …";
  kind = "say";
  change = "";
  target = "";
  from = "";
  home = "";
  experiments = "";
  policy = "";
  seed = "";
  models = "";

  constructor(store) { this.store = store; }

  get at() { return this.store.at || this.store.last; }
  get host() { return this.store.vitals.forks; }

  // What is different in the fork, as a person would say it; empty for nothing.
  get text() {
    if (this.kind === "nothing") return "";
    return this.kind === "say" ? this.change.trim() : this.target.trim() && `${this.kind} ${this.target.trim()}`;
  }

  mount(main) {
    const part = (name) => h("div", { class: "part", data: { part: name } });
    const card = (label, size, ...content) => h("section", { class: `card ${size}`, "aria-label": label }, h("header", {}, h("h2", {}, label)), ...content);
    [this.then, this.starter, this.commands, this.forks] = ["then", "start", "commands", "forks"].map(part);
    this.caption = h("p", {});
    this.folded = null;
    this.listed = card("Forks of this lab", "s12", this.forks);
    fill(main, h("div", { class: "title" }, h("h1", {}, this.title), this.caption), h("div", { class: "grid" },
      card("What was known", "s5", this.then), card("The fork", "s7", this.#form(), this.starter, this.commands), this.listed));
    this.#then();
    this.#start();
    this.#commands();
    this.#list();
  }

  update(what) {
    if (what === "rows" || what === "at") { this.#then(); this.#commands(); }
    if (what === "session") { this.#start(); this.#list(); }
    if (what === "vitals") this.#list();
  }

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
    const field = (label, name, options = {}) => h("label", { class: "field" }, label,
      h("input", { ...options, value: this[name], on: { input: (event) => { this[name] = event.target.value; this.#commands(); } } }));
    const kind = h("select", {}, Object.entries(CHANGES).map(([value, words]) => h("option", { value }, words)));
    const change = field("What to tell the lab there", "change", { placeholder: "use the delta rule with a short convolution", maxlength: 2000 });
    const target = field("Experiment", "target", { placeholder: "e0042" });
    const show = () => { [change.hidden, target.hidden] = [this.kind !== "say", !["veto", "restore"].includes(this.kind)]; };
    kind.value = this.kind;
    kind.addEventListener("change", () => { this.kind = kind.value; show(); this.#commands(); });
    show();
    return h("div", { class: "compose" }, h("div", { class: "row" }, h("label", { class: "field" }, "What is different", kind), target,
      field("Experiments", "experiments", { type: "number", min: 0, placeholder: "as in the log" })), change,
    h("div", { class: "row" }, this.host?.policies ? this.#choice("Search policy", "policy", { "": "as in the log", ...Object.fromEntries(this.host.policies.map((name) => [name, name])) }) : field("Search policy", "policy", { placeholder: "as in the log" }),
      field("Seed of the search", "seed", { type: "number", min: 0, placeholder: "as in the log" }), this.#choice("Language models", "models", MODELS)));
  }

  #choice(label, name, options) {
    const choice = h("select", {}, Object.entries(options).map(([value, words]) => h("option", { value }, words)));
    choice.value = this[name];
    choice.addEventListener("change", () => { this[name] = choice.value; this.#commands(); });
    return h("label", { class: "field" }, label, choice);
  }

  // The button that starts the fork, or what it needs.
  #start() {
    const { store, host } = this;
    if (!runsHere(store)) { fill(this.starter, h("p", { class: "note" }, store.source.live ? "This page starts no forks: the lab's home is not next to it, or its settings allow none. The commands do the same." : "")); return; }
    if (!store.session.person) { fill(this.starter, h("details", {}, h("summary", {}, "Sign in to start it here"), signInForm(store, { heading: "Sign in to start a fork" }))); return; }
    const outcome = h("span", { role: "status" }), button = h("button", { class: "primary" }, "Start the fork");
    button.addEventListener("click", async () => {
      if (["veto", "restore"].includes(this.kind) && !this.text) { fill(outcome, h("span", { class: "chip bad" }, "name an experiment")); return; }
      button.disabled = true;
      try {
        const { name } = await store.source.startFork({ at: this.at, text: this.text, experiments: number(this.experiments), policy: this.policy.trim() || null, seed: number(this.seed), models: this.models || null });
        fill(outcome, `${name} has started`);
        await store.refresh("vitals");
      } catch (error) { fill(outcome, h("span", { class: "chip bad" }, error.message)); }
      button.disabled = false;
    });
    fill(this.starter, h("div", { class: "compose" }, h("div", { class: "row" }, button, outcome),
      h("p", { class: "note" }, `It runs on the lab's machine, ${plural(host.at_once, "fork")} at once at most, and keeps running if this page or its server ends. It trains as the lab does, and asks models up to the campaign's limits once more.`)));
  }

  #list() {
    const shown = JSON.stringify([this.host?.forks, this.store.session.person]);
    this.listed.hidden = !this.host?.forks.length;
    if (this.shown === shown && this.forks.isConnected && this.forks.childElementCount) return; // a redraw would take the focus away
    this.shown = shown;
    fill(this.forks, this.host ? forkList(this.store) : null);
  }

  // The commands with what each does.
  get lines() {
    const { store, at, host } = this;
    const log = quoted(this.from || host?.home || (store.source.live ? ".move37" : "campaign.jsonl")), home = quoted(this.home || "whatif");
    const change = this.text ? ` --say=${quoted(this.text)}` : "", budget = this.experiments === "" ? "" : ` --experiments ${Number(this.experiments)}`;
    const policy = this.policy.trim() ? ` --policy ${quoted(this.policy.trim())}` : "", steering = policy + (this.seed === "" ? "" : ` --seed ${Number(this.seed)}`) + (this.models && ` --models ${this.models}`);
    return [
      ["Start a home that holds the log up to here, with the change, and let it continue", `move37 fork ${log} --at ${at} --home ${home}${steering}${change} --run${budget}`],
      ["See what the change did", `move37 compare ${log} ${home}`],
    ];
  }

  #commands() {
    const field = (label, name, placeholder) => h("label", { class: "field" }, label, h("input", { value: this[name], placeholder, on: { input: (event) => { this[name] = event.target.value; this.#commands(); } } }));
    const place = h("div", {}), list = () => fill(place, commandList(this.lines));
    list();
    if (this.folded) { fill(this.folded, place); return; }
    this.folded = h("div", {}, place);
    fill(this.commands, h("details", { open: !runsHere(this.store) }, h("summary", {}, "The same as commands"), h("div", { class: "compose" },
      h("div", { class: "row" }, field("The log or the home to fork", "from", this.host?.home ?? (this.store.source.live ? ".move37" : "campaign.jsonl")), field("Home of the fork", "home", "whatif")), this.folded),
      h("p", { class: "note" }, "Decisions that were made stay made, and no run of the past is trained again. One fork is one draw: compare several pairs, from several seeds or positions, before you call a change better.")));
  }
}
