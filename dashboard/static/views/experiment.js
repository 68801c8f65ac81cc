// Experiment: its idea, its formulas, its source and how that differs from any other, its gates, repairs and scores.

import { fill, h, whenIdle } from "../parts/dom.js";
import { experimentName, item } from "../parts/entries.js";
import { lineChart } from "../parts/charts.js";
import { sideBySide } from "../parts/diff.js";
import { code } from "../parts/highlight.js";
import { curvesOf, measuresOf, trialOf } from "../parts/trial.js";
import { compact, figure, isBaseline, nameOf, number, plural, signed, statusChip } from "../parts/words.js";

const MAX_BASELINES = 4;
const MAX_OTHERS = 500;
const TRAIL_ENTRIES = 200;

export class ExperimentView {
  title = "Experiment";

  constructor(store) { this.store = store; }

  async mount(main, { path: [id, , other] }) {
    Object.assign(this, { main, id, other, events: null });
    await this.#load();
  }

  unmount() { this.asked = null; } // an answer that comes later is for nobody

  update(what) {
    if (what === "at") { this.entries = this.#askTrail(); this.#draw(); }
    const seen = this.store.rows.get(this.id), reads = this.main.querySelector('[aria-expanded="true"]'); // an open event stays
    if (what === "rows" && seen !== this.row && !reads) this.#load();
  }

  async #load() {
    const { store, id } = this, asked = this.asked = {};
    this.row = store.rows.get(id);
    this.title = this.row?.label ?? id;
    this.entries = this.#askTrail(); // while the events come
    try {
      const events = await store.source.experiment(id);
      if (asked !== this.asked) return;
      this.events = events;
      this.#draw();
    } catch (error) {
      if (asked === this.asked) fill(this.main, h("h1", {}, id), h("p", { class: "error" }, error.message));
    }
  }

