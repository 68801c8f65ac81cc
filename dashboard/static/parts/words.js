// The words and figures of the whole page: one name, one unit and one number of digits for each thing.

import { h } from "./dom.js";

export const NONE = "–";

// Words for each status; the report has the same (`dashboard/report/scores.py`).
export const STATUS = {
  queued: "waiting", running: "under way", quarantined: "in quarantine", analysed: "analysed",
  failed: "given up", rejected: "rejected", imported: "imported",
};
const STATUS_CHIP = { running: "accent", quarantined: "warn", analysed: "good", failed: "bad", rejected: "bad" };

export const number = (value, digits = 3) =>
  (value === null || value === undefined || Number.isNaN(value) ? NONE : value.toFixed(digits).replace("-", "−"));
export const signed = (value, digits = 3) =>
  (value === null || value === undefined ? NONE : `${value >= 0 ? "+" : ""}${number(value, digits)}`);
export const count = (value) => (value === null || value === undefined ? NONE : value.toLocaleString("en-US"));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (value) => (value === null || value === undefined ? NONE : `${Math.round(100 * value)}%`);

// 1,234,567 → 1.23 M; the unit is that of the rounded value, so 999,500 is 1.00 M.
export function compact(value) {
  if (value === null || value === undefined) return NONE;
  const rounded = Number(value.toPrecision(3));
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(rounded) >= size) return `${(rounded / size).toPrecision(3)} ${unit}`;
  }
  return String(Math.round(value));
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const total = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60)];
  if (hours) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return minutes ? `${minutes} min ${String(total % 60).padStart(2, "0")} s` : `${total} s`;
}

export const clock = (time) => new Date(1000 * time).toISOString().slice(11, 19);
export const timeElement = (time) => {
  const iso = new Date(1000 * time).toISOString();
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, clock(time));
};

// Columns of figures: the key of a row, the head, how it reads, whether more is better, and what it means.
export const FIGURES = {
  merit: { head: "score", digits: 3, better: 1, about: "what experiments are ranked by" },
  gain: { head: "Δ baseline", digits: 3, better: 1, signed: true, about: "score minus that of the best baseline" },
  fitness: { head: "fitness", digits: 3, better: 1, about: "mean of loss, benchmark and judge" },
  loss: { head: "text loss", digits: 3, better: -1, about: "nats per byte of held-out text" },
  recall: { head: "recall", digits: 3, better: 1, about: "accuracy on associative recall" },
  parameters: { head: "parameters", digits: 0, better: 0, about: "trainable parameters" },
  flops_per_token: { head: "FLOPs / token", digits: 0, better: -1, about: "of a forward pass" },
  seconds: { head: "seconds", digits: 1, better: -1, about: "wall time of the run" },
};

export function figure(key, value) {
  const kind = FIGURES[key];
  if (value === null || value === undefined) return NONE;
  if (kind.digits === 0) return compact(value);
  return kind.signed ? signed(value, kind.digits) : number(value, kind.digits);
}

export const statusChip = (row) => h("span", { class: `chip ${STATUS_CHIP[row.status] ?? ""}` },
  row.vetoed ? "vetoed" : STATUS[row.status] ?? "opened");

// Returns an experiment's name as a link: id and short name, the whole name on hover.
export function nameOf(row, { link = true } = {}) {
  const [id, short] = row.label.includes(" · ") ? row.label.split(" · ") : [row.label, ""];
  const content = [h("b", {}, id), short ? h("span", {}, short) : null];
  const title = row.name && row.name !== row.id ? `${row.id} ${row.name}` : row.id;
  return h("span", { class: "name", title }, link ? h("a", { href: `#/experiment/${encodeURIComponent(row.id)}` }, content) : content);
}

export const isBaseline = (row) => row.origin === "baseline" || row.id.startsWith("base-");
export const stage = (row) => (row.attempt ? `${row.stage} (repair ${row.attempt})` : row.stage ?? "opened");
