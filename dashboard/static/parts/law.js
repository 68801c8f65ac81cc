// The law of discovery by arm, and how the rungs of the ladder agree: what `move37 law` and the pages of campaigns say.

import { h } from "./dom.js";
import { lineChart } from "./charts.js";
import { intervalBar } from "./interval.js";
import { NONE, count, number, signed } from "./words.js";

const CHARTED = 6, GROWTHS = ["slower", "linear", "faster"];
const num = (text) => h("td", { class: "num" }, text);
const bar = (value, [low, high], range, mark, text) => h("td", { class: "bar-cell" }, intervalBar(value, low, high, range, { mark, digits: 2 }), h("small", {}, `${text(low, 2)} to ${text(high, 2)}`));

function growth(name, { count: found, law }, range) {
  const known = law?.interval && found;
  const words = !known ? "too few to tell" : GROWTHS.includes(law.growth) ? `grows ${law.growth}` : law.growth;
  return [h("td", { class: "short" }, name), num(count(found)), num(known ? number(law.exponent, 2) : NONE),
    known ? bar(law.exponent, law.interval, range, 1, number) : h("td", {}), h("td", { title: known ? `p of a constant rate ${law.constant_rate_p.toPrecision(2)}` : null }, found ? words : "nothing found")];
}

// Returns the rows of the law; what an arm spent stands once next to what it found.
export function lawRows(law) {
  const highs = law.flatMap((row) => [row.discoveries, row.hits]).map((each) => each.law?.interval?.[1] ?? 0), range = [0, Math.max(2, ...highs)];
  return law.flatMap((row) => {
    const all = (tag, properties, ...children) => h(tag, { rowspan: 2, ...properties }, ...children);
    return [h("tr", { data: { arm: row.arm } }, all("th", { scope: "row" }, row.arm.replaceAll("_", " ")), [count(row.experiments), count(row.failed), number(row.seconds / 3600, 2)].map((text) => all("td", { class: "num" }, text)), growth("discoveries", row.discoveries, range)),
      h("tr", {}, growth("screening hits", row.hits, range))];
  });
}
export const LAW_HEADS = ["arm", "#experiments", "#failed", "#hours of runs", "found", "#number", "#exponent", "95 % interval", "growth"];

// Returns the chart of screening hits over experiments, the arms with most of them.
export const lawChart = (law) => lineChart("Screening hits", [...law].sort((a, b) => b.experiments - a.experiments).slice(0, CHARTED).map((row) => ({ label: row.arm.replaceAll("_", " "), points: [[0, 0], ...row.curve] })), { x: "experiments", y: "screening hits", height: 200 });

const rho = ({ value, interval, designs }) => (value === null ? h("td", { class: "quiet" }, `${NONE} (${count(designs)} designs)`) : bar(value, interval, [-1, 1], 0, signed));

// Returns a row for each two neighbouring rungs.
export const rungRows = (rungs) => rungs.map((row) => h("tr", {}, h("th", { scope: "row" }, row.lower), h("td", {}, row.upper), num(count(row.over_all.designs)),
  num(signed(row.over_all.value, 2)), rho(row.over_all), num(signed(row.best.value, 2)), rho(row.best)));
export const RUNG_HEADS = ["from", "to", "#designs", "#Spearman's ρ", "95 % interval", "#within the best quarter", "95 % interval"];