  #draw() {
    const { store, id } = this, row = store.rows.get(id);
    if (!this.events) return;
    if (!row) { fill(this.main, h("h1", {}, id), h("p", { class: "empty" }, `${id} was not opened yet at position ${store.at}.`)); return; }
    const trial = trialOf(this.events, store.at);
    this.trial = trial;
    const card = (className, heading, content) => (content ? h("section", { class: `card ${className}`, "aria-label": heading }, h("header", {}, h("h2", {}, heading)), content) : null);
    this.curves = h("div", { class: "part", data: { part: "curves" } });
    this.trail = h("div", { class: "part", data: { part: "trail" } });
    this.difference = h("div", { class: "part", data: { part: "diff" } });
    fill(this.main, this.#top(row), h("div", { class: "grid" },
      h("div", { class: "s7 sections" }, card("", "Motivation", trial.proposal?.motivation ? h("p", { class: "prose" }, trial.proposal.motivation) : null),
        card("", "Formula", trial.formula ? h("pre", { class: "formula" }, trial.formula) : null), card("", "Drew on", this.#sources(row, trial))),
      h("div", { class: "s5 sections" }, card("", "Figures", this.#facts(row, trial)), card("", "Gates", this.#gates(trial))),
      card("", "Loss curves", this.curves),
      card("s6", "Scores by task", this.#scores(trial)), card("s6", "Analysis", this.#analysis(row, trial)),
      card("", "Failures and repairs", this.#attempts(trial)),
      card("later", "Source", trial.source ? h("div", {}, this.#chooser(), this.difference) : null),
      card("later", "Trail of events", this.trail)));
    this.filled = Promise.all([this.#drawTrail(), this.#drawCurves(), trial.source ? this.#drawDifference() : null]); // the page is there before them
  }

  #top(row) {
    const { rank } = this.store.ranking, place = rank.get(row.id);
    const children = this.store.experiments.filter((each) => each.parent === row.id);
    return [h("div", { class: "title" }, h("h1", { title: row.name }, row.label), statusChip(row), isBaseline(row) ? h("span", { class: "chip base" }, "baseline") : null,
      h("p", {}, place ? `rank ${place} of ${rank.size}` : row.reason ?? ""),
      h("div", { class: "tools" }, h("a", { class: "button", href: `#/lineage?select=${encodeURIComponent(row.id)}` }, plural(children.length, "child", "children")), h("a", { class: "button", href: `#/compare/${encodeURIComponent([row.id, row.parent].filter(Boolean).join(","))}` }, "Compare"))),
    row.name && row.name !== row.label ? h("p", { class: "quiet mono whole" }, row.name) : null];
  }

  #facts(row, trial) {
    const { store } = this, noise = store.noise(row), parts = row.parts;
    const pairs = [
      [store.meritName, row.fitness === undefined ? null : `${figure("merit", store.merit(row))}${noise ? ` ± ${number(noise, 2)}` : ""}`],
      ["against the best baseline", row.fitness === undefined ? null : signed(store.ranking.gain(row))],
      ["text loss", row.loss === undefined ? null : `${figure("loss", row.loss)} nats per byte`],
      ["recall", row.recall === undefined ? null : `${number(row.recall)} ± ${number(row.recall_stderr)}`],
      ["fitness", row.objective === undefined ? null : number(row.fitness)], ["parameters", row.parameters ? row.parameters.toLocaleString("en-US") : null],
      ["FLOPs per token", row.flops_per_token ? `${compact(row.flops_per_token)}${row.flops ? ` · ${number(row.flops, 2)} × costliest baseline` : ""}` : null],
      ["wall time", row.seconds ? `${number(row.seconds, 1)} s` : null], ["repairs", row.attempt || null], ["operator", row.operator], ["chosen by", trial.slot?.policy], ["arm", row.arm],
    ].filter(([, value]) => value !== null && value !== undefined);
    const share = (name, value) => { const bar = h("div", { class: "bar" }, h("i", {})); bar.firstChild.style.width = `${100 * value}%`; return h("div", {}, h("span", { class: "quiet" }, name), bar, h("span", { class: "num" }, number(value))); };
    return [h("dl", { class: "facts" }, pairs.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
      parts ? h("div", { class: "parts" }, share("loss", parts[0]), share("benchmark", parts[1]), share("judge", parts[2])) : null];
  }

  #sources(row, trial) {
    const { store } = this, list = (head, items) => (items.length ? [h("h3", {}, head), h("p", {}, items.map((each, index) => [index ? " · " : "", each]))] : []);
    return [...list("Parent", row.parent ? [experimentName(store, row.parent)] : []), ...list("References", (row.references ?? []).map((id) => experimentName(store, id))),
      ...list("Papers", (trial.proposal?.cognition ?? []).map((key) => h("span", { class: "chip" }, key))), ...list("Guidance of people", trial.proposal?.guidance ?? []),
      ...list("Children", store.experiments.filter((each) => each.parent === row.id).slice(0, 12).map((each) => nameOf(each))),
      row.parent || row.references?.length || trial.proposal?.cognition?.length ? null : h("p", { class: "quiet" }, "A design from scratch.")];
  }

  #scores(trial) {
    const rows = measuresOf(trial.run);
    return rows.length ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores by task" }, h("table", { class: "scores" }, h("thead", {}, h("tr", {}, ["task", "measure", "value"].map((head, index) => h("th", { scope: "col", class: index === 2 ? "num" : null }, head)))),
      h("tbody", {}, rows.map(([task, kind, measure, value, stderr]) => h("tr", {}, h("th", { scope: "row", title: kind }, task), h("td", {}, measure.replaceAll("_", " ")), h("td", { class: "num" }, number(value), stderr ? h("span", { class: "quiet" }, ` ± ${number(stderr)}`) : null)))))) : null;
  }

  #analysis(row, { analysis }) {
    return analysis ? [h("ul", {}, analysis.findings.map((finding) => h("li", {}, finding))), analysis.problem ? [h("h3", {}, "Weakness"), h("p", { class: "prose" }, analysis.problem)] : null,
      row.gains ? [h("h3", {}, "Gains in standard deviations of seed noise"), h("dl", { class: "facts" }, Object.entries(row.gains).map(([task, gain]) => h("div", {}, h("dt", {}, task), h("dd", {}, signed(gain, 2)))))] : null] : null;
  }

  #gates({ gates }) {
    return gates.length ? h("ul", { class: "gates" }, gates.map((gate) => h("li", {}, h("span", { class: gate.passed ? "pass" : "fail", role: "img", "aria-label": gate.passed ? "passed" : "failed" }, gate.passed ? "✓" : "✗"), h("span", {}, gate.gate), h("span", { class: "quiet" }, gate.evidence)))) : null;
  }

  #attempts({ attempts }) {
    const words = { CodeFailed: (each) => `attempt ${each.attempt}, ${each.stage}: ${each.reason}`, CodeRevised: (each) => `repair ${each.attempt} by ${each.repaired_by}`, ProposalRejected: (each) => `rejected: ${each.reason}`, RunAnomaly: (each) => `${each.action}: ${each.kind}` };
    return attempts.length ? h("ol", { class: "attempts" }, attempts.map((each) => h("li", { class: each.type === "CodeRevised" ? "repair" : null }, h("strong", {}, words[each.type](each)), h("p", {}, each.message ?? each.change ?? each.evidence),
      each.tail ? h("details", {}, h("summary", { class: "quiet" }, "output"), h("pre", { class: "scroll", tabindex: "0" }, each.tail)) : null))) : null;
  }

