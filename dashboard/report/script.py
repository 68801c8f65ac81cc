"""The report's script: sorts tables, filters rows, opens the records that links point to. It is optional."""

SCRIPT = """
"use strict";
const valueOf = (cell, kind) => {
  if (kind !== "number") return cell.textContent.trim().toLowerCase();
  return "value" in cell.dataset ? Number(cell.dataset.value) : undefined;
};
const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.querySelectorAll("th[data-sort]").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.dataset.sort === "number" && head.cellIndex > 0 ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const missing = (value) => value === undefined || value === "\\u2013";
      body.append(...[...body.rows].sort((a, b) => {
        const [x, y] = [a, b].map((row) => valueOf(row.cells[head.cellIndex], head.dataset.sort));
        return missing(x) || missing(y) ? missing(x) - missing(y) : sign * compare(x, y);
      }));
    });
  });
}
for (const label of document.querySelectorAll(".filter")) {
  label.hidden = false;
  const rows = document.querySelectorAll(label.dataset.rows);
  label.querySelector("input").addEventListener("input", (event) => {
    const query = event.target.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(query);
  });
}
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) { target.hidden = false; target.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", open);
open();
"""
