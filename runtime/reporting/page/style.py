"""The page's style: for a screen in light or dark, and for paper, where it is black on white."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1c2127; --soft: #5b6570; --line: #d9dee3; --faint: #f4f6f8; --link: #1f5fa8;
  --returned: #7ba7cf; --failed: #a3271f; --in_doubt: #14181c; --refused: #f0c54f; --denied: #6c4394;
  --not_run: #e0e4e9; --open: #fff; --edge: #4b5661;
  --s1: #17385c; --s2: #3f6f9f; --s3: #7ba3c8; --s4: #b2cce2; --s5: #dbe7f1; --s6: #a7adb3; }
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #14171b; --ink: #e4e8ec; --soft: #9aa5b0; --line: #333b43; --faint: #1d2227; --link: #8ab8ec;
  --returned: #3f6d98; --failed: #ef8478; --in_doubt: #f4f6f8; --refused: #f4cf75; --denied: #a583cc;
  --not_run: #363e46; --open: #14171b; --edge: #b9c2cb;
  --s1: #d5e4f2; --s2: #9dc0e0; --s3: #6a9bc8; --s4: #44739f; --s5: #2b4f73; --s6: #6d757d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 3rem 0 0.5rem; padding-top: 0.9rem; border-top: 1px solid var(--line); font-size: 1.2rem; }
h3 { margin: 1.5rem 0 0.25rem; font-size: 0.95rem; }
p { margin: 0.35rem 0; max-width: 48rem; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
.sub, .note, caption, small, figcaption { color: var(--soft); }
.sub { font-size: 0.95rem; }
.note { font-size: 0.87rem; }
small { font-size: 0.82em; }
nav { margin: 1.1rem 0 0; font-size: 0.9rem; }
nav a { margin-right: 1.1rem; white-space: nowrap; }
code { font: 0.88em/1.45 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
code.run { user-select: all; color: var(--soft); font-size: 0.8em; }
.name { white-space: pre-wrap; }
.args { color: var(--soft); }
.ctl { padding: 0 0.2em; border: 1px solid var(--edge); border-radius: 2px; font: 0.78em ui-monospace, monospace;
  white-space: nowrap; }
.more { color: var(--soft); font-style: italic; }
dl.tiles { display: grid; grid-template-columns: repeat(5, 1fr); gap: 1px; margin: 1.6rem 0 0;
  border: 1px solid var(--line); background: var(--line); }
dl.tiles > div { padding: 0.65rem 0.85rem; background: var(--paper); }
dl.tiles dt { color: var(--soft); font-size: 0.8rem; }
dl.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
dl.tiles dd small { display: block; font-size: 0.75rem; font-weight: 400; line-height: 1.35; }
dl.tiles .look { box-shadow: inset 0 3px 0 var(--failed); }
.warn { margin: 1rem 0 0; padding: 0.6rem 0.85rem; border-left: 4px solid var(--failed); background: var(--faint); }
.scroll { overflow-x: auto; margin: 0.75rem 0 0; }
table { width: 100%; border-collapse: collapse; font-size: 0.87rem; }
caption { padding: 0 0 0.4rem; text-align: left; font-size: 0.87rem; }
th, td { padding: 0.36rem 0.7rem 0.36rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; unicode-bidi: isolate; overflow-wrap: break-word; }
thead th { border-bottom-color: var(--edge); color: var(--soft); font-weight: 600; vertical-align: bottom;
  overflow-wrap: normal; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { border-bottom: 0; border-top: 1px solid var(--edge); font-weight: 600; }
th.num, td.num { text-align: right; } td.num { white-space: nowrap; }
td.num small { display: block; white-space: normal; }
.when { white-space: nowrap; }
.id { min-width: 9rem; } .id small { display: block; }
.wide { min-width: 15rem; overflow-wrap: anywhere; }
.bar { width: 21rem; min-width: 12rem; }
tr:target > * { background: var(--faint); }
figure { margin: 1rem 0 0; }
figcaption { margin: 0.2rem 0 0; font-size: 0.87rem; }
ul.key { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 0.4rem 0 0; padding: 0; list-style: none;
  font-size: 0.85rem; }
ul.key svg { width: 0.85rem; height: 0.85rem; margin-right: 0.4rem; vertical-align: -0.1rem; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 0.5rem 1.5rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 0.5rem 2rem; }
svg.chart { display: block; width: 100%; height: auto; }
svg.defs { position: absolute; width: 0; height: 0; }
svg text { fill: var(--soft); font: 11px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
.end { text-anchor: end; } .mid { text-anchor: middle; } .start { text-anchor: start; }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--edge); stroke-width: 1; }
.returned { fill: var(--returned); } .failed { fill: var(--failed); } .in_doubt { fill: var(--in_doubt); }
.refused { fill: var(--refused); } .denied { fill: url(#hatched); } .not_run { fill: var(--not_run); }
.open { fill: var(--open); stroke: var(--edge); stroke-width: 1; }
.hatch { stroke: var(--denied); stroke-width: 2.4; } .ground { fill: var(--paper); }
.s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); }
.s5 { fill: var(--s5); } .s6 { fill: var(--s6); }
.p50 { fill: var(--s2); } .p95 { fill: var(--s4); } .whisker { stroke: var(--edge); stroke-width: 1; }
details { margin: 0.5rem 0 0; } summary { cursor: pointer; color: var(--soft); font-size: 0.87rem; }
dl.words { font-size: 0.87rem; } dl.words dt { margin-top: 0.5rem; font-weight: 600; } dl.words dd { margin: 0; }
@media screen and (max-width: 50rem) { dl.tiles { grid-template-columns: repeat(2, 1fr); } }
@media print {
  :root { --paper: #fff; --ink: #000; --soft: #333; --line: #bbb; --faint: #fff; --link: #000; --edge: #333; }
  @page { margin: 14mm 12mm; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  h2 { margin-top: 1.4rem; }
  h2, h3, caption, .note { break-after: avoid; }
  figure, tr, dl.tiles, .warn, ul.key { break-inside: avoid; }
  thead { display: table-header-group; } tfoot { display: table-row-group; }
  section.leaf { break-before: page; }
  section.leaf h2 { margin-top: 0; border-top: 0; padding-top: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7.8pt; } th, td { padding: 0.2rem 0.5rem 0.2rem 0; }
  .wide { min-width: 0; } .id { min-width: 7em; } .bar { width: 30%; min-width: 0; } .when { white-space: normal; }
  .multiples { grid-template-columns: repeat(3, 1fr); } .pair { grid-template-columns: 1fr 1fr; }
  a { color: inherit; text-decoration: none; }
  nav, details { display: none; }
  svg, svg * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
