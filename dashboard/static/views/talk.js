// Talk: what people said, what the lab answered and what each message changed; and words of one's own.

import { announce, fill, h, newest, throttled } from "../parts/dom.js";
import { code } from "../parts/highlight.js";
import { count, plural, timeElement } from "../parts/words.js";

const SHOWN = 60;
const ASK_MS = 2000;
const EFFECTS = 6;
const KINDS = { "": "say", veto: "veto an experiment", restore: "restore an experiment", withdraw: "withdraw guidance", budget: "set the budget" };
const NEEDS_TARGET = new Set(["veto", "restore"]);
const SAMPLE = `"""What it does, in one line."""

import torch
from torch import Tensor, nn

from kernels import linear_recurrence


class Mixer(nn.Module):
    """Token mixer: [B, T, D] to [B, T, D], causal in time."""

    def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:
        super().__init__()
`;

export class TalkView {
  title = "Talk";
  draft = SAMPLE;

  constructor(store) { this.store = store; }

  mount(main) {
    this.list = h("ol", { class: "talk", "aria-label": "Messages" });
    this.guidance = h("div", {});
    this.voice = h("div", { class: "part", data: { part: "voice" } });
    fill(main, h("div", { class: "title" }, h("h1", {}, "Talk"), h("p", {}, "Words of people steer the next proposals. Everybody reads them.")), h("div", { class: "grid" },
      h("section", { class: "card s7", "aria-label": "Messages" }, this.list), h("div", { class: "s5 sections" }, h("section", { class: "card" }, h("header", {}, h("h2", {}, "Guidance in force")), this.guidance), h("section", { class: "card", "aria-label": "Speak" }, this.voice))));
    const ask = newest(() => this.#messages());
    this.refresh = throttled(() => ask().catch(() => {}), ASK_MS);
    this.#messages();
    this.#guidance();
    this.#speak();
  }

  update(what) {
    if (what === "log" || what === "at") this.refresh();
    if (what === "standing") this.#guidance();
    if (what === "session" || what === "at") this.#speak();
    if (what === "rows") this.#hold();
  }

  #guidance() {
    const { guidance } = this.store.standing;
    fill(this.guidance, this.store.past ? h("p", { class: "quiet" }, "Shown for now only.") : guidance.length ? h("ul", {}, guidance.map((text) => h("li", {}, text))) : h("p", { class: "quiet" }, "None."));
  }

