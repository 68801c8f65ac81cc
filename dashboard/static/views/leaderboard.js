// Leaderboard: every experiment, ranked; sort, filter, choose columns; and what each score costs.

import { fill, h, whenIdle } from "../parts/dom.js";
import { scatter } from "../parts/plot.js";
import { FIGURES, count, figure, isBaseline, nameOf, number, statusChip } from "../parts/words.js";

const PAGE_ROWS = 50;
const COLUMNS = ["merit", "interval", "gain", "loss", "recall", "parameters", "flops_per_token", "seconds", "fitness", "status", "origin", "operator", "parent", "arm"];
const SHOWN = ["merit", "interval", "gain", "loss", "recall", "flops_per_token", "status", "arm"]; // as many as 1280 pixels hold
const GROUPS = { ranked: "with a score", all: "all", candidates: "candidates", baselines: "baselines", ended: "given up or rejected", vetoed: "vetoed" };
const IN_GROUP = {
  ranked: (row) => row.fitness !== undefined, all: () => true, candidates: (row) => row.fitness !== undefined && !isBaseline(row),
  baselines: isBaseline, ended: (row) => ["failed", "rejected"].includes(row.status), vetoed: (row) => row.vetoed,
};

// The arm or the origin of an experiment, with a mark if it is a baseline or of a control arm.
const marked = (row, key) => (isBaseline(row) ? h("span", { class: "chip base" }, "baseline") : key === "arm" && row.arm && row.arm !== "guided" ? h("span", { class: "chip warn" }, row.arm.replaceAll("_", " ")) : row[key] ?? "");

const stored = () => { try { return JSON.parse(localStorage.getItem("columns")) ?? SHOWN; } catch { return SHOWN; } };

export class LeaderboardView {
  title = "Leaderboard";
  sort = { key: "rank", up: true };
  group = "ranked";
  text = "";
  page = 0;
  columns = stored();
  cost = "flops_per_token";

  constructor(store) { this.store = store; }

