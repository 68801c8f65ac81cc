// Commands to copy into a shell.

import { announce, fill, h } from "./dom.js";

const SAFE = /^[\w@%+=:,./~-]+$/;

// Returns a word as a shell reads it: quoted if it holds more than plain characters.
export const quoted = (text) => (SAFE.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

// Returns commands with what each does, and a button that copies all of them; a browser without a clipboard has none.
export function commandList(lines) {
  const text = lines.map(([, command]) => command).join("\n");
  const copy = h("button", { on: { click: async () => { await navigator.clipboard.writeText(text); announce("copied"); fill(copy, "copied"); } } }, "Copy");
  return [h("ol", { class: "commands" }, lines.map(([words, command]) => h("li", {}, words ? h("p", { class: "quiet" }, words) : null, h("code", {}, command)))),
    navigator.clipboard ? copy : null];
}
