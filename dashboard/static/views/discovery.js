// Discovery: who climbs the ladder, the evidence of each look, verdicts, placebos, control arms, the law, how rungs agree,
// what units and formulas are worth, insights.

import { fill, h, newest, throttled } from "../parts/dom.js";
import { intervalBar } from "../parts/interval.js";
import { LAW_HEADS, RUNG_HEADS, lawChart, lawRows, rungRows } from "../parts/law.js";
import { count, number, percent, plural, signed } from "../parts/words.js";
import { experimentName } from "../parts/entries.js";

const ASK_MS = 1500;
const TONE = { confirmed: "good", passed: "good", refuted: "bad", failed: "bad", vetoed: "bad", running: "accent", undecided: "warn", "no place left": "base", helps: "good", hurts: "bad", coined: "good", tried: "base", "placebo passed": "bad", "placebo failed": "good" };
const PLACEBO_TONE = { passed: "bad", failed: "good" }; // a baseline that passes is a false discovery
const chip = (words, tone = TONE) => h("span", { class: `chip ${tone[words] ?? ""}` }, words);
const isPlacebo = (id) => id.startsWith("placebo-");
const events = (id, types) => `#/log?filter=${encodeURIComponent(`experiment:${id} type:${types}`)}`;
const ofClimb = (id) => events(id, "PromotionDecided,EvidenceReady,DiscoveryConfirmed,DiscoveryRefuted");
const interval = (value, low, high, range, options = {}) => h("td", { class: "bar-cell" }, intervalBar(value, low, high, range, options), h("small", {}, `${signed(low, options.digits)} to ${signed(high, options.digits)}`));
const num = (text) => h("td", { class: "num" }, text);

// Returns a table; heads that begin with # are of numbers.
function table(label, heads, rows) {
  const head = heads.map((text) => h("th", { scope: "col", class: text.startsWith("#") ? "num" : null }, text.replace("#", "")));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
}

export class DiscoveryView {
  title = "Discovery";

  constructor(store) {
    this.store = store;
    this.ask = newest(() => this.#ask());
    this.refresh = throttled(() => this.ask(), ASK_MS);
  }

  async mount(main) {
    this.body = h("div", { class: "sections" }, h("p", { class: "quiet loading" }, "Asking memory …"));
    this.caption = h("p", {});
    fill(main, h("div", { class: "title" }, h("h1", {}, "Discovery"), this.caption), this.body);
    await this.ask();
  }

  update(what) {
    if (what === "at") this.ask(); // at once: somebody waits for it
    else if (what === "log" && !this.store.past) this.refresh();
  }

  async #ask() {
    const { store, body } = this, wanted = store.at;
    try {
      const known = await store.source.discovery(wanted);
      if (wanted === store.at && body === this.body) this.#draw(known);
    } catch (error) {
      if (wanted === store.at && body === this.body) fill(body, h("p", { class: "error", role: "alert" }, error.message));
    }
  }