  async #messages() {
    const { store } = this;
    const { entries } = await store.source.log({ filter: "type:HumanMessage,HumanAnswered,CampaignPaused,CampaignResumed", limit: SHOWN, at: store.at });
    const whole = await Promise.all(entries.map((entry) => store.event(entry.id).then((reply) => ({ entry, ...reply }), () => null)));
    fill(this.list, whole.filter(Boolean).map((each) => this.#said(each)), whole.length ? null : h("li", { class: "empty" }, "Nobody has said anything yet."));
  }

  #said({ entry, event, effects }) {
    const { data } = event, person = entry.type === "HumanMessage", jump = (each) => h("a", { href: `#/log?filter=${encodeURIComponent(`id:${each.id}`)}` }, `${each.type} ${each.experiment}`);
    const text = person ? [data.kind === "steer" ? "" : `${data.kind} ${data.target ?? ""} `, data.text] : data.answer ?? entry.text;
    return h("li", { class: `said ${person ? "person" : "lab"}`, data: { seq: entry.seq, type: entry.type } }, h("header", {}, h("strong", {}, person ? data.by + (data.signature && data.signature !== data.by ? `, signed ${data.signature}` : "") : entry.role), timeElement(entry.time), h("span", {}, person ? data.kind : "")),
      h("p", {}, text), data.source ? h("details", {}, h("summary", {}, "the proposed source"), code(data.source)) : null,
      person ? h("div", { class: "effects" }, this.#outcome(data, effects, jump)) : null);
  }

  // What followed from a message, the first few of many.
  #outcome(data, effects, jump) {
    const row = this.store.rows.get(data.target);
    const changed = row ? [row.id, row.vetoed ? " is vetoed" : " is in the pool"].join("") : null;
    const more = effects.length - EFFECTS;
    const words = [changed, effects.length ? "led to" : changed ? null : "nothing has followed yet"].filter(Boolean);
    return [words.map((each) => h("span", {}, each)), effects.slice(0, EFFECTS).map(jump), more > 0 ? `and ${count(more)} more` : null];
  }

  #speak() {
    const { store } = this, { session } = store;
    if (!store.source.live) { fill(this.voice, h("p", { class: "quiet" }, "This is an exported log. Nobody listens.")); return; }
    if (store.past) { fill(this.voice, h("p", { class: "quiet" }, "Return to now to speak.")); return; }
    fill(this.voice, session.person ? this.#composer(session.person) : signInForm(store));
  }

  #composer(person) {
    const { store } = this;
    const kind = h("select", { id: "kind", "aria-label": "What to say" }, Object.entries(KINDS).map(([value, words]) => h("option", { value }, words)));
    const target = h("input", { "aria-label": "Experiment", placeholder: "e0042", hidden: true, size: 10 });
    const text = h("textarea", { rows: 3, "aria-label": "Message", placeholder: "try the delta rule with a short convolution" });
    kind.addEventListener("change", () => { target.hidden = !NEEDS_TARGET.has(kind.value); text.placeholder = kind.value === "budget" ? "number of experiments" : ""; });
    this.outcome = h("p", { role: "status" });
    const send = () => this.#send({ kind: kind.value, text: text.value.trim(), target: target.hidden ? "" : target.value.trim() }, () => { text.value = ""; });
    text.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(); });
    this.holding = h("span", {});
    this.#hold();
    return h("div", { class: "compose" }, h("p", { class: "quiet" }, `You speak as ${person}. `, h("button", { class: "plain", on: { click: async () => { await store.source.signOut(); await store.refresh("session"); } } }, "Sign out")),
      text, h("div", { class: "row" }, kind, target, h("button", { class: "primary", on: { click: send } }, "Send")),
      h("div", { class: "row" }, this.holding, this.#stopper()),
      this.outcome, this.#editor());
  }

  // Shows the button that pauses a campaign, or lets a paused one continue.
  #hold() {
    if (!this.holding) return;
    const kind = this.store.campaign.state === "paused" ? "resume" : "pause";
    if (this.holding.dataset.kind === kind) return; // a redraw would take the focus away
    this.holding.dataset.kind = kind;
    fill(this.holding, h("button", { on: { click: () => this.#send({ kind }) } }, kind === "resume" ? "Resume" : "Pause"));
  }

  // A campaign that was stopped does not continue, so the first click only asks.
  #stopper() {
    const button = h("button", { class: "danger" }, "Stop the campaign");
    let sure = false;
    const ask = (again) => { sure = again; fill(button, again ? "Stop it for good?" : "Stop the campaign"); };
    button.addEventListener("click", () => { if (sure) this.#send({ kind: "stop", text: "enough" }); ask(!sure); });
    button.addEventListener("blur", () => ask(false));
    return button;
  }

  #editor() {
    const source = h("textarea", { class: "editor", spellcheck: "false", "aria-label": "Source of an architecture", on: { input: (event) => { this.draft = event.target.value; } } });
    source.value = this.draft;
    const reason = h("input", { "aria-label": "Reason", placeholder: "why it should work" });
    const verdict = h("div", { class: "verdict", role: "status" });
    const check = async (event) => {
      event.target.disabled = true;
      fill(verdict, "checking in the sandbox …");
      try {
        const result = await this.store.source.check(source.value);
        const passed = result.verdict === "passed";
        fill(verdict, h("p", { class: passed ? "chip good" : "error" }, `${result.verdict}${result.stage && !passed ? ` at ${result.stage}` : ""}`), `\n${typeof result.evidence === "string" ? result.evidence : JSON.stringify(result.evidence, null, 1)}`);
      } catch (error) { fill(verdict, h("p", { class: "error" }, error.message)); }
      event.target.disabled = false;
    };
    return h("details", {}, h("summary", {}, "Propose an architecture"), h("div", { class: "compose" }, source, h("div", { class: "row" }, reason, h("button", { on: { click: check } }, "Check"),
      h("button", { class: "primary", on: { click: () => this.#send({ kind: "propose", text: reason.value || "proposed from the dashboard", source: source.value }) } }, "Propose")), verdict));
  }

  async #send(words, done = () => {}) {
    try {
      const { subject } = await this.store.source.say(words);
      fill(this.outcome, `sent on ${subject}`);
      announce(plural(1, "message sent", ""));
      done();
    } catch (error) { fill(this.outcome, h("span", { class: "chip bad" }, error.message)); }
  }
}

// A form that signs in with a person's key or, to look only, with the server's token.
export function signInForm(store, { token = false, heading = token ? "Sign in to look" : "Sign in to speak" } = {}) {
  const person = h("input", { "aria-label": "Name on the key", placeholder: "empty for the owner", autocomplete: "username" });
  const key = h("input", { type: "password", "aria-label": "Key", placeholder: "SU…", autocomplete: "current-password" });
  const secret = token ? h("input", { type: "password", "aria-label": "Token", placeholder: "token", autocomplete: "off" }) : null;
  const outcome = h("p", { role: "status" });
  const submit = async () => {
    try {
      await store.source.signIn(secret?.value ? { token: secret.value } : { person: person.value.trim(), key: key.value });
      await store.refresh("session");
    } catch (error) { fill(outcome, h("span", { class: "chip bad" }, error.message)); }
  };
  return h("form", { class: "compose", on: { submit: (event) => { event.preventDefault(); submit(); } } }, h("h2", {}, heading),
    h("p", { class: "quiet" }, "Your key is the one line in ", h("code", {}, "HOME/keys/human.nk"), " or ", h("code", {}, "person.NAME.nk"), ". The lab's server checks it; this page forgets it when you sign out."),
    secret ? h("div", { class: "field" }, h("label", {}, "Token of the server"), secret) : null, h("div", { class: "field" }, h("label", {}, "Name"), person), h("div", { class: "field" }, h("label", {}, "Key"), key),
    h("div", { class: "row" }, h("button", { class: "primary", type: "submit" }, "Sign in")), outcome);
}
