// Now: the state of the campaign, its slots with live curves, what went wrong, the newest events, and the services.

import { fill, h, throttled } from "../parts/dom.js";
import { shortItem } from "../parts/entries.js";
import { modelCosts } from "../parts/model_costs.js";
import { lineChart, sparkline } from "../parts/charts.js";
import { scatter } from "../parts/plot.js";
import { count, duration, figure, isBaseline, nameOf, number, percent, plural, signed, stage } from "../parts/words.js";

const MAX_SLOTS = 24;
const MAX_CURVES = 6;
const READINGS_MS = 2000;
const MODELS_MS = 1500;
const FENCE = 1.5; // quartile distances below the lower quartile, as in a box plot
const FEW = 8; // so many scores are all shown where they are

// Returns the least score that a chart shows where it is: a few failures would press all others into one line.
function lowest(scores) {
  const sorted = scores.toSorted((a, b) => a - b), at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const spread = at(0.75) - at(0.25);
  return sorted.length > FEW && spread > 0 ? at(0.25) - FENCE * spread : -Infinity;
}

export class NowView {
  title = "Now";

  constructor(store) { this.store = store; }

  mount(main) {
    this.parts = Object.fromEntries(["top", "slots", "curves", "time", "trouble", "log", "models", "services"].map((name) => [name, h("div", { class: "part", data: { part: name } })]));
    const card = (className, heading, part, ...more) => h("section", { class: `card ${className}` }, h("header", {}, h("h2", {}, heading), ...more), part);
    fill(main, h("div", { class: "sections" }, this.parts.top, h("div", { class: "grid" },
      this.slotsCard = card("", "Open experiments", this.parts.slots), this.curvesCard = card("", "Loss of the runs under way", this.parts.curves),
      card("s7", "Scores over time", this.parts.time),
      h("div", { class: "s5 sections" }, card("", "Anomalies and failures", this.parts.trouble, h("a", { href: "#/log?filter=type:CodeFailed,RunFailed,RunAnomaly,ProposalRejected" }, "all")),
        card("", "Newest events", this.parts.log, h("a", { href: "#/log" }, "the whole log"))),
      this.modelsCard = card("", "Language models", this.parts.models), card("", "Services", this.parts.services))));
    this.modelsCard.hidden = true;
    this.refreshModels = throttled(() => this.#models(), MODELS_MS);
    this.#models();
    this.refreshLists = throttled(() => this.#lists(), 700);
    this.#lists(); // asked before the page is busy drawing
    this.update("rows");
    this.timer = setInterval(() => this.#readings(), READINGS_MS);
    this.#readings();
  }

  unmount() { clearInterval(this.timer); }

  update(what) {
    if (what === "log" || what === "at") { this.refreshLists(); this.refreshModels(); }
    if (what === "rows" || what === "standing") { this.#top(); this.#time(); }
    this.#slots();
    this.#services();
  }

  #top() {
    const { store } = this, { best, baseline, gain } = store.ranking;
    const statuses = (status) => store.experiments.filter((row) => row.status === status && !isBaseline(row)).length;
    const figures = [
      [`top candidate's ${store.meritName}`, best ? figure("merit", store.merit(best)) : number(), best ? best.label : "no candidate has a score yet"],
      ["best baseline", baseline ? figure("merit", store.merit(baseline)) : number(), baseline?.label ?? ""],
      ["difference", best ? signed(gain(best)) : number(), store.campaign.noise ? `± ${number(store.campaign.noise, 2)} seed noise` : "one seed, screening"],
      ["ended", `${count(store.ended)} of ${count(store.total)}`, `${count(statuses("analysed"))} analysed`],
      ["given up", count(statuses("failed")), plural(statuses("rejected"), "idea rejected", "ideas rejected")],
      ["pool", count(store.campaign.generation ?? 0), "times renewed"],
    ];
    fill(this.parts.top,
      h("div", { class: "title" }, h("h1", {}, store.campaign.goal ?? "Waiting for the first campaign")),
      ...warnings(store),
      h("dl", { class: "headline" }, figures.map(([term, value, note]) => h("div", {}, h("dt", {}, term), h("dd", {}, value, h("small", { title: note }, note))))));
  }

  get open() { return this.store.experiments.filter((row) => row.id !== "campaign" && !row.ended && row.status).sort((a, b) => (b.stage === "training") - (a.stage === "training") || a.opened - b.opened); }

  #slots() {
    const { store } = this, open = store.campaign.state === "finished" ? [] : this.open;
    const slots = open.slice(0, MAX_SLOTS).map((row) => this.#slot(row));
    this.slotsCard.hidden = store.campaign.state === "finished";
    fill(this.parts.slots, slots.length ? h("div", { class: "slots" }, slots) : h("p", { class: "empty" }, this.#idle()),
      open.length > MAX_SLOTS ? h("p", { class: "quiet" }, `and ${open.length - MAX_SLOTS} more`) : null);
    this.#sparklines();
  }

  // Why no experiment is open: after the last one has ended, a campaign with a plan verifies before it finishes.
  #idle() {
    const { campaign, ended, total } = this.store, verifying = campaign.verifies && campaign.state === "running" && ended >= total;
    return verifying ? h("a", { href: "#/discovery" }, "Verification is under way") : "No slot is open.";
  }

  #slot(row) {
    const { vitals, past } = this.store, progress = past ? undefined : vitals.progress[row.run], losses = past ? {} : vitals.losses[row.run] ?? {};
    const bar = h("div", { class: "bar", role: "progressbar", "aria-label": `Training of ${row.id}`, "aria-valuenow": Math.round(100 * (progress ?? 0)), "aria-valuemin": 0, "aria-valuemax": 100 }, h("i", {}));
    bar.firstChild.style.width = percent(progress ?? 0).replace("–", "0%");
    return h("article", { class: "slot", data: { experiment: row.id } }, nameOf(row),
      h("div", { class: "row" }, h("span", { class: row.stage === "training" ? "chip accent" : "chip" }, stage(row)), h("span", { class: "num quiet" }, progress === undefined ? "" : percent(progress))),
      bar, this.readings?.[row.run] ? h("canvas", { role: "img", "aria-label": `Loss of ${row.id}`, data: { run: row.run } }) : null,
      h("div", { class: "row num" }, Object.entries(losses).map(([task, loss]) => h("span", {}, h("span", { class: "quiet" }, `${task} `), number(loss)))));
  }

  async #readings() {
    const runs = this.store.past || !this.store.source.live ? [] : this.open.filter((row) => row.stage === "training" && row.run).slice(0, MAX_SLOTS).map((row) => row.run);
    const readings = runs.length ? await this.store.source.readings(runs).catch(() => ({})) : {};
    this.readings = Object.fromEntries(Object.entries(readings).filter(([, tasks]) => Object.keys(tasks).length));
    this.#slots();
    this.#curves();
  }

  #sparklines() {
    for (const canvas of this.parts.slots.querySelectorAll("canvas")) sparkline(canvas, Object.values(this.readings?.[canvas.dataset.run] ?? {}));
  }

