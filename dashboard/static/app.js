// The page: it reads a campaign from its source, shows the view that the address names, and keeps it up to date.

import { announce, fill, h, throttled, whenIdle } from "./parts/dom.js";
import { redraw } from "./parts/charts.js";
import { Scrubber } from "./parts/scrubber.js";
import { Store } from "./parts/store.js";
import { count, duration, figure, percent } from "./parts/words.js";
import { CampaignsView } from "./views/campaigns.js";
import { CompareView } from "./views/compare.js";
import { DiscoveryView } from "./views/discovery.js";
import { ExperimentView } from "./views/experiment.js";
import { ForkView } from "./views/fork.js";
import { LeaderboardView } from "./views/leaderboard.js";
import { LineageView, prepareLineage } from "./views/lineage.js";
import { LogView } from "./views/log.js";
import { NowView } from "./views/now.js";
import { ResearchersView } from "./views/researchers.js";
import { TalkView, signInForm } from "./views/talk.js";

const VIEWS = { now: NowView, leaderboard: LeaderboardView, lineage: LineageView, compare: CompareView, discovery: DiscoveryView, log: LogView, talk: TalkView, experiment: ExperimentView, fork: ForkView, campaigns: CampaignsView, researchers: ResearchersView };
const INSIDE = { campaigns: "compare" }; // views that the menu shows under another one
const NAV = [
  ["now", "Now", "M3 12h4l3-8 4 16 3-8h4"], ["leaderboard", "Leaderboard", "M5 20V10M12 20V4M19 20v-7"],
  ["lineage", "Lineage", "M5 12h5M10 12c4 0 3-6 8-6M10 12c4 0 3 6 8 6M3 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0"], ["compare", "Compare", "M9 4v16M15 4v16M4 8h5M15 16h5"],
  ["discovery", "Discovery", "M4 20h5v-5h5v-5h5V4M15 4h4v4"], ["log", "Log", "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01"], ["talk", "Talk", "M4 5h16v11H9l-5 4z"],
  ["researchers", "Researchers", "M8 7l-5 5 5 5M16 7l5 5-5 5M13 5l-2 14"]];
const CATCH_UP_MS = 350;

class App {
  views = new Map();

  constructor(source) {
    this.source = source;
    this.store = new Store(source);
    this.main = document.getElementById("main");
    this.catchUp = throttled(() => this.store.catchUp().catch(() => {}), CATCH_UP_MS);
  }

