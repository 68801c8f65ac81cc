// A cloud of points on a canvas, for as many experiments as there are: axes, marks by origin, a front, and a tip.

import { colour, fill, h } from "./dom.js";
import { scaled } from "./charts.js";
import { compact, isBaseline, number } from "./words.js";

const MARGIN = { left: 52, right: 14, top: 12, bottom: 38 };
const PICK_PIXELS = 14;
const MANY = 2000; // more points are drawn as small squares, which fill seven times as fast as circles

// Returns an element with the plot. `points`: { x, y, row, error, strong }; `front`: points that a line joins.
export function scatter(label, points, { x, y, front = [], steps = false, height = 300, tip }) {
  const canvas = h("canvas", { role: "img", "aria-label": `${label}: ${points.length} experiments`, data: { points: points.length, front: front.length } });
  const hint = h("div", { class: "tip" });
  const box = h("div", { class: "plot" }, canvas, hint);
  const plot = { points, front, x, y, steps };
  let size = null;
  const paint = () => { if (size) draw(scaled(canvas, size), size, plot); };
  new ResizeObserver(([entry]) => {
    if (!canvas.isConnected || !entry.contentRect.width) return;
    size = { width: Math.floor(entry.contentRect.width), height };
    canvas.style.height = `${height}px`;
    paint();
  }).observe(box);
  const nearest = (event) => pick(plot, size, event.offsetX, event.offsetY);
  canvas.addEventListener("pointermove", (event) => {
    const point = size && nearest(event);
    fill(hint, point ? tip(point) : "");
    if (point) hint.style.transform = `translate(${Math.min(event.offsetX + 12, size.width - 190)}px, ${event.offsetY + 12 - height}px)`;
  });
  canvas.addEventListener("pointerleave", () => fill(hint));
  canvas.addEventListener("click", (event) => {
    const point = size && nearest(event);
    if (point) location.hash = `#/experiment/${encodeURIComponent(point.row.id)}`;
  });
  box.repaint = paint;
  return box;
}

function extent(values) {
  const known = values.filter(Number.isFinite);
  if (!known.length) return [0, 1];
  const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - pad, high + pad];
}

function scales({ points }, { width, height }) {
  const [x0, x1] = extent(points.map((point) => point.x));
  const [y0, y1] = extent(points.map((point) => point.y));
  const across = (value) => MARGIN.left + ((value - x0) / (x1 - x0)) * (width - MARGIN.left - MARGIN.right);
  const up = (value) => height - MARGIN.bottom - ((value - y0) / (y1 - y0)) * (height - MARGIN.top - MARGIN.bottom);
  return { across, up, x: [x0, x1], y: [y0, y1] };
}

// Returns round values inside a range.
export function ticks([low, high], about) {
  const rough = (high - low) / about, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const values = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) values.push(Math.abs(value) < step / 1e6 ? 0 : value);
  return values;
}

// Returns a tick with as many digits as the step between ticks has.
const tickText = (value, step, high) => (Math.abs(high) >= 1000 ? compact(value) : number(value, Math.max(0, Math.min(4, -Math.floor(Math.log10(step) + 1e-9)))));

function draw(context, size, plot) {
  const { across, up, x, y } = scales(plot, size);
  context.font = "11px system-ui";
  context.lineWidth = 1;
  context.fillStyle = colour("quiet");
  context.strokeStyle = colour("rule");
  const line = (x0, y0, x1, y1) => { context.beginPath(); context.moveTo(x0, y0); context.lineTo(x1, y1); context.stroke(); };
  const xs = ticks(x, Math.max(3, size.width / 110)), ys = ticks(y, 5);
  for (const value of xs) {
    line(across(value), MARGIN.top, across(value), size.height - MARGIN.bottom);
    context.textAlign = "center";
    context.fillText(tickText(value, xs[1] - xs[0] || 1, x[1]), across(value), size.height - MARGIN.bottom + 15);
  }
  for (const value of ys) {
    line(MARGIN.left, up(value), size.width - MARGIN.right, up(value));
    context.textAlign = "right";
    context.fillText(tickText(value, ys[1] - ys[0] || 1, y[1]), MARGIN.left - 7, up(value) + 4);
  }
  context.textAlign = "center";
  context.fillText(plot.x, (MARGIN.left + size.width) / 2, size.height - 5);
  context.save();
  context.translate(11, size.height / 2 - 10); context.rotate(-Math.PI / 2); context.fillText(plot.y, 0, 0);
  context.restore();
  drawFront(context, plot, across, up, size);
  for (const [look, points] of byLook(plot.points)) marks(context, look, points, across, up);
}

function drawFront(context, { front, steps }, across, up, size) {
  if (!front.length) return;
  context.beginPath();
  front.forEach((point, index) => {
    if (index && steps) context.lineTo(across(point.x), up(front[index - 1].y));
    context[index ? "lineTo" : "moveTo"](across(point.x), up(point.y));
  });
  if (steps) context.lineTo(size.width - MARGIN.right, up(front.at(-1).y));
  context.strokeStyle = colour("accent");
  context.lineWidth = 1.8;
  context.stroke();
}

// Returns the points by how they look, so that thousands of marks are few strokes: baselines, candidates, the best.
function byLook(points) {
  const looks = { base: [], candidate: [], vetoed: [], strong: [] };
  for (const point of points) {
    looks[point.strong ? "strong" : point.row.vetoed ? "vetoed" : isBaseline(point.row) ? "base" : "candidate"].push(point);
  }
  return Object.entries(looks);
}

function marks(context, look, points, across, up) {
  const many = points.length > MANY, radius = look === "strong" ? 5.5 : many ? 2 : 3.6;
  context.fillStyle = colour({ strong: "c1", base: "quiet" }[look] ?? "accent");
  context.globalAlpha = look === "vetoed" ? 0.35 : many ? 0.55 : 0.9;
  if (many) for (const point of points) context.fillRect(Math.round(across(point.x)) - radius, Math.round(up(point.y)) - radius, 2 * radius, 2 * radius);
  else shapes(context, look, radius, points, across, up);
  context.globalAlpha = 1;
}

// Draws baselines as squares and others as circles, in one stroke.
function shapes(context, look, radius, points, across, up) {
  context.beginPath();
  for (const point of points) {
    const [x, y] = [across(point.x), up(point.y)];
    context.moveTo(x + radius, y);
    if (look === "base") context.rect(x - radius, y - radius, 2 * radius, 2 * radius); else context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.fill();
}

function pick(plot, size, x, y) {
  const { across, up } = scales(plot, size);
  let best = null, distance = PICK_PIXELS ** 2;
  for (const point of plot.points) {
    const d = (across(point.x) - x) ** 2 + (up(point.y) - y) ** 2;
    if (d < distance) [best, distance] = [point, d];
  }
  return best;
}
