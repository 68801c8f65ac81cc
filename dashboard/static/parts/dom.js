// Elements from plain values. Text is always a text node, so nothing that a model, a candidate or a stranger writes can
// become markup; the page has no other way to build elements (the policy `trusted-types 'none'` holds it to that).

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "line", "circle", "rect", "g", "polyline"]);
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]/g;

// Returns a text with every character that would hide, reorder or control text replaced by its code point.
export const visible = (text) =>
  String(text).replace(HIDDEN, (char) => `⟨U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

// Returns an element. Properties: `class`, `data` (object), `on` (event → handler), anything else is an attribute;
// null, undefined and false leave an attribute out. Children: elements, texts, arrays; null and false are left out.
export function h(tag, properties = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  element.append(...nodes(children));
  return element;
}

const nodes = (children) => children.flat(Infinity)
  .filter((child) => child !== null && child !== undefined && child !== false)
  .map((child) => (child instanceof Node ? child : document.createTextNode(visible(child))));

// Replaces the children of an element. What had the focus among them gives it to what has its name now.
export function fill(element, ...children) {
  const { activeElement: focused } = document, lost = element !== focused && element.contains(focused) ? focused : null;
  element.replaceChildren(...nodes(children));
  if (lost) [...element.querySelectorAll(lost.localName)].find((each) => wordsOf(each) === wordsOf(lost))?.focus({ preventScroll: true });
  return element;
}

const wordsOf = (element) => element.getAttribute("href") ?? element.getAttribute("aria-label") ?? element.textContent;

// Tells a screen reader something.
export const announce = (text) => { document.getElementById("announcer").textContent = text; };

// Returns a colour of the style sheet.
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Calls back at most once every `ms`, and always after the last call.
export function throttled(callback, ms) {
  let timer = null, last = 0;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(() => { timer = null; last = performance.now(); callback(); }, Math.max(0, ms - (performance.now() - last)));
  };
}

// Calls an asynchronous function back at once; while it works, only the newest further call waits for its end.
export function newest(callback) {
  let working = false, waiting = null;
  const call = async (...values) => {
    if (working) { waiting = values; return; }
    working = true;
    try { await callback(...values); } finally {
      const next = waiting;
      [working, waiting] = [false, null];
      if (next) call(...next);
    }
  };
  return call;
}

// Calls back once the page has painted.
export const afterPaint = (callback) => requestAnimationFrame(() => setTimeout(callback));

// Calls back once the browser has nothing else to do.
export const whenIdle = (callback) => (globalThis.requestIdleCallback ?? afterPaint)(callback);