  async start() {
    this.#nav();
    const at = Number(this.#address().query.get("at")); // before the page reads: a person may follow a link meanwhile
    await this.store.refresh("session");
    this.#head();
    if (!this.store.session.may_read) { this.#signIn(); return; }
    await Promise.all([this.store.load(), this.store.refresh("standing"), this.store.refresh("vitals")]);
    if (at) await this.store.travel(at);
    this.store.addEventListener("change", ({ detail }) => { this.#head(); this.view?.update?.(detail); });
    this.#head();
    new Scrubber(this.store, document.getElementById("scrubber"));
    globalThis.addEventListener("hashchange", () => this.route());
    document.addEventListener("keydown", (event) => this.#keys(event));
    new MutationObserver(() => { redraw(); this.view?.repaint?.(); document.querySelectorAll(".plot").forEach((plot) => plot.repaint?.()); }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    await this.route();
    whenIdle(() => prepareLineage(this.store));
    this.source.follow(this.store.last, (kind, content) => this.#news(kind, content));
  }

  #news(kind, content) {
    const { store } = this;
    if (kind === "log") this.catchUp();
    else if (kind === "vitals") {
      if (store.vitals.read < 1) this.catchUp(); // the server still reads the log
      store.vitals = content;
      store.changed("vitals");
    }
    else if (kind === "standing") store.refresh("standing").catch(() => {});
    else if (kind === "reset") store.load().then(() => { store.changed("at"); store.changed("log"); this.#afresh(); }, () => {});
    else {
      if (kind === "open") { this.catchUp(); if (content.missed) this.#afresh(); }
      else store.refresh("session").then(() => { if (!store.session.may_read) this.#signIn(); }, () => {});
      store.lost = kind === "lost";
      this.#head();
    }
  }

  // Asks again for what the stream tells once.
  #afresh() { for (const what of ["standing", "vitals"]) this.store.refresh(what).catch(() => {}); }

  #address() {
    const [path, text = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [name, ...rest] = path.split("/").map(decodeURIComponent);
    return { name: name in VIEWS ? name : "now", path: rest, query: new URLSearchParams(text) };
  }

  async route() {
    const address = this.#address();
    this.view?.unmount?.();
    if (!this.views.has(address.name)) this.views.set(address.name, new VIEWS[address.name](this.store));
    this.view = this.views.get(address.name);
    for (const link of document.querySelectorAll("#nav a[data-view]")) {
      if (link.dataset.view === (INSIDE[address.name] ?? address.name)) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
    }
    this.main.dataset.view = address.name;
    await this.view.mount(this.main, address);
    document.title = `${this.view.title} · ${this.store.id || "move37"}`;
    if (this.routed) { scrollTo(0, 0); this.main.focus({ preventScroll: true }); announce(this.view.title); }
    this.routed = true;
  }

  #nav() {
    const icon = (path) => h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: path }));
    fill(document.getElementById("nav"), NAV.map(([name, words, path], index) => h("a", { href: `#/${name}`, data: { view: name } }, icon(path), h("span", {}, words), h("kbd", { "aria-hidden": "true" }, index + 1))),
      h("div", { class: "more" }, this.source.live ? h("a", { href: "report", target: "_blank", rel: "noopener" }, icon("M6 3h9l4 4v14H6zM9 12h7M9 16h7"), "Report") : null,
        h("button", { on: { click: () => globalThis.switchTheme() } }, icon("M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z"), "Light or dark")));
  }

  #head() {
    document.querySelector('#nav [data-view="researchers"]').hidden = !this.store.programs.length;
    const { store } = this, { best } = store.ranking, { campaign, vitals } = store;
    const state = store.lost ? "lost" : campaign.state ?? "waiting";
    const bar = h("div", { class: "bar", role: "progressbar", "aria-label": "Experiments that have ended", "aria-valuemin": 0, "aria-valuemax": store.total, "aria-valuenow": store.ended }, h("i", {}));
    bar.firstChild.style.width = percent(store.total ? Math.min(1, store.ended / store.total) : 0);
    const fact = (words, ...value) => h("div", { class: "fact" }, h("span", {}, words), h("strong", {}, ...value));
    fill(document.getElementById("head"), h("a", { class: "brand", href: "#/now" }, h("img", { src: document.querySelector('link[rel="icon"]').href, alt: "" }), "move37"), h("span", { class: "campaign" }, store.id, this.source.live ? null : " · exported log"),
      h("span", { class: `state ${store.past && !store.lost ? "past" : state}` }, store.lost ? "connection lost" : store.past ? "the past" : vitals.read < 1 ? `reading the log, ${percent(vitals.read)}` : state),
      h("div", { class: "facts" }, fact("ended", `${count(store.ended)} / ${count(store.total)}`), bar, fact(`top candidate's ${store.meritName}${store.past && store.meritName !== "fitness" ? ", as published" : ""}`, best ? figure("merit", store.merit(best)) : "–"),
        campaign.state === "finished" || store.past ? null : [fact("time left", duration(vitals.seconds_left)), fact("events / min", count(vitals.per_minute ?? 0))]));
  }

  #signIn() {
    if (this.signingIn) return; // a lost connection asks again and again, and somebody may be typing
    this.signingIn = true;
    fill(this.main, h("div", { class: "card" }, signInForm(this.store, { token: true })));
    this.store.addEventListener("change", ({ detail }) => { if (detail === "session" && this.store.session.may_read) location.reload(); });
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (!token) return;
    history.replaceState(null, "", location.pathname);
    this.source.signIn({ token }).then(() => this.store.refresh("session"), () => {});
  }

  #keys(event) {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { document.querySelector('#main input[type="search"]')?.focus(); event.preventDefault(); }
    const view = NAV[Number(event.key) - 1];
    if (view) location.hash = `#/${view[0]}`;
  }
}

// Starts the page on a source.
export function start(source) {
  new App(source).start().catch((error) => {
    fill(document.getElementById("main"), h("p", { class: "error", role: "alert" }, error.message));
  });
}
