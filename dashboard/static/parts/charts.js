// Curves with uPlot: one chart for each task, with the readings of several runs over the training steps.

import uPlot from "../vendor/uplot/uplot.js";
import { colour, h } from "./dom.js";
import { number } from "./words.js";

export const COLOURS = ["c0", "c1", "c2", "c3", "c4", "c5"];
const DASHES = [[], [8, 3], [3, 3], [9, 3, 2, 3], [14, 4], [1, 3]];
const charts = new Set();

// Returns an element with a chart. `series`: { label, points: [[x, y]], grey }.
export function lineChart(title, series, { height = 230, x = "step", y = "loss, nats", log = false } = {}) {
  const plot = h("div", { class: "chart", role: "img", "aria-label": description(title, series, y), data: { series: series.length, points: series.reduce((sum, one) => sum + one.points.length, 0) } });
  const chart = { plot, series, options: { height, x, y, log }, uplot: null };
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (!plot.isConnected) { if (chart.uplot) { observer.disconnect(); forget(chart); } return; } // it has left the page
    if (!width) return;
    if (chart.uplot) chart.uplot.setSize({ width, height });
    else draw(chart, width);
  });
  observer.observe(plot);
  return h("div", {}, title ? h("h4", {}, title) : null, plot);
}

const description = (title, series, y) => `${title}: ${y} of ${series.map((one) =>
  `${one.label}${one.points.length ? `, last ${number(one.points.at(-1)[1])}` : ""}`).join("; ")}`;

function draw(chart, width) {
  const { plot, series, options } = chart;
  const data = uPlot.join(series.map((one) => [one.points.map(([step]) => step), one.points.map(([, value]) => value)]));
  const axis = { stroke: colour("quiet"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule"), width: 1, size: 4 }, font: "11px system-ui" };
  chart.uplot = new uPlot({
    width, height: options.height, scales: { x: { time: false }, y: options.log ? { distr: 3, range: (_, low, high) => [low * 0.93, high * 1.08] } : {} },
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    legend: { show: series.length > 0, live: true },
    axes: [{ ...axis, size: 34 }, { ...axis, size: 46, label: options.y, labelSize: 16, labelFont: "11px system-ui", labelGap: 2 }],
    series: [{ label: options.x }, ...series.map((one, index) => line(one, index))],
  }, series.length ? data : [[], []], plot);
  charts.add(chart);
}

// uPlot listens to the window until it is destroyed.
function forget(chart) { chart.uplot?.destroy(); charts.delete(chart); }

function line(one, index) {
  const place = one.place ?? index;
  return {
    label: one.label, spanGaps: true, points: { show: false },
    stroke: colour(one.grey ? "c-grey" : COLOURS[place % COLOURS.length]),
    width: one.grey ? 1 : place === 0 ? 2.4 : 1.8, dash: one.grey ? [] : DASHES[place % DASHES.length],
    value: (_, value) => (value === null || value === undefined ? "–" : number(value)),
  };
}

// Draws every chart of the page again after the theme has changed, and forgets those that are gone.
export function redraw() {
  for (const chart of charts) {
    if (!chart.plot.isConnected) { forget(chart); continue; }
    const width = chart.plot.clientWidth;
    chart.uplot?.destroy();
    chart.uplot = null;
    if (width) draw(chart, width);
  }
}

// Draws a small curve without axes.
export function sparkline(canvas, curves) {
  const box = { width: canvas.clientWidth || 260, height: 54 };
  const context = scaled(canvas, box);
  curves.forEach((points, index) => {
    if (points.length < 2) return;
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const scale = (value, low, high, size) => (high > low ? ((value - low) / (high - low)) * (size - 6) + 3 : size / 2);
    const [lowX, highX, lowY, highY] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    context.beginPath();
    points.forEach(([x, y], place) => context[place ? "lineTo" : "moveTo"](scale(x, lowX, highX, box.width), box.height - scale(y, lowY, highY, box.height)));
    context.strokeStyle = colour(COLOURS[index % COLOURS.length]);
    context.lineWidth = 1.6;
    context.stroke();
  });
}

// Returns the context of a canvas, scaled to the screen's pixels.
export function scaled(canvas, { width, height }) {
  const ratio = globalThis.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
