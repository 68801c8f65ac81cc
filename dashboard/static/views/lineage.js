// Lineage: who descends from whom, on a canvas that zooms; failures shown; the best line with the gain of each step.

import { colour, fill, h } from "../parts/dom.js";
import { scaled } from "../parts/charts.js";
import { FIGURES, STATUS, count, figure, isBaseline, nameOf, number, signed, statusChip } from "../parts/words.js";

const ROOT = "";
const STEP_Y = 15;
const STEP_X = [36, 190];
const RAMP = ["f0", "f1", "f2", "f3", "f4"];
const ID_ZOOM = 0.45; // ids have space from here on,
const LABEL_ZOOM = 0.7; // and whole names
const MANY = 1000; // more nodes of one look are drawn as plain squares, which fill several times as fast
const LOWEST_CANVAS = 260; // pixels
const { d3 } = globalThis;

const range = (values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];

// Returns a text, cut where the room ends: letters that are squeezed can't be read.
function clipped(context, text, room) {
  const width = context.measureText(text).width;
  return width <= room ? text : `${text.slice(0, Math.max(1, Math.floor((text.length * room) / width) - 1))}…`;
}

// Returns the children of each experiment by its id, the nodes of their tree with the node that each comes `from`, the
// nodes by their ids, and the ends of the tree. The distance of two generations is not known yet, so each x is 0.
function placed(experiments, collapsed) {
  const rows = new Map(experiments.filter((row) => row.status).map((row) => [row.id, row]));
  const children = new Map([[ROOT, []], ...[...rows.keys()].map((id) => [id, []])]);
  for (const row of rows.values()) children.get(rows.get(row.parent)?.opened < row.opened ? row.parent : ROOT).push(row.id);
  const root = d3.hierarchy(ROOT, (id) => (collapsed.has(id) ? null : children.get(id)));
  d3.tree().nodeSize([STEP_Y, 1]).separation((a, b) => (a.parent === b.parent ? 1 : 1.5))(root);
  const place = new Map(), ends = { low: 0, high: 0, depth: 1 };
  root.eachBefore(({ data, x, depth, parent }) => {
    if (data === ROOT) return;
    place.set(data, { x: 0, y: x, generation: depth - 1, row: rows.get(data), parent: parent.data, from: place.get(parent.data) });
    [ends.low, ends.high, ends.depth] = [Math.min(ends.low, x), Math.max(ends.high, x), Math.max(ends.depth, depth)];
  });
  return { experiments, children, nodes: [...place.values()], place, ends };
}

let whole = null; // the newest tree without collapsed nodes

function wholeTree(experiments) {
  if (whole?.experiments !== experiments) whole = placed(experiments, new Set());
  return whole;
}

// Places a large tree while the page has nothing to do, so that its first sight does not wait.
export function prepareLineage(store) { if (store.experiments.length > MANY) wholeTree(store.experiments); }

export class LineageView {
  title = "Lineage";
  key = "merit";
  collapsed = new Set();
  selected = null;

  constructor(store) { this.store = store; }