  #draw(known) {
    const card = (heading, part, content, note) => content && h("section", { class: "card", data: { part } }, h("header", {}, h("h2", {}, heading)), note ? h("p", { class: "note" }, note) : null, content);
    if (!known?.at) { fill(this.caption); fill(this.body, h("p", { class: "empty" }, "Nothing is known yet.")); return; }
    const { plan } = known;
    fill(this.caption, `as of position ${count(known.at)}`);
    fill(this.body,
      plan ? [card("Ladder", "ladder", this.#ladder(known), planText(plan)), card("Verdicts", "verdicts", this.#verdicts(known)),
        card("Placebos", "placebos", this.#placebos(known)),
        card("Evidence", "evidence", this.#evidence(known), "Gain over each baseline in nats per byte of sealed text, with its 95 % interval. A claim needs its e-value against every baseline.")]
        : h("p", { class: "empty", data: { part: "no-plan" } }, "This campaign has no plan of verification: its scores are screening, and nothing is claimed."),
      card("Arms", "arms", this.#arms(known), "Screening by arm; losses in nats per byte. The controls work without guidance."),
      card("The law of discovery", "law", this.#law(known), "How what each arm finds grows with its experiments, N = a·C^b: an exponent above 1 is faster than a constant rate. A screening hit is better than the best baseline by one score of one seed; it is no discovery."),
      card("From rung to rung", "rungs", this.#rungs(known), "Whether the designs that are good at one rung are good at the next. Fewer than six say nothing; an interval that includes 0 is a warning."),
      card("What units are worth", "effects", this.#effects(known), `Gain in the objective, in seed noises, over ${plural(known.analysed, "analysed experiment")}, with its 95 % interval.`),
      card("What forecasts were worth", "forecasts", this.#forecasts(known), "Designs that a model chose by what it expected of them, in seed noises."),
      card("Formulas", "formulas", this.#formulas(known), "Put into other designs, to see what they gain there, in seed noises. One that gains evidently is coined: the search draws it as a unit."),
      card("Insights", "insights", this.#insights(known), known.insights && `Of ${plural(known.insights.analysed, "analysed experiment")}, by ${known.insights.written_by}.`));
  }

  #ladder({ ladder, plan }) {
    if (!ladder.length) return h("p", { class: "empty" }, "Nobody climbs yet.");
    return table("Ladder", ["candidate", "rung", "#look", "#seeds done", "standing", "newest evidence", "in the log"], ladder.map((row) => h("tr", { data: { id: row.candidate } },
      h("th", { scope: "row" }, experimentName(this.store, row.candidate), row.placebo_of ? h("span", { class: "quiet" }, ` ${row.placebo_of} under another name`) : null), h("td", { class: "short" }, `${row.rung} (${plan.rungs.findIndex(({ name }) => name === row.rung) + 1} of ${plan.rungs.length})`), num(row.look),
      num(`${row.done} of ${row.seeds}${row.tunes ? " rates" : ""}`), h("td", {}, chip(row.standing)), h("td", { class: "long" }, row.evidence || h("span", { class: "quiet" }, "none yet")), h("td", {}, h("a", { href: ofClimb(row.candidate), "aria-label": `events of the climb of ${row.candidate}` }, "events")))));
  }

  #verdicts({ verdicts, empty_places: empty }) {
    if (!verdicts.length && !empty.length) return null;
    return h("ul", { class: "verdicts" }, verdicts.map((one) => h("li", { data: { id: one.candidate } }, h("span", {}, chip(one.confirmed ? "confirmed" : "refuted")), experimentName(this.store, one.candidate),
      h("a", { href: events(one.candidate, one.confirmed ? "DiscoveryConfirmed" : "DiscoveryRefuted") }, `event ${one.seq}`), h("p", {}, one.why))),
    empty.map((one) => h("li", {}, h("span", {}, h("span", { class: "chip base" }, "empty")), h("span", {}, `place ${one.place}`), h("span", { class: "quiet" }, `event ${one.seq}`), h("p", {}, one.why))));
  }

  #evidence({ evidence, plan }) {
    const against = evidence.flatMap((look) => look.baselines);
    if (!against.length) return evidence.length ? table("Evidence", ["candidate", "outcome", "reason"], evidence.map((look) => h("tr", {}, h("th", { scope: "row" }, look.candidate), h("td", {}, chip(look.outcome)), h("td", {}, look.why)))) : null;
    const range = rangeOf(against);
    const heads = ["#event", "candidate", "rung", "#look", "#seeds", "against", "#gain", "95 % interval", "#e-value", "outcome"];
    return table("Evidence", heads, evidence.flatMap((look) => this.#look(look, range, plan)));
  }

  // One row for each baseline, and what they share once; a look that compared nothing has the reason instead.
  #look(look, range, plan) {
    const all = (tag, properties, ...children) => h(tag, { rowspan: look.baselines.length || 1, ...properties }, ...children);
    const shared = [all("td", { class: "num" }, h("a", { href: events(look.candidate, "EvidenceReady"), "aria-label": `event ${look.seq} in the log` }, look.seq)),
      all("th", { scope: "row" }, experimentName(this.store, look.candidate)), all("td", {}, look.rung), all("td", { class: "num" }, look.look), all("td", { class: "num" }, look.seeds)];
    const outcome = all("td", { title: look.why }, chip(look.outcome, isPlacebo(look.candidate) ? PLACEBO_TONE : TONE));
    if (!look.baselines.length) return [h("tr", { data: { look: look.seq } }, shared, h("td", { colspan: 4 }, look.why), outcome)];
    return look.baselines.map((one, index) => h("tr", { data: { look: look.seq, baseline: one.baseline } }, index ? null : shared,
      h("td", {}, experimentName(this.store, one.baseline)), num(signed(one.gain, 4)), interval(one.gain, one.low, one.high, range, { mark: plan.margin, digits: 4 }),
      num([eValue(one.e_value), h("span", { class: "quiet" }, ` of ${eValue(look.needed)}`)]), index ? null : outcome));
  }

  #placebos({ placebos: { begun, ended, passed, interval: rate } }) {
    if (!begun) return h("p", {}, "No baseline has climbed as a placebo, so the rate of false discoveries was not measured.");
    const measured = rate ? `It passed in ${count(passed)} of ${plural(ended, "climb that ended", "climbs that ended")}: a rate of false discoveries between ${percent(rate[0])} and ${percent(rate[1])} (exact interval of 95 %).` : "No such climb has ended.";
    return h("p", {}, "The best baseline climbs again under another name and with other seeds, so it has no gain. ", measured, begun > ended ? ` ${count(begun - ended)} under way.` : null);
  }

  #law({ law }) { return law.length ? [table("The law of discovery", LAW_HEADS, lawRows(law)), lawChart(law)] : null; }

  #rungs({ rungs }) { return rungs.length ? table("From rung to rung", RUNG_HEADS, rungRows(rungs)) : null; }

  #arms({ arms }) {
    if (!arms.length) return null;
    return table("Arms", ["arm", "#designs", "#scored", "#best loss", "#mean loss", "#mean objective", "#tokens", "#climbed", "#confirmed"], arms.map((row) => h("tr", { data: { arm: row.arm } },
      h("th", { scope: "row" }, row.arm.replaceAll("_", " ")), [count(row.opened), count(row.analysed), number(row.best_loss), number(row.mean_loss), number(row.mean_objective), count(Math.round(row.tokens)), count(row.climbed), count(row.confirmed)].map(num))));
  }

  #formulas({ formulas = [] }) {
    if (!formulas.length) return null;
    return table("Formulas", ["formula", "first in", "#designs", "#failed", "#mean gain", "state"], formulas.map((row) => h("tr", { data: { unit: row.unit } },
      h("th", { scope: "row", class: "mono unit", title: row.unit }, row.unit), h("td", {}, experimentName(this.store, row.experiment)), num(count(row.grafts.length)), num(count(row.failed)),
      num(row.gain === null ? "" : signed(row.gain)), h("td", {}, chip(row.coined ? "coined" : "tried")))));
  }

  #forecasts({ forecasts }) {
    if (!forecasts) return null;
    const { designs, correlation, low, high, mean_absolute: error, bias, verdict } = forecasts;
    const known = correlation !== null;
    return table("Forecasts", ["#designs", "#rank correlation", "95 % interval", "verdict", "#mean absolute error", "#mean error"], [h("tr", {}, num(count(designs)), num(known ? signed(correlation) : ""),
      known ? interval(correlation, low, high, [-1, 1]) : h("td", {}), h("td", {}, chip(verdict)), num(number(error)), num(signed(bias)))]);
  }

  #insights({ insights }) {
    if (!insights) return null;
    const parts = [["What worked", insights.worked], ["What did not", insights.failed], ["Open", insights.questions]];
    return h("div", { class: "insights" }, parts.filter(([, lines]) => lines.length).map(([heading, lines]) => [h("h3", {}, heading), h("ul", {}, lines.map((line) => h("li", {}, line)))]));
  }

  #effects({ effects, units }) {
    if (!effects.length) return null;
    const range = rangeOf(effects);
    return [table("Effects of units", ["unit", "#designs", "#effect", "95 % interval", "verdict"], effects.map((row) => h("tr", { data: { unit: row.unit } }, h("th", { scope: "row", class: "mono unit", title: row.name }, row.name), num(count(row.designs)),
      num(signed(row.effect)), interval(row.effect, row.low, row.high, range), h("td", {}, chip(row.verdict))))),
    units > effects.length ? h("p", { class: "quiet" }, `The ${units - effects.length} units in the middle are left out.`) : null];
  }
}

const eValue = (value) => (value >= 1e5 ? value.toExponential(1) : Number(value.toPrecision(3)).toLocaleString("en-US"));
const rangeOf = (rows) => [Math.min(0, ...rows.map((row) => row.low)), Math.max(0, ...rows.map((row) => row.high))];
const planText = ({ rungs, places, margin, alpha, rates }) =>
  `${plural(places, "place")}; ${rungs.map(({ name, seeds }) => `${name} with at most ${seeds} seeds`).join(", then ")}${rates.length ? `, each at its best of ${rates.join(", ")} times the learning rate` : ""}; a gain above ${number(margin)} at a false-discovery rate of ${alpha}.`;