  #curves() {
    const runs = Object.entries(this.readings ?? {}).slice(0, MAX_CURVES);
    this.curvesCard.hidden = !runs.length;
    if (!runs.length) return;
    const tasks = [...new Set(runs.flatMap(([, tasks]) => Object.keys(tasks)))], names = new Map(this.open.map((row) => [row.run, row.label]));
    fill(this.parts.curves, h("div", { class: "charts" }, tasks.map((task) => lineChart(task,
      runs.filter(([, each]) => each[task]).map(([run, each]) => ({ label: names.get(run) ?? run, points: each[task] })), { log: true }))));
  }

  #time() {
    const { store } = this, { best } = store.ranking;
    const rows = store.experiments.filter((row) => row.fitness !== undefined).sort((a, b) => a.ended - b.ended);
    const floor = lowest(rows.map((row) => store.merit(row))), below = rows.filter((row) => store.merit(row) < floor).length;
    const points = rows.map((row, index) => ({ x: index + 1, y: Math.max(floor, store.merit(row)), row, strong: row === best }));
    let highest = -Infinity;
    const front = points.filter(({ row, y }) => !isBaseline(row) && !row.vetoed && y > highest && ((highest = y), true));
    const tip = ({ row }) => `${row.label}\n${store.meritName} ${number(store.merit(row))}`;
    const aside = below ? ` ${plural(below, "score is", "scores are")} far below the others, and drawn at the lower edge.` : "";
    fill(this.parts.time, points.length ? scatter("Scores over time", points, { x: "in the order of their ends", y: store.meritName, front, steps: true, height: 380, tip }) : h("p", { class: "empty" }, "No experiment has a score yet."),
      points.length ? h("p", { class: "quiet" }, "The line is the best candidate so far; with noisy scores it rises by chance alone." + aside) : null);
  }

  async #lists() {
    const { store, parts } = this, at = store.at;
    const list = async (part, none, filter) => {
      const { entries } = await store.source.log({ limit: 4, at, filter });
      fill(part, entries.length ? h("ol", { class: "log short" }, entries.map((entry) => shortItem(store, entry))) : h("p", { class: "empty" }, none));
    };
    await Promise.all([list(parts.log, "The log is empty."), list(parts.trouble, "Nothing has failed.", "type:RunAnomaly,CodeFailed,RunFailed,ProposalRejected")]);
  }

  async #models() {
    const { store, modelsCard } = this, at = store.at;
    const spending = Object.keys(store.campaign.models ?? {}).length ? await store.source.spending(at).catch(() => null) : { rows: [] };
    if (!spending || at !== store.at || modelsCard !== this.modelsCard) return; // memory is silent, or nobody waits for it any more
    modelsCard.hidden = !spending.rows?.length;
    fill(this.parts.models, modelsCard.hidden ? null : modelCosts(spending));
  }

  #services() {
    const { vitals, past } = this.store, head = ["service", "host", "up", "waiting", "in hand", "done", "failed", "last error"];
    if (past || !this.store.source.live) { fill(this.parts.services, h("p", { class: "empty" }, "A log of the past has no services.")); return; }
    if (!vitals.services.length) { fill(this.parts.services, h("p", { class: "empty" }, "No service answers yet.")); return; }
    fill(this.parts.services, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Services" }, h("table", { class: "services" },
      h("thead", {}, h("tr", {}, head.map((name, index) => h("th", { scope: "col", class: index > 1 && index < 7 ? "num" : null }, name)))),
      h("tbody", {}, vitals.services.map((one) => h("tr", {}, h("th", { scope: "row" }, `${one.role}/${one.instance}`, one.draining ? h("span", { class: "chip warn" }, "draining") : null),
        h("td", {}, one.host ?? ""), h("td", { class: "num" }, duration(one.uptime_s)), [one.lag, one.in_flight, one.done].map((value) => h("td", { class: "num" }, count(value))),
        h("td", { class: "num" }, one.failed ? h("span", { class: "chip bad" }, count(one.failed)) : count(one.failed)), h("td", {}, one.last_error ?? "")))))));
  }
}

// Warnings that stand above everything: absent roles, a silent lab, no sandbox.
function warnings({ vitals, campaign, past }) {
  const texts = campaign.sandbox === "none" ? ["No sandbox: candidate code ran with all the rights of the user who started it."] : [];
  if (!past && vitals.silent) texts.push("Memory does not answer. Scores are the last known ones.");
  const absent = past ? [] : vitals.absent.map((role) => h("p", { class: "warning" }, h("strong", {}, `No ${role.role} answers`), ". Start one: ", h("code", {}, role.command)));
  return [...texts.map((text) => h("p", { class: "warning" }, text)), ...absent];
}
