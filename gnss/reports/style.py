"""The look of the pages: light and dark, on screens and paper.

Colours were chosen so that people who see red and green alike can tell them apart: states differ in lightness
and have a shape each, systems have the colours of Okabe and Ito (2008), C/N0 goes from orange to blue.
"""

_LIGHT = """
color-scheme:light;
--paper:#eef1f4;--panel:#fff;--ink:#17232e;--muted:#55646f;--rule:#d9e0e6;--grid:#e6ebef;--accent:#0b5f8a;
--good:#2a9d8f;--degraded:#e0a100;--bad:#a8201a;--unknown:#97a3ad;
--good-ink:#17695f;--degraded-ink:#805800;--bad-ink:#a8201a;--unknown-ink:#55646f;
--line:#0b5f8a;--second:#c2571a;--limit:#a06a00;--limit-bad:#a8201a;
--G:#0072b2;--R:#d55e00;--E:#009e73;--S:#7f7f7f;--J:#b0568c;--C:#c98500;--I:#3a9bd1;
--c0:#c1440e;--c1:#e08214;--c2:#d2b03c;--c3:#5fb5a5;--c4:#2c7fb8;--c5:#12356b;--unseen:#a8201a;
"""
_DARK = """
color-scheme:dark;
--paper:#0d1317;--panel:#151d23;--ink:#dde6ec;--muted:#9badb9;--rule:#2a3741;--grid:#222d35;--accent:#6cb9d6;
--good:#3db5a5;--degraded:#f0c04a;--bad:#e5544b;--unknown:#6b7a86;
--good-ink:#58cdbd;--degraded-ink:#f0c04a;--bad-ink:#ff8078;--unknown-ink:#9badb9;
--line:#6cb9d6;--second:#f0a35e;--limit:#f0c04a;--limit-bad:#ff8078;
--G:#4fa8e0;--R:#ff8a3d;--E:#2fc99a;--S:#a9a9a9;--J:#e08fc0;--C:#f2b733;--I:#8fd3ff;
--c0:#ff6a3c;--c1:#ffa94d;--c2:#ecd777;--c3:#7fd8c8;--c4:#4fa3ea;--c5:#b3ccff;--unseen:#ff8078;
"""
_REST = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:14px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Noto Sans","PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:1160px;margin:0 auto;padding:20px 16px 40px}
h1{font-size:24px;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 8px}
h3{font-size:13px;margin:14px 0 4px;color:var(--muted)}
p{margin:4px 0}
a{color:var(--accent)}
section,header{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:14px 16px;
margin:0 0 12px}
.muted,figcaption span,.note{color:var(--muted)}
.note{font-size:12px}
.lead{font-size:16px;margin:8px 0 4px}
.badge{display:inline-block;border-radius:6px;padding:2px 10px;font-weight:700;font-size:15px;
margin-left:10px;vertical-align:3px;border:2px solid currentColor}
.good{color:var(--good-ink)}.degraded{color:var(--degraded-ink)}.bad{color:var(--bad-ink)}
.unknown{color:var(--unknown-ink)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:8px;margin-top:12px}
.tile{border:1px solid var(--rule);border-left:4px solid var(--rule);border-radius:6px;padding:6px 10px}
.tile.is-good{border-left-color:var(--good)}.tile.is-degraded{border-left-color:var(--degraded)}
.tile.is-bad{border-left-color:var(--bad)}
.tile b{display:block;font-size:19px;line-height:1.35;font-variant-numeric:tabular-nums}
.tile span{display:block;font-size:12px;color:var(--muted);line-height:1.35}
.tile b span{display:inline;font-size:13px}
.tile b .good,.tile .good{color:var(--good-ink)}.tile .degraded{color:var(--degraded-ink)}
.tile .bad{color:var(--bad-ink)}
.wide{overflow-x:auto}
main.broad{max-width:1440px}
td .good,td .degraded,td .bad,td .unknown{white-space:nowrap}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:3px 6px;border-bottom:1px solid var(--grid);vertical-align:top}
th{color:var(--muted);font-weight:600;font-size:12px;vertical-align:bottom;border-bottom-color:var(--rule)}
thead th{white-space:pre-line}
.text,td.text,th.text{text-align:left}
td.text{overflow-wrap:break-word}
time{white-space:nowrap}
tr.sum td{font-weight:600;border-top:1px solid var(--rule)}
tr.total td{font-weight:700;border-top:2px solid var(--rule)}
td.number{white-space:nowrap}
.none{color:var(--muted)}
figure{margin:0 0 6px;break-inside:avoid}
figcaption{font-size:13px;margin-bottom:2px}
figcaption span{margin-left:8px;font-size:12px}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(250px,100%),1fr));gap:12px}
.row.sky{grid-template-columns:repeat(auto-fill,minmax(min(320px,100%),1fr))}
.row.two{grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr))}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"PingFang SC","Microsoft YaHei",
"Noto Sans CJK SC",sans-serif;fill:var(--muted)}
svg text.small{font-size:8px}
svg text.halo{fill:var(--ink);stroke:var(--panel);stroke-width:2.4px;paint-order:stroke;stroke-linejoin:round}
svg text.strong{fill:var(--ink);font-weight:600}
svg text.limit-text{fill:var(--limit);font-size:10px;stroke:var(--panel);stroke-width:2.4px;
paint-order:stroke;stroke-linejoin:round}
svg text.limit-text.worse{fill:var(--limit-bad)}
svg path{fill:none}
.grid{stroke:var(--grid);stroke-width:1}
.axis{stroke:var(--muted);stroke-width:1}
.limit{stroke:var(--limit);stroke-width:1.2;stroke-dasharray:6 3}
.limit.worse{stroke:var(--limit-bad);stroke-dasharray:2 2}
.line{stroke:var(--line);stroke-width:1.3;stroke-linecap:round;stroke-linejoin:round}
.line.few,.track.few{stroke-width:5}
.line.second{stroke:var(--second)}
svg .over{fill:var(--bad)}
svg .f-good{fill:var(--good)}svg .f-degraded{fill:var(--degraded)}svg .f-bad{fill:var(--bad)}
svg .f-unknown{fill:var(--unknown)}svg .f-lane{fill:var(--grid)}svg .f-gap{fill:var(--ink)}
svg .f-bar{fill:var(--line)}
.mark{stroke:var(--panel);stroke-width:1.3;stroke-linecap:round}
.jump{stroke:var(--second);stroke-width:2}
.ring{stroke:var(--rule);stroke-width:1;fill:none}
.mask{stroke:var(--muted);stroke-width:1;stroke-dasharray:3 3;fill:none}
.unseen{stroke:var(--unseen);stroke-width:1;stroke-linecap:round}
.unseen.low{stroke:var(--unknown)}
.unseen-run{stroke:var(--unknown);stroke-width:.7;stroke-dasharray:1 2}
.track{stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}
.curve{stroke-width:1.8;stroke-linejoin:round}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:12px;color:var(--muted);margin:4px 0 8px}
.key svg{display:inline-block;width:22px;height:12px;vertical-align:-1px;margin-right:4px}
.split{display:inline-block;width:90px;vertical-align:middle}
dl{display:grid;grid-template-columns:fit-content(45%) 1fr;gap:2px 16px;margin:0;font-size:13px}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
ul{margin:4px 0;padding-left:20px}
@media print{
.wide{overflow:visible}
table{font-size:8.5px}
th{font-size:8px}
th,td{padding:2px 3px}
.tiles{grid-template-columns:repeat(5,1fr)}
.tile b{font-size:13px}
.tile span{font-size:9px}
.row{grid-template-columns:repeat(4,1fr)}
.row.sky{grid-template-columns:repeat(3,1fr)}
.lead{font-size:13px}
figcaption,dl,.key{font-size:10px}
figcaption span,.note{font-size:9px}
.row.two{grid-template-columns:repeat(2,1fr)}
.split{width:50px}
body{background:#fff;font-size:11px}
main{max-width:none;padding:0}
section,header{border:0;padding:6px 0;margin:0 0 6px;break-inside:auto}
tr,.tile{break-inside:avoid}
h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
_SYSTEMS = "".join(
    f".s{letter}{{stroke:var(--{letter})}}svg .d{letter}{{fill:var(--{letter})}}" for letter in "GRESJCI"
)
_STRENGTHS = "".join(f".k{level}{{stroke:var(--c{level})}}" for level in range(6))

STYLE = (
    f":root{{{_LIGHT}}}@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    + _REST
    + _SYSTEMS
    + _STRENGTHS
).replace("\n", "")
"""One sheet for all pages, without a character that XML would need escaped."""
