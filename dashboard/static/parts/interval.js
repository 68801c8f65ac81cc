// An interval as a bar: its whisker, the estimate as a dot, and a dashed line at zero.

import { h } from "./dom.js";
import { signed } from "./words.js";

const WIDTH = 220;
const EDGE = 6;

// Returns the bar; `range` is what the width stands for, `mark` a further value to compare with.
export function intervalBar(value, low, high, [from, to], { mark = 0, digits = 3 } = {}) {
  const x = (each) => EDGE + ((Math.max(from, Math.min(to, each)) - from) / (to - from || 1)) * (WIDTH - 2 * EDGE);
  const line = (name, x1, x2, y1 = 9, y2 = 9) => h("line", { class: name, x1, x2, y1, y2 });
  return h("svg", { class: "interval wide", viewBox: `0 0 ${WIDTH} 18`, role: "img", "aria-label": `${signed(value, digits)}, from ${signed(low, digits)} to ${signed(high, digits)}` },
    line("rail", EDGE, WIDTH - EDGE), line("zero", x(0), x(0), 1, 17), mark ? line("zero", x(mark), x(mark), 1, 17) : null,
    line("whisker", x(low), x(high)), h("circle", { class: "dot", cx: x(value), cy: 9, r: 3.6 }));
}
