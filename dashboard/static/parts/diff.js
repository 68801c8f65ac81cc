// Two sources next to each other, with what was removed and what was added.

import { diffLines } from "../vendor/diff/diff/line.js";
import { h } from "./dom.js";
import { lines } from "./highlight.js";

// Returns rows of [old line number or 0, new line number or 0].
export function alignment(before, after) {
  const rows = [];
  let [left, right, gone] = [0, 0, []];
  const flush = () => { rows.push(...gone.map((line) => [line, 0])); gone = []; };
  for (const part of diffLines(before, after)) {
    for (let index = 0; index < part.count; index += 1) {
      if (part.removed) gone.push(left += 1);
      else if (part.added) rows.push([gone.shift() ?? 0, right += 1]);
      else { flush(); rows.push([left += 1, right += 1]); }
    }
    if (part.added) flush();
  }
  flush();
  return rows;
}

export function sideBySide(before, after, [leftName, rightName]) {
  const rows = alignment(before, after);
  const same = (() => { const [a, b] = [before.split("\n"), after.split("\n")]; return ([x, y]) => x && y && a[x - 1] === b[y - 1]; })();
  const side = (name, source, place, mark) => {
    const content = lines(source);
    return h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": `Source of ${name}` }, rows.map((row) => {
      const number = row[place];
      const kind = number ? (same(row) ? "line" : `line ${mark}`) : "line void";
      return h("span", { class: kind, data: { n: number || "" } }, number && content[number - 1].length ? content[number - 1] : "\u00a0");
    }));
  };
  const changed = rows.filter((row) => !same(row)).length;
  return h("div", { data: { changed } },
    h("p", { class: "quiet" }, changed ? `${changed} lines differ` : "The sources are the same."),
    h("div", { class: "diff" }, side(leftName, before, 0, "gone"), side(rightName, after, 1, "come")));
}
