// The forks that people have started from this page: whether each runs, where it is, and how to open and compare it.

import { commandList, quoted } from "./commands.js";
import { fill, h } from "./dom.js";
import { count, plural, timeElement } from "./words.js";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const CHIP = { copying: "warn", running: "accent", ended: "" };

// Whether this dashboard starts forks: its server says so if the lab's home is next to it.
export const runsHere = (store) => Boolean(store.vitals.forks);

// Returns the forks, the newest first; a person who has signed in can stop those that run.
export function forkList(store) {
  const { home, forks } = store.vitals.forks;
  return h("ol", { class: "forks" }, forks.map((fork) => item(store, home, fork)));
}

function item(store, home, fork) {
  const runs = fork.state !== "ended", change = [fork.text, fork.policy && `policy ${fork.policy}`, fork.seed != null && `search seed ${fork.seed}`, fork.models && `models ${fork.models === "none" ? "none" : "of the settings"}`, fork.experiments === null ? "" : plural(fork.experiments, "experiment")].filter(Boolean).join("; ");
  return h("li", { data: { name: fork.name, state: fork.state } },
    h("header", {}, h("strong", {}, fork.name), h("span", { class: `chip ${CHIP[fork.state] ?? ""}` }, fork.state), h("span", { class: "quiet" }, `from position ${count(fork.at)}, by ${fork.by}, `, timeElement(fork.started))),
    h("p", {}, change || "nothing is different"), fork.said && !runs ? h("p", { class: "quiet" }, fork.said) : null,
    h("div", { class: "row" }, pageLink(fork), runs && store.session.person ? stopper(store, fork) : null),
    h("details", {}, h("summary", {}, "Compare it, or open it later"), commandList([
      ["See what the change did", `move37 compare ${quoted(home)} ${quoted(fork.home)}`],
      [runs ? "Stop it without this page" : "Write it as one page", runs ? `move37 say stop --home ${quoted(fork.home)}` : `move37 export-page --home ${quoted(fork.home)}`],
    ])));
}

// A fork's own dashboard listens on the lab's machine alone.
function pageLink(fork) {
  if (!fork.page) return null;
  return LOOPBACK.has(location.hostname) ? h("a", { class: "button", href: fork.page, target: "_blank", rel: "noopener" }, "Open its dashboard") : h("span", { class: "quiet" }, `its dashboard: ${fork.page} on the lab's machine`);
}

function stopper(store, fork) {
  const outcome = h("span", { role: "status" });
  const stop = async () => {
    try { await store.source.stopFork(fork.name); fill(outcome, "it ends"); await store.refresh("vitals"); } catch (error) { fill(outcome, h("span", { class: "chip bad" }, error.message)); }
  };
  return [h("button", { class: "danger", "aria-label": `Stop ${fork.name}`, on: { click: stop } }, "Stop"), outcome];
}
