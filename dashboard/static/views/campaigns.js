// Two campaigns next to each other: this one, and one from an exported page that the reader opens here.

import { fill, h } from "../parts/dom.js";
import { lineChart } from "../parts/charts.js";
import { FileSource, recordedLog } from "../parts/file_source.js";
import { Store } from "../parts/store.js";
import { NONE, compact, count, isBaseline, nameOf, number, percent, signed } from "../parts/words.js";

const LOG = /<script type="text\/plain" id="log">([A-Za-z0-9+/=]+)<\/script>/;
const SETTINGS = ["scale", "seed", "policy", "space", "goal", "code_version"];
const TOLD = { code_version: "version of the code" };
let other = null; // the opened campaign stays while the page is open

// Returns a campaign's experiments in the order of their ends, without baselines and those of earlier histories.
const candidates = (store) => store.experiments.filter((row) => row.ended && row.status !== "imported" && !isBaseline(row)).sort((a, b) => a.ended - b.ended);

// Returns the best gain over the best baseline after each candidate that ended.
function climb(store) {
  let best = -Infinity;
  return candidates(store).map((row, index) => {
    const gain = row.vetoed ? undefined : store.ranking.gain(row);
    if (gain !== undefined) best = Math.max(best, gain);
    return [index + 1, best];
  }).filter(([, value]) => Number.isFinite(value));
}

// Returns the share of candidates with a score that are better than their parent, undefined without any.
function improved(store) {
  const pairs = candidates(store).map((row) => [store.value(row, "merit"), store.rows.has(row.parent) ? store.value(store.rows.get(row.parent), "merit") : undefined]).filter((pair) => !pair.includes(undefined));
  return pairs.length ? pairs.filter(([own, parent]) => own > parent).length / pairs.length : undefined;
}

// Returns figures by name; only experiments of the page's own campaign can be opened.
function figures(store, link) {
  const ended = candidates(store), { best, baseline, gain } = store.ranking;
  const scored = ended.filter((row) => row.fitness !== undefined);
  const sum = (key) => scored.reduce((total, row) => total + (row[key] ?? 0), 0);
  return {
    "candidates that ended": count(ended.length), "given up or rejected": count(ended.length - scored.length),
    best: best ? nameOf(best, { link }) : NONE, [`its ${store.meritName}`]: best ? number(store.merit(best)) : NONE,
    "best baseline": baseline ? nameOf(baseline, { link }) : NONE, "gain over the best baseline": best ? signed(gain(best)) : NONE,
    "better than the best baseline": scored.length && baseline ? count(scored.filter((row) => gain(row) > 0).length) : NONE,
    "children better than their parent": percent(improved(store)), "lowest text loss": scored.length ? number(Math.min(...scored.map((row) => row.loss ?? Infinity))) : NONE,
    "wall time of the runs, s": compact(sum("seconds")), events: count(store.last),
  };
}

export class CampaignsView {
  title = "Two campaigns";

  constructor(store) { this.store = store; }

  mount(main) {
    const file = h("input", { type: "file", accept: ".html,text/html", "aria-label": "Exported page of the other campaign", on: { change: (event) => this.#open(event.target.files[0]) } });
    this.body = h("div", { class: "sections" });
    fill(main, h("div", { class: "title" }, h("h1", {}, this.title), h("p", {}, "this one, and one that ", h("code", {}, "move37 export-page"), " wrote"), h("div", { class: "tools" }, file)), this.body);
    this.update("rows");
  }

  async #open(file) {
    try {
      const packed = LOG.exec(await file.text());
      if (!packed) throw new Error(`${file.name} is no exported page; hint: write one with move37 export-page`);
      other = new Store(new FileSource(await recordedLog(packed[1])));
      await Promise.all([other.load(), other.refresh("standing")]);
      this.update("rows");
    } catch (error) { fill(this.body, h("p", { class: "error", role: "alert" }, error.message)); }
  }

  update(what) {
    if (what !== "rows" && what !== "standing") return;
    if (!other) { fill(this.body, h("p", { class: "empty" }, "Choose the exported page of another campaign, for instance of a fork. The file is read by this page alone.")); return; }
    const both = [this.store, other], [mine, theirs] = [figures(this.store, true), figures(other, false)];
    const differ = SETTINGS.filter((name) => JSON.stringify(this.store.campaign[name]) !== JSON.stringify(other.campaign[name]));
    const line = (head, cells, className = "num") => h("tr", {}, h("th", { scope: "row" }, head), cells.map((cell) => h("td", { class: className }, cell ?? NONE)));
    const setting = (name) => line(h("span", {}, TOLD[name] ?? name, differ.includes(name) ? h("span", { class: "chip warn" }, "differs") : null), both.map((store) => String(store.campaign[name] ?? NONE)), "");
    const names = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])];
    fill(this.body, differ.includes("scale") ? h("p", { class: "warning" }, "The rungs differ, so losses and scores of the two can't be compared.") : null,
      h("section", { class: "card", "aria-label": "Figures of both" }, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of both campaigns" }, h("table", { class: "compare" },
        h("thead", {}, h("tr", {}, ["figure", ...both.map((store, index) => `${store.id}${index ? " (file)" : ""}`)].map((head, index) => h("th", { scope: "col", class: index ? "num" : null }, head)))),
        h("tbody", {}, SETTINGS.map(setting), names.map((name) => line(name, [mine[name], theirs[name]])))))),
      h("section", { class: "card", "aria-label": "Best so far" }, h("header", {}, h("h2", {}, "Best gain so far")), h("p", { class: "note" }, "Over the best baseline of each campaign, by candidates that ended. One campaign is one draw: a difference between two shows little."),
        h("div", { class: "charts" }, lineChart("Gain over the best baseline", both.map((store, index) => ({ label: `${store.id}${index ? " (file)" : ""}`, points: climb(store), place: index })), { x: "candidates", y: "gain" }))));
  }
}
