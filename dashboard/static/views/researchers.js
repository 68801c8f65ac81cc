// Researchers: the programs that a campaign searches among, how each did on landscapes, and from which others it comes.

import { fill, h } from "../parts/dom.js";
import { sideBySide } from "../parts/diff.js";
import { code } from "../parts/highlight.js";
import { intervalBar } from "../parts/interval.js";
import { NONE, count, number, plural, signed } from "../parts/words.js";

const SPLITS = { search: "search", validation: "validation", held_out: "held out" };
const ABOUT = "gain over random search per unit of compute, in standard deviations of random designs, mean over families";
const kind = (event) => event.type.split(".")[0];

const link = (row) => h("a", { class: "name", title: row.name, href: `#/researchers/${encodeURIComponent(row.id)}` }, h("b", {}, row.id), h("span", {}, row.name));
const fitness = (value) => (value === null || value === undefined ? NONE : number(value));

// Returns programs, the best on the latest landscapes that they have seen first; those that failed last.
function ranked(programs) {
  const key = (row) => [row.held_out, row.validation, row.search].map((value) => value ?? -Infinity);
  const compare = (a, b) => { const place = a.findIndex((value, index) => value !== b[index]); return place < 0 ? 0 : b[place] - a[place]; };
  return [...programs].sort((a, b) => compare(key(a), key(b)) || a.number - b.number);
}

export class ResearchersView {
  title = "Researchers";

  constructor(store) { this.store = store; }

  mount(main, { path: [id] }) {
    Object.assign(this, { main, id });
    return this.#draw();
  }

  unmount() { this.asked = null; }

  update(what) { if (what === "rows") this.#draw(); }

  #draw() {
    const { programs } = this.store, { id } = this, row = programs.find((each) => each.id === id);
    this.title = row?.label ?? "Researchers";
    if (id && !row) { fill(this.main, h("h1", {}, id), h("p", { class: "empty" }, "The log has no such program at this position.")); return null; }
    if (row) return this.#program(row);
    this.asked = null;
    return this.#list();
  }

  #list() {
    const { programs } = this.store, promoted = programs.filter((row) => row.promotion);
    const failed = programs.filter((row) => row.failed).length;
    fill(this.main, h("div", { class: "title" }, h("h1", {}, this.title), h("p", {}, `${plural(programs.length, "program")}, ${count(failed)} failed, ${count(promoted.length)} promoted`)),
      programs.length ? h("div", { class: "sections" }, promoted.length ? this.#promotions(promoted) : null, this.#table(ranked(programs))) : h("p", { class: "empty" }, "This campaign searches among no researcher programs."));
  }

  #promotions(promoted) {
    const ends = promoted.flatMap((row) => row.promotion), range = [Math.min(0, ...ends), Math.max(0, ...ends)];
    return h("section", { class: "card", "aria-label": "Promoted" }, h("header", {}, h("h2", {}, "Promoted")),
      h("p", { class: "note" }, "Better than the best seed on landscapes that neither was chosen on: mean paired difference with a 95 % interval."),
      h("ol", { class: "verdicts" }, promoted.map((row) => { const [gain, low, high] = row.promotion; return h("li", {}, link(row), h("p", {}, `${signed(gain)} over ${row.over}, ${signed(low)} to ${signed(high)}, ${plural(row.landscapes, "landscape")}`), intervalBar(gain, low, high, range)); })));
  }

  #table(programs) {
    const heads = ["program", "how", "from", ...Object.values(SPLITS), "CPU s", "state"];
    return h("section", { class: "card", "aria-label": "Programs" }, h("p", { class: "note" }, `Fitness: ${ABOUT}. Programs evolve on search, the winner is chosen on validation, and held out is seen once.`),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Programs" }, h("table", { class: "programs" },
        h("thead", {}, h("tr", {}, heads.map((head, index) => h("th", { scope: "col", class: index > 2 && index < 7 ? "num" : null }, head)))),
        h("tbody", {}, programs.map((row) => h("tr", { data: { id: row.id } }, h("th", { scope: "row" }, link(row)), h("td", {}, row.operator), h("td", {}, (row.parents ?? []).map((parent, index) => [index ? ", " : "", this.#name(parent)])),
          Object.keys(SPLITS).map((split) => h("td", { class: "num" }, fitness(row[split]))), h("td", { class: "num" }, row.cpu_seconds === undefined ? NONE : number(row.cpu_seconds, 1)), h("td", {}, this.#state(row))))))));
  }

  #name(id) { return this.store.rows.has(id) ? h("a", { href: `#/researchers/${encodeURIComponent(id)}` }, id) : id; }

  #state(row) {
    if (row.vetoed) return h("span", { class: "chip warn" }, "vetoed");
    if (row.promotion) return h("span", { class: "chip good" }, "promoted");
    if (row.failed) return [h("span", { class: "chip bad" }, "failed"), h("span", { class: "quiet" }, ` ${row.failed}`)];
    return h("span", { class: "chip" }, row.search === undefined ? "proposed" : "evaluated");
  }

  async #program(row) {
    const { store } = this, parent = store.rows.get(row.parent);
    const asked = this.asked = {};
    const [own, other] = await Promise.all([this.#source(row.id), parent ? this.#source(parent.id) : null]);
    if (asked !== this.asked) return; // another page is shown by now
    const line = store.line(row.id).reverse().map((id) => store.rows.get(id)), children = store.programs.filter((each) => each.parents?.includes(row.id));
    const facts = [["how it came about", row.operator], ["from", row.parents?.length ? row.parents.map((id, index) => [index ? ", " : "", this.#name(id)]) : "nothing"], ...Object.entries(SPLITS).map(([split, words]) => [`fitness, ${words}`, fitness(row[split])]), ["children", children.length ? children.map((each, index) => [index ? ", " : "", this.#name(each.id)]) : "none"]];
    fill(this.main, h("div", { class: "title" }, h("h1", { title: row.name }, row.label), this.#state(row), h("div", { class: "tools" }, h("a", { class: "button", href: "#/researchers" }, "All programs"))),
      h("div", { class: "sections" }, h("section", { class: "card", "aria-label": "Figures" }, h("dl", { class: "facts" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))))),
        h("section", { class: "card", "aria-label": "Line" }, h("header", {}, h("h2", {}, "Its line")), h("ol", { class: "path" }, line.map((each, index) => h("li", {}, link(each), h("div", { class: "quiet" }, each.operator, " ", fitness(each.search), index && each.search !== undefined && line[index - 1].search !== undefined ? [" ", h("strong", {}, signed(each.search - line[index - 1].search))] : null))))),
        own ? h("section", { class: "card", "aria-label": "Source" }, h("header", {}, h("h2", {}, other ? `Source, against ${parent.id}` : "Source")), other ? sideBySide(other, own, [parent.id, row.id]) : code(own)) : null));
  }

  async #source(id) {
    const events = await this.store.source.experiment(id).catch(() => []);
    return events.find((event) => kind(event) === "ResearcherProposed")?.data.source ?? "";
  }
}