  // A list of hundreds of experiments takes longer than the rest of the page, so it is filled once that is there.
  #chooser() {
    const { store, id } = this, { parent } = store.rows.get(id);
    const list = h("select", { "aria-label": "Compare the source with", on: { change: (event) => { location.hash = `#/experiment/${encodeURIComponent(id)}${event.target.value ? `/diff/${encodeURIComponent(event.target.value)}` : ""}`; } } });
    const option = (row) => h("option", { value: row.id, selected: row.id === this.other }, `against ${row.label}${row.id === parent ? " (parent)" : ""}`);
    const first = [this.other, parent].map((each) => store.rows.get(each)).filter(Boolean), whole = h("option", { value: "" }, "the whole source");
    fill(list, whole, first.map(option));
    whenIdle(() => {
      const others = new Set([...first, ...store.ranking.order, ...store.experiments.filter((row) => row.fitness === undefined)]);
      others.delete(store.rows.get(id));
      fill(list, whole, [...others].slice(0, MAX_OTHERS).map(option));
    });
    return h("p", {}, list);
  }

  async #drawDifference() {
    const { difference } = this;
    if (!this.other) { fill(difference, code(this.trial.source)); return; }
    try {
      const other = trialOf(await this.store.source.experiment(this.other), this.store.at);
      fill(difference, other.source ? sideBySide(other.source, this.trial.source, [this.other, this.id]) : h("p", { class: "empty" }, `${this.other} has no source.`));
    } catch (error) { fill(difference, h("p", { class: "error" }, error.message)); }
  }

  async #drawCurves() {
    const { store, id, curves } = this, parent = store.rows.get(id).parent;
    const baselines = store.ranking.order.filter((row) => isBaseline(row) && row.id !== id && row.id !== parent).slice(0, MAX_BASELINES).map((row) => row.id);
    const readings = store.source.live && !store.past && !this.trial.run && this.row?.run ? (await store.source.readings([this.row.run]).catch(() => ({})))[this.row.run] ?? {} : {};
    const known = async (each) => ({ id: each, tasks: curvesOf(trialOf(await store.source.experiment(each).catch(() => []), store.at).run) });
    const own = { id, tasks: this.trial.run ? curvesOf(this.trial.run) : readings };
    const all = [own, ...await Promise.all([parent, ...baselines].filter(Boolean).map(known))];
    const tasks = [...new Set(all.flatMap((each) => Object.keys(each.tasks)))];
    const charts = tasks.map((task) => lineChart(task, all.filter((each) => each.tasks[task]).map((each) => ({ label: each.id, points: each.tasks[task], place: each.id === id ? 0 : 1, grey: baselines.includes(each.id) })), { log: true }));
    fill(curves, charts.length ? h("div", { class: "charts" }, charts) : h("p", { class: "empty" }, "No curve was recorded."));
  }

  #askTrail() { return this.store.source.log({ filter: `experiment:${this.id}`, limit: TRAIL_ENTRIES, at: this.store.at }).catch(() => ({ entries: [] })); }

  async #drawTrail() {
    const { trail } = this, { entries } = await this.entries;
    fill(trail, h("ol", { class: "log", "aria-label": "Events about this experiment" }, entries.toReversed().map((entry) => item(this.store, entry))));
  }
}
