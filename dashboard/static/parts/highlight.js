// Python sources as lines of coloured spans.

import { h } from "./dom.js";

const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for from global "
  + "if import in is lambda nonlocal not or pass raise return try while with yield match case self").split(" "));
const TOKEN = /("""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|[rbfRBF]{0,2}"(?:\\.|[^"\\\n])*"?|[rbfRBF]{0,2}'(?:\\.|[^'\\\n])*'?)|(#[^\n]*)|(@[\w.]+)|\b(\d[\w.]*)|([A-Za-z_]\w*)|(\n)|([^\w\n"'#@]+|.)/g;
const MAX_CHARACTERS = 200_000;

function* tokens(source) {
  let definition = false;
  for (const [text, string, comment, decorator, digits, word] of source.slice(0, MAX_CHARACTERS).matchAll(TOKEN)) {
    const kind = string ? "string" : comment ? "comment" : decorator ? "decorator" : digits ? "number"
      : word && KEYWORDS.has(word) ? "keyword" : word && definition ? "name" : "";
    if (word) definition = word === "def" || word === "class";
    yield [kind, text];
  }
}

// Returns the lines of a source, each as an array of nodes and texts.
export function lines(source) {
  const all = [[]];
  for (const [kind, text] of tokens(source)) {
    text.split("\n").forEach((part, index) => {
      if (index) all.push([]);
      if (part) all.at(-1).push(kind ? h("span", { class: `t-${kind}` }, part) : part);
    });
  }
  return all;
}

export const code = (source) => h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": "Source" },
  lines(source).map((line, index) => h("span", { class: "line", data: { n: index + 1 } }, line.length ? line : "\u00a0")));
