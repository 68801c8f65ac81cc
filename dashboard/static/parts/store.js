// What every view draws from: the rows of one campaign as of one position, and what the lab says of itself.

import { FIGURES, isBaseline } from "./words.js";

const TIE = 0.1;
const CAMPAIGN = "campaign";
const PROGRAM = "program";

export class Store extends EventTarget {
  rows = new Map();
  experiments = [];
  programs = []; // researcher programs, which are searched themselves
  meritName = "fitness"; // what experiments are ranked by, in a word
  ended = 0;
  total = 0;
  campaign = {};
  id = "";
  last = 0;
  at = 0; // 0: now
  standing = { scores: {}, guidance: [] };
  vitals = { services: [], absent: [], progress: {}, losses: {} };
  session = { may_read: true, person: "" };
  lost = false;
  #now = new Map();
  #shownAt = 0; // position of `rows`, which lags behind `at` while the page reads; 0: now
  #ranking = null;

  constructor(source) { super(); this.source = source; }

  get past() { return this.at > 0; }

  changed(what) {
    if (what === "rows" || what === "standing") this.#ranking = null;
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }

  // Loads everything again, as of now.
  async load() {
    const reply = await this.source.rows();
    this.#now = new Map(reply.rows.map((row) => [row.id, row]));
    [this.id, this.last, this.at, this.#shownAt] = [reply.id, reply.at, 0, 0];
    this.#show(this.#now);
  }

  // Takes rows over, and derives once what every view asks for again and again.
  #show(rows) {
    this.rows = rows;
    this.experiments = [...rows.values()].filter((row) => row.id !== CAMPAIGN && row.kind !== PROGRAM);
    this.programs = [...rows.values()].filter((row) => row.kind === PROGRAM);
    this.campaign = rows.get(CAMPAIGN) ?? {};
    this.meritName = this.campaign.noise || this.experiments.some((row) => row.objective !== undefined) ? "score" : "fitness";
    this.ended = this.experiments.filter((row) => row.ended && row.status !== "imported").length;
    const own = this.experiments.filter((row) => row.id.startsWith("h-")).length;
    this.total = (this.campaign.budget ?? 0) + (this.campaign.baselines ?? []).length + own;
    this.changed("rows");
  }

  // Shows the campaign as of a position; 0 for now. Only the rows that differ from those on the page are read.
  async travel(at) {
    const shown = this.#shownAt || this.last, rows = new Map(this.rows);
    this.at = at >= this.last ? 0 : at;
    const wanted = this.at;
    if (wanted) {
      const reply = await this.source.rows(wanted, shown).catch((error) => { if (wanted === this.at) this.at = this.#shownAt; throw error; });
      for (const row of reply.rows) rows.set(row.id, row);
      for (const id of reply.gone) rows.delete(id);
    }
    if (wanted !== this.at) return;
    this.#shownAt = wanted;
    this.#show(wanted ? rows : this.#now);
  }

  // Takes over the rows that changed after the newest known event.
  async catchUp() {
    if (!this.last) { await this.load(); this.changed("log"); return; }
    const { id, at, rows } = await this.source.rows(0, this.last);
    if (id !== this.id || at <= this.last) return; // the stream tells of another campaign
    for (const row of rows) this.#now.set(row.id, row);
    this.last = at;
    if (rows.length && !this.past) this.#show(this.#now);
    this.changed("log");
  }

  async refresh(what) {
    this[what] = await this.source[what]();
    this.changed(what);
  }

  // An event with its cause, and with the effects that it had by the position on the page.
  async event(id) {
    const reply = await this.source.event(id);
    return { ...reply, effects: reply.effects.filter((each) => !this.past || each.seq <= this.at) };
  }

  // What an experiment is ranked by: memory's score now, else the objective as it was published, else the fitness.
  merit(row) {
    const score = this.past ? undefined : this.standing.scores[row.id];
    return score ?? row.objective ?? row.fitness;
  }

  get meritAbout() {
    if (this.meritName === "fitness") return "mean of loss, benchmark and judge, each in 0 to 1; one seed";
    const unit = "gain over the best baseline in standard deviations of seed noise";
    return this.past ? `${unit}, as published` : `${unit}, shrunk towards designs of the same units`;
  }

  // The figures that this campaign has, each once: in one that ranks by fitness, the score is the fitness.
  get figures() { return Object.keys(FIGURES).filter((key) => key !== "fitness" || this.meritName !== "fitness"); }

  // One standard deviation of seed noise of an experiment's score, undefined if it is not known.
  noise(row) {
    return this.campaign.noise && row.objective !== undefined ? this.campaign.noise / Math.sqrt(row.runs ?? 1) : undefined;
  }

  // { order: ranked rows, best first; rank: id → rank; best, baseline, gain(row) }
  get ranking() {
    if (this.#ranking) return this.#ranking;
    const keyed = (row) => (row.objective === undefined
      ? { row, limit: 0, merit: row.fitness, judge: 0 }
      : { row, limit: row.within_limit ? 0 : 1, merit: Math.round(this.merit(row) / TIE), judge: row.parts?.[2] ?? 0 });
    const order = this.experiments.filter((row) => row.fitness !== undefined).map(keyed).sort(compare).map(({ row }) => row);
    const standing = order.filter((row) => !row.vetoed);
    const rank = new Map(standing.map((row, index) => [row.id, index + 1]));
    const baseline = standing.find(isBaseline);
    const gain = (row) => (baseline && row.fitness !== undefined ? this.merit(row) - this.merit(baseline) : undefined);
    this.#ranking = { order, rank, best: standing.find((row) => !isBaseline(row)), baseline, gain };
    return this.#ranking;
  }

  // Value of a figure of `words.FIGURES`.
  value(row, key) {
    if (key === "merit") return row.fitness === undefined ? undefined : this.merit(row);
    return key === "gain" ? this.ranking.gain(row) : row[key];
  }

  // The ids from an experiment back to its first ancestor.
  line(id) {
    const ids = [];
    for (let each = id; each && this.rows.has(each) && !ids.includes(each); each = this.rows.get(each).parent) ids.push(each);
    return ids;
  }
}

const compare = (a, b) => a.limit - b.limit || b.merit - a.merit || b.judge - a.judge || a.row.opened - b.row.opened;
