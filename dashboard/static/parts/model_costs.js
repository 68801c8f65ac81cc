// What language models took: a row for each agent and its model, failures in words.

import { h } from "./dom.js";
import { NONE, compact, count } from "./words.js";

const money = (value) => (value === null || value === undefined ? NONE : Number(value.toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 6 }));
const LIMITS = { cost: ["cost", money], tokens: ["tokens", count], requests: ["requests", count] };

export function modelCosts({ rows, experiments, limits }) {
  const num = (...content) => h("td", { class: "num" }, ...content);
  const heads = ["agent", "model", "#answered", "#tokens", "#cost", "no answer because"];
  const named = Object.entries(limits ?? {}).map(([key, value]) => `${LIMITS[key][0]} ${LIMITS[key][1](value)}`);
  const dearest = (experiments ?? []).map(({ id, tokens, cost }) => `${id} ${compact(tokens)} tokens${cost ? `, cost ${money(cost)}` : ""}`);
  return [
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Language models" }, h("table", {},
      h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col", class: text.startsWith("#") ? "num" : null }, text.replace("#", ""))))),
      h("tbody", {}, rows.map((row) => h("tr", { data: { agent: row.agent } }, h("th", { scope: "row" }, row.agent), h("td", { class: "mono" }, row.model || NONE),
        num(`${count(row.answered)} of ${count(row.asked)}`), num(h("span", { title: count(row.tokens) }, compact(row.tokens))), num(money(row.cost), row.unpriced && row.cost !== null ? h("span", { class: "quiet" }, ` (${count(row.unpriced)} without a price)`) : null),
        h("td", { class: "long", title: row.why }, Object.entries(row.failures).map(([words, times], index) => [index ? ", " : "", `${words} (${count(times)})`]), row.circuit_open ? h("strong", {}, "; the circuit is open") : null)))))),
    dearest.length ? h("p", { class: "quiet" }, `Most went to ${dearest.join("; ")}.`) : null,
    named.length ? h("p", { class: "quiet" }, `The campaign may take: ${named.join(", ")}.`) : null,
  ];
}
