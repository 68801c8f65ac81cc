// Entries of the log as list items: what happened, about what, and its cause and effects on demand.

import { clock, nameOf, timeElement } from "./words.js";
import { code } from "./highlight.js";
import { fill, h } from "./dom.js";

const BAD = new Set(["CodeFailed", "RunFailed", "RunAnomaly", "ProposalRejected", "DiscoveryRefuted"]);
const GOOD = new Set(["AnalysisReady", "RunCompleted", "DiscoveryConfirmed", "CampaignFinished"]);
const tone = (type) => (BAD.has(type) ? "bad" : GOOD.has(type) ? "good" : type.startsWith("Human") ? "person" : "");

const about = (store, id) => {
  const row = store.rows.get(id);
  return row && id !== "campaign" ? h("a", { href: `#/experiment/${encodeURIComponent(id)}`, title: row.name ?? id }, id) : h("span", { class: "quiet" }, id);
};

// Returns the list item of an entry; with `open`, a button shows the whole event.
export function item(store, entry, { open = true, fresh = false } = {}) {
  const element = h("li", { class: fresh ? "new" : null, data: { seq: entry.seq, id: entry.id } },
    h("span", { class: "seq" }, entry.seq), timeElement(entry.time),
    h("span", { class: "who mono" }, about(store, entry.experiment)),
    h("span", { class: `kind ${tone(entry.type)}` }, entry.type),
    h("span", { class: "what" }, entry.text === entry.type ? h("span", { class: "quiet" }, `from ${entry.role}`) : entry.text));
  if (open) element.append(opener(store, entry, element));
  return element;
}

function opener(store, entry, element) {
  const panel = h("div", { class: "event", hidden: true });
  const button = h("button", { "aria-expanded": "false", "aria-label": `open event ${entry.seq}` }, "open");
  button.addEventListener("click", async () => {
    const opening = panel.hidden;
    panel.hidden = !opening;
    button.setAttribute("aria-expanded", String(opening));
    fill(button, opening ? "close" : "open");
    button.setAttribute("aria-label", `${opening ? "close" : "open"} event ${entry.seq}`);
    if (opening && !panel.childElementCount) fill(panel, await whole(store, entry));
    if (opening) element.append(panel);
  });
  return button;
}

async function whole(store, entry) {
  try {
    const { event, cause, effects } = await store.event(entry.id);
    const { source, ...rest } = event.data;
    const jump = (other) => h("a", { href: `#/log?filter=${encodeURIComponent(`id:${other.id}`)}` }, `${other.seq} ${other.type} ${other.experiment}`);
    return [
      h("p", {}, h("span", { class: "quiet" }, "cause: "), cause ? jump(cause) : "none in the log"),
      h("p", {}, h("span", { class: "quiet" }, "effects: "), effects.length ? effects.map((each, index) => [index ? ", " : "", jump(each)]) : "none yet"),
      h("p", { class: "quiet mono" }, `${event.type} · ${event.id} · ${event.source} · ${event.time}`),
      h("pre", { tabindex: "0", role: "region", "aria-label": "Content of the event" }, JSON.stringify(rest, null, 1)),
      source ? code(source) : null,
    ];
  } catch (error) {
    return h("p", { class: "error" }, error.message);
  }
}

export const shortItem = (store, entry) => h("li", { data: { seq: entry.seq } },
  h("div", { class: "meta" }, h("span", { title: `position ${entry.seq}` }, clock(entry.time)), h("span", { class: "mono" }, about(store, entry.experiment)), h("span", { class: `kind ${tone(entry.type)}` }, entry.type)),
  entry.text === entry.type ? null : h("div", { class: "what", title: entry.text }, entry.text));

export const experimentName = (store, id) => (store.rows.has(id) ? nameOf(store.rows.get(id)) : h("span", { class: "mono" }, id));