  mount(main, { query }) {
    this.selected = query.get("select") ?? this.selected;
    const key = h("select", { "aria-label": "Colour by", on: { change: (event) => { this.key = event.target.value; this.#paint(); this.#legend(); } } }, this.store.figures.map((name) => h("option", { value: name, selected: name === this.key }, `colour by ${name === "merit" ? this.store.meritName : FIGURES[name].head}`)));
    const tool = (words, action) => h("button", { on: { click: action } }, words);
    this.canvas = h("canvas", { tabindex: "0", role: "img", on: { keydown: (event) => this.#keys(event), dblclick: () => this.#toggle(this.selected) } });
    this.tip = h("div", { class: "tip" });
    this.box = h("div", { class: "tree" }, this.canvas, this.tip);
    this.legend = h("ul", { class: "legend" });
    this.caption = h("p", {});
    this.detail = h("p", { class: "quiet", role: "status" });
    this.line = h("div", { class: "part", data: { part: "line" } });
    fill(main, h("div", { class: "title" }, h("h1", {}, "Lineage"), this.caption, h("div", { class: "tools" }, key, tool("Fit", () => this.#fit()), tool("Collapse leaves", () => this.#leaves()), tool("Expand all", () => { this.collapsed.clear(); this.#layout(); this.#fit(); }))),
      h("div", { class: "sections" }, h("section", { class: "card", "aria-label": "Tree" }, this.legend, this.box, this.detail), h("section", { class: "card" }, h("header", {}, h("h2", {}, "The best line")), this.line)));
    this.zoom = d3.zoom().scaleExtent([0.04, 4]).on("zoom", ({ transform }) => { this.transform = transform; this.#paint(); });
    this.transform = d3.zoomIdentity;
    d3.select(this.canvas).call(this.zoom).on("dblclick.zoom", null);
    this.canvas.addEventListener("pointermove", (event) => this.#hover(event));
    this.canvas.addEventListener("pointerleave", () => fill(this.tip));
    this.canvas.addEventListener("click", (event) => this.#click(event));
    new ResizeObserver(() => { if (this.canvas.isConnected) { this.#paint(); if (!this.fitted) this.#fit(); } }).observe(this.canvas);
    this.fitted = false;
    this.update("rows");
  }

  update(what) {
    if (what !== "rows" && what !== "standing") return;
    this.#layout();
    this.#legend();
    this.#best();
    if (this.selected) this.#select(this.selected, { move: !this.fitted });
  }

  repaint() { this.#paint(); this.#legend(); }

  #layout() {
    const { store } = this, { children, nodes, place, ends } = this.collapsed.size ? placed(store.experiments, this.collapsed) : wholeTree(store.experiments);
    Object.assign(this, { children, nodes, place });
    this.canvas.style.height = `${Math.max(LOWEST_CANVAS, 1.3 * (ends.high - ends.low) + 90)}px`; // the style sheet says how high at most
    this.step = this.#step(ends);
    for (const node of nodes) node.x = node.generation * this.step;
    this.path = new Set(store.ranking.best ? store.line(store.ranking.best.id) : []);
    fill(this.caption, `${count(children.size - 1)} experiments, ${count(children.get(ROOT).length)} without a parent`);
    this.canvas.setAttribute("aria-label", `Lineage of ${children.size - 1} experiments. Arrow keys move, Enter opens, space collapses.`);
    Object.assign(this.canvas.dataset, { nodes: this.nodes.length, collapsed: this.collapsed.size });
    this.#paint();
  }

  // Returns the distance of two generations at which the tree has the proportions of the canvas; a tree of few
  // generations takes the room for its names that the canvas has.
  #step({ low, high, depth }) {
    const height = high - low + 2 * STEP_Y;
    const wanted = (height * (this.canvas.clientWidth || 1000)) / (this.canvas.clientHeight || 500) / depth;
    const roomy = (this.canvas.clientWidth || 1000) / (depth + 0.5);
    return Math.max(STEP_X[0], Math.min(STEP_X[1], Math.max(wanted, roomy)));
  }

  #ramp() {
    if (this.ramp?.nodes !== this.nodes || this.ramp.key !== this.key) this.ramp = { nodes: this.nodes, key: this.key, ...this.#shades() };
    return this.ramp;
  }

  #shades() {
    const values = Float64Array.from(this.nodes.map(({ row }) => this.store.value(row, this.key)).filter((value) => value !== undefined)).sort();
    const cuts = [0.2, 0.4, 0.6, 0.8].map((share) => values[Math.floor(share * values.length)]);
    const flip = FIGURES[this.key].better < 0;
    return { values, shade: (value) => { const fifth = cuts.filter((cut) => value >= cut).length; return RAMP[flip ? 4 - fifth : fifth]; } };
  }

  // Paints before the next frame, once however often it is asked for: layout, fit and resize all ask at the start.
  #paint() { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.#draw(); }); }

  #draw() {
    const size = { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
    if (!size.width || !this.nodes) return;
    const context = scaled(this.canvas, size), { k, x, y } = this.transform;
    context.fillStyle = colour("sunk");
    context.fillRect(0, 0, size.width, size.height);
    context.translate(x, y);
    context.scale(k, k);
    const seen = { left: -x / k - this.step, right: (size.width - x) / k + 20, top: -y / k - 20, bottom: (size.height - y) / k + 20 };
    this.#edges(context, seen, k);
    const shown = this.nodes.filter((node) => node.x > seen.left && node.x < seen.right && node.y > seen.top && node.y < seen.bottom);
    this.#marks(context, shown, k);
    this.#words(context, shown, k);
  }

  #edges(context, seen, k) {
    const best = new Set([...this.path].map((id) => this.place.get(id)).filter((node) => node?.from && this.path.has(node.parent)));
    for (const strong of [false, true]) {
      context.beginPath();
      for (const node of strong ? best : this.nodes) {
        const { from } = node;
        if (!from || (!strong && best.has(node)) || node.x < seen.left || from.x > seen.right) continue;
        if (Math.max(node.y, from.y) < seen.top || Math.min(node.y, from.y) > seen.bottom) continue;
        const middle = (node.x + from.x) / 2;
        context.moveTo(from.x, from.y);
        if (this.nodes.length > MANY && k < ID_ZOOM) context.lineTo(node.x, node.y);
        else context.bezierCurveTo(middle, from.y, middle, node.y, node.x, node.y);
      }
      context.strokeStyle = colour(strong ? "c1" : "strong-rule");
      context.lineWidth = strong ? 2.2 / k : 1 / Math.max(k, 0.5); // the best line is seen from any distance
      context.stroke();
    }
  }

  // Draws the nodes that look alike together, so that ten thousand are a few strokes.
  #marks(context, nodes, k) {
    const radius = Math.max(5 / Math.max(Math.min(k, 1.2), 0.45), 1 / k), arm = radius * 0.7, ramp = this.#ramp(), looks = new Map();
    for (const node of nodes) {
      const { row } = node, value = this.store.value(row, this.key), failed = row.status === "failed" || row.status === "rejected";
      const fill = failed ? "" : value === undefined ? "raised" : ramp.shade(value);
      const look = `${fill}|${failed ? "bad" : this.path.has(row.id) || row.id === this.selected ? "c1" : "quiet"}|${row.vetoed ? 0.4 : 1}|${row.id === this.selected ? 3 : failed ? 1.6 : 1}`;
      (looks.get(look) ?? looks.set(look, []).get(look)).push(node);
    }
    for (const [look, group] of looks) {
      const [fill, stroke, alpha, width] = look.split("|");
      context.globalAlpha = Number(alpha);
      if (fill && group.length > MANY) {
        context.fillStyle = colour(fill);
        for (const { x, y } of group) context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
        continue;
      }
      context.beginPath();
      for (const { x, y, row } of group) {
        if (!fill) { context.moveTo(x - arm, y - arm); context.lineTo(x + arm, y + arm); context.moveTo(x - arm, y + arm); context.lineTo(x + arm, y - arm); }
        else if (isBaseline(row)) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
        else { context.moveTo(x + radius, y); context.arc(x, y, radius, 0, 7); }
      }
      if (fill) { context.fillStyle = colour(fill); context.fill(); }
      context.strokeStyle = colour(stroke);
      context.lineWidth = Number(width);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  // Writes names or ids, as far as the zoom leaves space for letters that can be read, and how many descendants a
  // collapsed node hides.
  #words(context, nodes, k) {
    const [ink, quiet, halo] = [colour("ink"), colour("quiet"), colour("sunk")];
    for (const { x, y, row } of nodes) {
      if (k > ID_ZOOM && this.collapsed.has(row.id)) { context.fillStyle = quiet; context.font = "9px system-ui"; context.fillText(`+${this.#below(row.id)}`, x + 7, y - 5); }
      if (k <= ID_ZOOM) continue;
      const strong = this.path.has(row.id), whole = k > LABEL_ZOOM, size = whole ? Math.max(10, 10.5 / k) : 8.5 / k;
      context.font = `${strong ? "600 " : ""}${size}px system-ui`;
      const name = clipped(context, whole ? row.label : row.label.split(" · ")[0], this.step - 24);
      context.fillStyle = halo;
      context.fillRect(x + 9, y - size / 2, context.measureText(name).width + 3, size);
      context.fillStyle = strong ? ink : quiet;
      context.fillText(name, x + 10, y + size * 0.35);
    }
  }

  #below(id) { return this.children.get(id).reduce((sum, child) => sum + 1 + this.#below(child), 0); }

  #legend() {
    const { values } = this.#ramp(), better = FIGURES[this.key].better < 0 ? [...RAMP].reverse() : RAMP;
    const swatch = (name, words) => { const dot = h("i", {}); dot.style.color = colour(name); return h("li", {}, dot, words); };
    const hollow = h("li", {}, h("i", { class: "hollow" }), "no score yet");
    fill(this.legend, values.length ? [swatch(better[0], figure(this.key, values[0])), ...better.slice(1, 4).map((name) => swatch(name, "")), swatch(better[4], figure(this.key, values.at(-1)))] : null,
      swatch("c1", "the best line"), h("li", {}, "■ baseline"), h("li", {}, "✕ given up or rejected"), hollow);
  }

  #best() {
    const { store } = this, { best } = store.ranking;
    const line = best ? store.line(best.id).reverse().map((id) => store.rows.get(id)) : [];
    fill(this.line, line.length ? h("ol", { class: "path" }, line.map((row, index) => {
      const before = index ? store.value(line[index - 1], "merit") : undefined, value = store.value(row, "merit");
      return h("li", {}, nameOf(row), h("div", { class: "quiet" }, row.operator ?? "", " ", figure("merit", value), before !== undefined && value !== undefined ? [" ", h("strong", {}, signed(value - before))] : null));
    })) : h("p", { class: "empty" }, "No candidate has a score yet."));
  }

  #fit() {
    if (!this.nodes.length || !this.canvas.clientWidth) return;
    const [xs, ys] = [this.nodes.map((node) => node.x), this.nodes.map((node) => node.y)];
    const [[x0, x1], [y0, y1]] = [range(xs), range(ys)], { clientWidth: width, clientHeight: height } = this.canvas;
    const k = Math.max(0.04, Math.min(1.3, (width - 40) / (x1 - x0 + this.step), (height - 50) / (y1 - y0 + 20)));
    this.fitted = true;
    const best = this.place.get(this.store.ranking.best?.id), tall = (y1 - y0) * k > height;
    const middle = tall && best ? best.y : (y0 + y1) / 2; // of a tree that is too tall to see, the best one is in sight
    d3.select(this.canvas).call(this.zoom.transform, d3.zoomIdentity.translate(20 - x0 * k + 6, height / 2 - middle * k).scale(k));
  }

  #at({ offsetX, offsetY }) {
    const [x, y] = this.transform.invert([offsetX, offsetY]), reach = 10 / Math.max(this.transform.k, 0.3);
    let best = null, distance = reach ** 2;
    for (const node of this.nodes) { const d = (node.x - x) ** 2 + (node.y - y) ** 2; if (d < distance) [best, distance] = [node, d]; }
    return best;
  }

  #hover(event) {
    const node = this.#at(event);
    fill(this.tip, node ? `${node.row.label}\n${node.row.name ?? ""}\n${STATUS[node.row.status]} · ${this.store.meritName} ${number(this.store.value(node.row, "merit"))}` : "");
    if (node) { this.tip.style.left = `${Math.min(event.offsetX + 14, this.canvas.clientWidth - 200)}px`; this.tip.style.top = `${event.offsetY + 14}px`; }
  }

  #click(event) { const node = this.#at(event); if (node) this.#select(node.row.id); }

  #select(id, { move = false } = {}) {
    const node = this.place.get(id);
    this.selected = id;
    if (!node) return;
    fill(this.detail, "selected: ", nameOf(node.row), " ", statusChip(node.row), ` ${this.store.meritName} ${number(this.store.value(node.row, "merit"))} `, h("button", { class: "plain", on: { click: () => this.#toggle(id) } }, this.collapsed.has(id) ? "expand" : "collapse"));
    if (move) d3.select(this.canvas).call(this.zoom.translateTo, node.x, node.y); else this.#paint();
  }

  #toggle(id) {
    if (!id || !this.children.get(id)?.length) return;
    if (!this.collapsed.delete(id)) this.collapsed.add(id);
    this.#layout();
    this.#select(id);
  }

  #leaves() {
    for (const { row } of this.nodes) { const children = this.children.get(row.id); if (children.length && children.every((child) => !this.children.get(child).length)) this.collapsed.add(row.id); }
    this.#layout();
    this.#fit();
  }

  #keys(event) {
    const node = this.place.get(this.selected) ?? this.nodes[0];
    if (!node) return;
    const shown = (id) => this.place.has(id), siblings = this.children.get(node.parent).filter(shown), index = siblings.indexOf(node.row.id);
    const to = { ArrowLeft: node.parent, ArrowRight: this.children.get(node.row.id).find(shown), ArrowUp: siblings[index - 1], ArrowDown: siblings[index + 1] }[event.key];
    if (event.key === "Enter") location.hash = `#/experiment/${encodeURIComponent(node.row.id)}`;
    else if (event.key === " ") this.#toggle(node.row.id);
    else if (to && shown(to)) this.#select(to, { move: true });
    else return;
    event.preventDefault();
  }
}
