// Compare: two to six experiments side by side, figure by figure and curve by curve.

import { fill, h } from "../parts/dom.js";
import { lineChart } from "../parts/charts.js";
import { curvesOf, measuresOf, trialOf } from "../parts/trial.js";
import { FIGURES, figure, nameOf, number, statusChip } from "../parts/words.js";

const MAX_COMPARED = 6;

export class CompareView {
  title = "Compare";

  constructor(store) { this.store = store; }

  async mount(main, { path: [ids = ""] }) {
    const { store } = this, { best, baseline } = store.ranking;
    this.ids = ids.split(",").filter((id) => store.rows.has(id)).slice(0, MAX_COMPARED);
    if (!this.ids.length) this.ids = [best, baseline].filter(Boolean).map((row) => row.id);
    const add = h("select", { "aria-label": "Add an experiment", on: { change: (event) => { location.hash = `#/compare/${encodeURIComponent([...this.ids, event.target.value].join(","))}`; } } }, h("option", { value: "" }, "add …"),
      store.ranking.order.filter((row) => !this.ids.includes(row.id)).slice(0, 500).map((row) => h("option", { value: row.id }, row.label)));
    this.body = h("div", { class: "sections" });
    fill(main, h("div", { class: "title" }, h("h1", {}, "Compare"), h("p", {}, `up to ${MAX_COMPARED} experiments`), h("div", { class: "tools" }, this.ids.length < MAX_COMPARED ? add : null, h("a", { class: "button", href: "#/campaigns" }, "Two campaigns"))), this.body);
    await this.update("rows");
  }

  async update(what) {
    if (what !== "rows" && what !== "at") return;
    const { store } = this, rows = this.ids.map((id) => store.rows.get(id)).filter(Boolean);
    if (!rows.length) { fill(this.body, h("p", { class: "empty" }, "Nothing to compare yet.")); return; }
    const asked = this.asked = {};
    const trials = await Promise.all(rows.map(async (row) => trialOf(await store.source.experiment(row.id).catch(() => []), store.at)));
    if (asked === this.asked) fill(this.body, h("section", { class: "card", "aria-label": "Figures" }, this.#table(rows, trials)), h("section", { class: "card", "aria-label": "Loss curves" }, this.#curves(rows, trials)));
  }

  #table(rows, trials) {
    const remove = (row) => h("a", { class: "quiet", "aria-label": `Remove ${row.id}`, href: `#/compare/${encodeURIComponent(this.ids.filter((id) => id !== row.id).join(","))}` }, " ×");
    const measured = trials.map((trial) => new Map(measuresOf(trial.run).map(([task, , measure, value]) => [`${task} · ${measure.replaceAll("_", " ")}`, value])));
    const names = [...new Set(measured.flatMap((each) => [...each.keys()]))];
    const line = (head, cells, title) => h("tr", {}, h("th", { scope: "row", title }, head), cells);
    const numbers = (values, text, better = 0) => { const known = values.filter((value) => value !== undefined), top = better && known.length > 1 ? (better > 0 ? Math.max(...known) : Math.min(...known)) : null; return values.map((value) => h("td", { class: "num" }, value === top && top !== null ? h("strong", {}, text(value)) : text(value))); };
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures" }, h("table", { class: "compare" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "figure"), rows.map((row) => h("th", { scope: "col", class: "num" }, nameOf(row), remove(row))))),
      h("tbody", {}, line("status", rows.map((row) => h("td", { class: "num" }, statusChip(row)))), this.store.figures.map((key) => line(key === "merit" ? this.store.meritName : FIGURES[key].head, numbers(rows.map((row) => this.store.value(row, key)), (value) => figure(key, value), FIGURES[key].better), FIGURES[key].about)),
        names.map((name) => line(name, numbers(measured.map((each) => each.get(name)), (value) => number(value)))), line("operator", rows.map((row) => h("td", { class: "num" }, row.operator ?? "–"))), line("parent", rows.map((row) => h("td", { class: "num" }, row.parent ?? "–"))))));
  }

  #curves(rows, trials) {
    const curves = trials.map((trial) => curvesOf(trial.run)), tasks = [...new Set(curves.flatMap((each) => Object.keys(each)))];
    return tasks.length ? h("div", { class: "charts" }, tasks.map((task) => lineChart(task, rows.map((row, index) => ({ label: row.id, points: curves[index][task] ?? [], place: index })).filter((one) => one.points.length), { log: true }))) : h("p", { class: "empty" }, "No curve was recorded.");
  }
}
