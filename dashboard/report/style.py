"""The style sheet: one column, muted colours, light and dark, for phones, desktops and print."""

_LIGHT = """
  --paper: #fcfbf8; --card: #f4f2ec; --ink: #1f2328; --quiet: #595e66; --rule: #dcd8ce; --accent: #0a569e;
  --bad: #b3261e; --warn: #7a2e00; --warn-paper: #fdeccf; --band: #e6e2d6; --edge: #aaa69b; --dot-rim: #5b6068;
  --f0: #dbe7ee; --f1: #9fc6d4; --f2: #569fb4; --f3: #23728c; --f4: #0b4a63;
  --c0: #0a569e; --c1: #b3470a; --c2: #18784a; --c3: #8a3ea8; --c4: #8a6200; --c-grey: #a7a69f;
"""
_DARK = """
  --paper: #16181b; --card: #1e2125; --ink: #e7e4dd; --quiet: #a5a8ad; --rule: #363a40; --accent: #82b6f2;
  --bad: #ff8a7d; --warn: #ffd9a0; --warn-paper: #40290b; --band: #2a2d31; --edge: #6a6e75; --dot-rim: #a5a8ad;
  --f0: #1f3340; --f1: #2a5668; --f2: #3a8296; --f3: #66b7c2; --f4: #c4f1e8;
  --c0: #82b6f2; --c1: #f0975a; --c2: #62c893; --c3: #d39ae8; --c4: #e0bd5c; --c-grey: #70747b;
"""
STYLE = (
    f":root {{ color-scheme: light dark; {_LIGHT} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}\n"
    f"@media print {{ :root {{ color-scheme: light; {_LIGHT} --paper: #ffffff; }} }}\n"
    """
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", "Liberation Sans",
  sans-serif; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 2.5rem; }
h1, h2, h3, .prose, .lead, .headline dd { font-family: Charter, "Bitstream Charter", "Iowan Old Style", Georgia,
  "Liberation Serif", serif; }
h1 { font-size: 2.1rem; line-height: 1.2; font-weight: 600; margin: 0 0 .4rem; text-wrap: balance; }
h2 { font-size: 1.45rem; font-weight: 600; margin: 3.2rem 0 .6rem; padding-top: .9rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; font-weight: 600; margin: 1.4rem 0 .3rem; }
h4 { font-size: .8rem; font-weight: 600; color: var(--quiet); margin: 1.1rem 0 .2rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, pre { font: .85em/1.5 ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; }
.quiet, .kicker, figcaption, .caption, caption { color: var(--quiet); }
.kicker { font-size: .9rem; margin: 0 0 .3rem; }
.lead { font-size: 1.15rem; }
.warning { background: var(--warn-paper); color: var(--warn); border-left: 4px solid currentColor;
  padding: .7rem 1rem;
  max-width: none; }
nav { margin-top: 1.2rem; font-size: .9rem; } nav a { margin-right: 1rem; white-space: nowrap; }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: .5rem 1.5rem;
  margin: 1.4rem 0; }
.headline dt { font-size: .85rem; color: var(--quiet); }
.headline dd { margin: 0; font-size: 2rem; line-height: 1.2; font-variant-numeric: tabular-nums lining-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr));
  gap: .15rem 2rem; margin: .7rem 0;
  font-size: .92rem; }
.figures div { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; padding: .15rem 0;
  border-bottom: 1px solid var(--rule); }
.figures dt { color: var(--quiet); } .figures svg { vertical-align: -1px; }
.figures dd { margin: 0 0 0 auto; text-align: right; overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 .5rem .4rem; font-size: .85rem; }
th, td { padding: .32rem .5rem; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--rule); }
thead th { font-weight: 600; color: var(--quiet); font-size: .82rem; vertical-align: bottom; position: sticky; top: 0;
  background: var(--paper); box-shadow: inset 0 -1px var(--rule); border-bottom: 0; z-index: 1; }
tbody th { font-weight: 500; min-width: 11rem; }
.number { text-align: right; } td.number { white-space: nowrap; }
.bars, thead th:nth-child(5) { white-space: nowrap; }
tr.best { background: var(--card); } tr.best th { font-weight: 700; } tr.base th a { color: var(--quiet); }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; }
thead [aria-sort=ascending] button::after { content: " ↑"; }
thead [aria-sort=descending] button::after { content: " ↓"; }
.scroll { overflow: auto; max-height: 56rem; } .short { max-height: 32rem; }
.message { min-width: 12rem; overflow-wrap: anywhere; } .links { min-width: 14rem; } .links a { white-space: nowrap; }
.filter { display: block; margin: .8rem 0; font-size: .9rem; }
.filter input { font: inherit; width: min(100%, 22rem); padding: .3rem .6rem; color: inherit; background: var(--card);
  border: 1px solid var(--dot-rim); border-radius: 4px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.3rem; padding: 0; margin: .4rem 0 .8rem;
  font-size: .88rem; }
.legend li { display: flex; align-items: center; gap: .4rem; } .legend svg, .legend span { flex: none; }
figure { margin: 1rem 0; } figcaption, .caption { font-size: .88rem; max-width: 46rem; }
figure svg { display: block; max-width: 100%; height: auto; }
figure svg.narrow { display: none; }
.tree { overflow-x: auto; } .tree svg:not(.wide) { max-width: none; }
.multiples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 0 1.5rem; }
.multiples figure { margin: .3rem 0; } .multiples svg { width: 100%; max-width: 560px; }
svg text { font-size: 12px; fill: var(--quiet); } svg .title { font-size: 12px; fill: var(--ink); }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--dot-rim); stroke-width: 1; }
path { fill: none; }
.band { fill: var(--band); } .baseline-best { stroke: var(--quiet); stroke-dasharray: 5 4; }
.running-best { stroke: var(--accent); stroke-width: 2; } .whisker { stroke: var(--edge); }
.front { stroke: var(--accent); stroke-dasharray: 2 4; stroke-width: 1.5; }
.dot { fill: var(--accent); stroke: var(--paper); stroke-width: 1; }
.dot.base { fill: var(--quiet); } .dot.plain { fill: var(--quiet); }
.dot.f0, .dot.f1, .dot.f2, .dot.f3, .dot.f4, .dot.none { stroke: var(--dot-rim); }
.f0 { fill: var(--f0); } .f1 { fill: var(--f1); } .f2 { fill: var(--f2); } .f3 { fill: var(--f3); }
.f4 { fill: var(--f4); }
.dot.none { fill: var(--paper); } .dot.best { stroke: var(--ink); stroke-width: 2; }
.dot.stroke { fill: none; stroke-width: 1.6; stroke-linecap: round; } .dot.bad { stroke: var(--bad); opacity: .8; }
a:hover .dot { stroke: var(--ink); stroke-width: 2.5; }
.edge { stroke: var(--edge); stroke-width: 1; } .edge.line { stroke: var(--accent); stroke-width: 2.2; }
svg .name { fill: var(--ink); stroke: var(--paper); stroke-width: 4px; paint-order: stroke; stroke-linejoin: round; }
svg .name.base { fill: var(--quiet); } svg .name.strong { font-weight: 700; } svg .hint { font-size: 11px; }
.curve { stroke-width: 2; stroke-linejoin: round; }
.c-grey { stroke: var(--c-grey); stroke-width: 1.3; } .c0 { stroke: var(--c0); stroke-width: 2.6; }
.c1 { stroke: var(--c1); stroke-dasharray: 8 3; } .c2 { stroke: var(--c2); stroke-dasharray: 2.5 2.5; }
.c3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; } .c4 { stroke: var(--c4); stroke-dasharray: 14 4; }
.rail { fill: var(--rule); } .part { fill: var(--accent); }
.record { border-bottom: 1px solid var(--rule); } .record > summary { padding: .45rem 0; cursor: pointer;
  overflow-wrap: anywhere; }
.record[open] { padding-bottom: 1.2rem; } .record:target > summary { background: var(--card); }
.prose { font-size: 1.05rem; white-space: pre-line; } .failures p { color: var(--quiet); margin: 0; }
section ul, section ol { padding-left: 1.3rem; margin: .2rem 0; } .design, .design ul { list-style: none; }
.design { padding-left: 0; font-size: .92rem; }
.design ul { padding-left: .9rem; border-left: 1px solid var(--rule); }
.source { margin-top: .9rem; } .source summary { cursor: pointer; color: var(--accent); font-size: .92rem; }
pre { background: var(--card); padding: .8rem 1rem; overflow-x: auto; margin: .6rem 0; }
.source pre { max-height: 40rem; overflow: auto; }
.log { list-style: none; padding: 0; max-height: 19rem;
  font: .82rem/1.6 ui-monospace, "Liberation Mono", Menlo, monospace; }
.log li { max-width: none; white-space: pre-wrap; padding-left: 9rem; text-indent: -9rem; }
.log .quiet { display: inline-block; min-width: 3.5rem; text-indent: 0; }
.progress { max-width: none; } .progress progress { width: 16rem; max-width: 100%; height: .7rem;
  accent-color: var(--accent); margin-right: .8rem; }
.stage, .losses { white-space: nowrap; } .strong { font-weight: 600; } .losses span { margin-right: .8rem; }
footer { margin-top: 3rem; padding-bottom: 3rem; font-size: .85rem; color: var(--quiet); }
@media (max-width: 860px) {
  figure svg.wide { display: none; } figure svg.narrow { display: block; width: 100%; max-width: 560px; }
  .tree svg.narrow { width: auto; max-width: none; }
  h1 { font-size: 1.6rem; } header { padding-top: 1.5rem; }
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  tbody th { min-width: 9rem; }
}
@media print {
  body { font-size: 10pt; } main, header { max-width: none; padding: 0; } nav, .filter { display: none; }
  thead button { display: contents; }
  .scroll { max-height: none; overflow: visible; } thead th { position: static; } table { font-size: 7.5pt; }
  th, td { padding: .2rem .25rem; } tbody th { min-width: 0; } figure, tr, .headline { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; } pre { max-height: none; white-space: pre-wrap; overflow-wrap: anywhere; }
  figure svg.wide { display: block; } figure svg.narrow { display: none; } .tree svg:not(.wide) { max-width: 100%; }
}
"""
)