  mount(main) {
    const search = h("input", { type: "search", placeholder: "id, name, operator …", "aria-label": "Filter experiments", value: this.text,
      on: { input: (event) => { this.text = event.target.value.toLowerCase(); this.page = 0; this.#table(); } } });
    const group = h("select", { "aria-label": "Which experiments", on: { change: (event) => { this.group = event.target.value; this.page = 0; this.#table(); } } },
      Object.entries(GROUPS).map(([key, words]) => h("option", { value: key, selected: key === this.group }, words)));
    const cost = h("select", { "aria-label": "Cost", on: { change: (event) => { this.cost = event.target.value; this.#pareto(); } } },
      ["flops_per_token", "seconds", "parameters"].map((key) => h("option", { value: key, selected: key === this.cost }, FIGURES[key].head)));
    this.board = h("div", { class: "part", data: { part: "board" } });
    this.pareto = h("div", { class: "part", data: { part: "pareto" } });
    this.caption = h("p", {});
    fill(main, h("div", { class: "title" }, h("h1", {}, "Leaderboard"), this.caption, h("div", { class: "tools" }, search, group)),
      h("div", { class: "sections" }, h("section", { class: "card", "aria-label": "Experiments" }, this.#chooser(), this.board),
        h("section", { class: "card" }, h("header", {}, h("h2", {}, "Text loss against cost"), h("p", { class: "quiet" }, "The line joins what no other experiment beats in both."), h("div", {}, cost)), this.pareto)));
    this.update("rows");
  }

  update(what) {
    if (what !== "rows" && what !== "standing") return;
    this.#table();
    whenIdle(() => this.#pareto());
  }

  #chooser() {
    const names = { interval: "interval", status: "status", origin: "origin", operator: "operator", parent: "parent", arm: "arm" };
    const boxes = COLUMNS.map((key) => h("label", {}, h("input", { type: "checkbox", checked: this.columns.includes(key), on: { change: (event) => this.#toggle(key, event.target.checked) } }), names[key] ?? FIGURES[key].head));
    return h("details", {}, h("summary", { class: "quiet" }, "Columns"), h("div", { class: "checks" }, boxes));
  }

  #toggle(key, on) {
    this.columns = COLUMNS.filter((each) => (each === key ? on : this.columns.includes(each)));
    try { localStorage.setItem("columns", JSON.stringify(this.columns)); } catch { /* only for this page */ }
    this.#table();
  }

  get rows() {
    const { store, text } = this, { order, rank } = store.ranking;
    const others = store.experiments.filter((row) => row.fitness === undefined);
    const rows = [...order, ...others].filter((row) => IN_GROUP[this.group](row)
      && (!text || `${row.id} ${row.name ?? ""} ${row.operator ?? ""} ${row.origin ?? ""} ${row.reason ?? ""}`.toLowerCase().includes(text)));
    if (this.sort.key === "rank") return this.sort.up ? rows : rows.reverse();
    const value = (row) => (this.sort.key in FIGURES ? store.value(row, this.sort.key) : row[this.sort.key] ?? (this.sort.key === "name" ? row.id : undefined));
    const sign = this.sort.up ? 1 : -1;
    const key = rows.map((row) => [value(row), rank.get(row.id) ?? Infinity, row]);
    key.sort(([a, i], [b, j]) => (a === undefined) - (b === undefined) || (a === b ? i - j : sign * (a < b ? -1 : 1)));
    return key.map(([, , row]) => row);
  }

  #table() {
    const { store } = this, rows = this.rows, { best } = store.ranking;
    this.page = Math.min(this.page, Math.max(0, Math.ceil(rows.length / PAGE_ROWS) - 1));
    const shown = rows.slice(this.page * PAGE_ROWS, (this.page + 1) * PAGE_ROWS);
    if (this.ranked !== store.ranking) [this.ranked, this.range] = [store.ranking, this.#range()];
    const level = store.meritName === "fitness" ? "" : "; scores of the same tenth are ordered by the judge's part";
    fill(this.caption, `${count(rows.length)} experiments, ranked by ${store.meritName}: ${store.meritAbout}${level}.`);
    const table = h("table", { class: "board", "aria-rowcount": rows.length + 1 },
      h("thead", {}, h("tr", {}, this.#head("rank", "#", "place; scores of the same tenth are ordered by the judge's part"), this.#head("name", "experiment"), this.columns.map((key) => this.#head(key)))),
      h("tbody", {}, shown.map((row) => h("tr", { class: row === best ? "best" : isBaseline(row) ? "base" : null, data: { id: row.id } },
        h("td", { class: "num quiet" }, store.ranking.rank.get(row.id) ?? "–"), h("th", { scope: "row" }, nameOf(row)), this.columns.map((key) => this.#cell(row, key))))));
    const last = Math.ceil(rows.length / PAGE_ROWS) - 1;
    const turn = (by, words) => h("button", { disabled: this.page + by < 0 || this.page + by > last, on: { click: () => { this.page += by; this.#table(); } } }, words);
    fill(this.board, rows.length ? h("div", { class: "scroll board-scroll", tabindex: "0", role: "region", "aria-label": "Leaderboard" }, table) : h("p", { class: "empty" }, "No experiment matches."),
      last > 0 ? h("div", { class: "pager" }, turn(-1, "← better"), `page ${this.page + 1} of ${last + 1}`, turn(1, "next →")) : null);
  }

  #head(key, words, about) {
    const kind = FIGURES[key], numeric = Boolean(kind) || key === "rank";
    if (key === "interval") return h("th", { scope: "col" }, h("span", { title: "score ± one standard deviation of seed noise; for a campaign ranked by fitness, recall ± its standard error" }, "interval"));
    const head = key === "merit" ? this.store.meritName : words ?? kind?.head ?? key;
    const sorted = this.sort.key === key ? (this.sort.up ? "ascending" : "descending") : null;
    const first = kind ? (kind.better ?? 1) < 0 : true;
    const click = () => { this.sort = { key, up: this.sort.key === key ? !this.sort.up : first }; this.page = 0; this.#table(); this.board.querySelector(`[data-sort="${key}"]`)?.focus(); };
    return h("th", { scope: "col", class: numeric ? "num" : null, "aria-sort": sorted }, h("button", { title: about ?? kind?.about, data: { sort: key }, on: { click } }, head));
  }

  #cell(row, key) {
    const { store } = this;
    if (key === "interval") return h("td", {}, this.#interval(row));
    if (key in FIGURES) return h("td", { class: "num" }, figure(key, store.value(row, key)), key === "recall" && row.recall_stderr ? h("span", { class: "quiet" }, ` ± ${number(row.recall_stderr)}`) : null);
    if (key === "status") return h("td", {}, statusChip(row), row.reason && row.status !== "analysed" ? h("span", { class: "quiet" }, ` ${row.reason}`) : null);
    if (key === "arm" || key === "origin") return h("td", {}, marked(row, key));
    return h("td", {}, row[key] ?? "");
  }

  // The value and the error that the column of intervals shows.
  #measured(row) {
    const noise = this.store.noise(row);
    if (noise !== undefined) return [this.store.merit(row), noise];
    return this.store.meritName === "fitness" && row.recall !== undefined ? [row.recall, row.recall_stderr ?? 0] : null;
  }

  #range() {
    const measured = this.store.experiments.map((row) => this.#measured(row)).filter(Boolean);
    const all = Float64Array.from([...measured.map(([value, error]) => value - error), ...measured.map(([value, error]) => value + error)]).sort();
    if (!all.length) return null;
    const low = all[Math.floor(all.length * 0.15)], high = all.at(-1); // the worst do not press the best together
    return [low, high > low ? high : low + 1];
  }

  #interval(row) {
    const measured = this.#measured(row);
    if (!measured || !this.range) return null;
    const [low, high] = this.range, [value, error] = measured;
    const x = (each) => 6 + Math.max(0, Math.min(1, (each - low) / (high - low))) * 120;
    return h("svg", { class: "interval", viewBox: "0 0 132 18", role: "img", "aria-label": `${number(value)} ± ${number(error)}` },
      h("line", { class: "rail", x1: 6, x2: 126, y1: 9, y2: 9 }), low < 0 && high > 0 ? h("line", { class: "zero", x1: x(0), x2: x(0), y1: 1, y2: 17 }) : null,
      h("line", { class: `whisker ${isBaseline(row) ? "base" : ""}`, x1: x(value - error), x2: x(value + error), y1: 9, y2: 9 }), h("circle", { class: value < low ? "dot beyond" : "dot", cx: x(value), cy: 9, r: 3.6 }));
  }

  #pareto() {
    const { store, cost } = this, { best } = store.ranking;
    const points = store.experiments.filter((row) => row.loss !== undefined && row[cost] !== undefined).map((row) => ({ x: row[cost], y: row.loss, row, strong: row === best }));
    let lowest = Infinity;
    const front = [...points].filter(({ row }) => !row.vetoed && row.fitness !== undefined).sort((a, b) => a.x - b.x || a.y - b.y).filter(({ y }) => y < lowest && ((lowest = y), true));
    const tip = ({ row }) => `${row.label}\ntext loss ${figure("loss", row.loss)} · ${FIGURES[cost].head} ${figure(cost, row[cost])}`;
    fill(this.pareto, points.length ? scatter("Text loss against cost", points, { x: FIGURES[cost].head, y: "text loss, nats per byte", front, steps: true, height: 320, tip }) : h("p", { class: "empty" }, "No run has completed yet."));
  }
}
