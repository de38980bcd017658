"""The look of the page: light and dark by the reader's setting, readable in print."""

STYLE = """
:root{color-scheme:light dark;--bg:#f7f7f5;--card:#fff;--ink:#1d1f23;--soft:#63676e;
--line:#e2e2dd;--critical:#a3123a;--high:#c8321f;--medium:#b26a00;--low:#2b6cb0;--info:#4a7a86;
--safe:#2c7a4b}
@media(prefers-color-scheme:dark){:root{--bg:#15171a;--card:#1e2125;--ink:#e6e6e3;--soft:#9aa0a8;
--line:#32363c;--critical:#ff6b8b;--high:#ff7c66;--medium:#f0b04c;--low:#7fb5f0;--info:#86c0cc;
--safe:#6cc48f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
.kicker{margin:0;color:var(--soft);text-transform:uppercase;letter-spacing:.09em;font-size:.78rem}
h1{margin:.1rem 0 .3rem;font-size:1.7rem;line-height:1.25;overflow-wrap:anywhere}
h2{margin:2.4rem 0 .9rem;font-size:1.2rem}
h4{margin:0 0 .25rem;font-size:.75rem;color:var(--soft);font-weight:600}
.meta,footer{color:var(--soft);font-size:.9rem;margin:.2rem 0}
.counts{display:flex;flex-wrap:wrap;gap:.7rem;list-style:none;margin:1.2rem 0 0;padding:0}
.counts li{flex:1 1 8rem;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.7rem 1rem;color:var(--soft)}
.counts b{display:block;font-size:1.7rem;line-height:1.2;color:var(--ink)}
.counts .vulnerable b{color:var(--high)}.counts .safe b{color:var(--safe)}
.trouble{background:var(--card);border:1px solid var(--medium);border-left-width:5px;
border-radius:8px;padding:.8rem 1rem;margin:1.4rem 0 0}
.finding{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--c);
border-radius:8px;margin:.7rem 0;padding:.75rem 1.1rem}
.critical{--c:var(--critical)}.high{--c:var(--high)}.medium{--c:var(--medium)}.low{--c:var(--low)}
.info{--c:var(--info)}
summary{cursor:pointer}
.badge{display:inline-block;min-width:4.8rem;text-align:center;border-radius:99px;padding:0 .6rem;
font-size:.78rem;font-weight:650;color:var(--card);background:var(--c)}
.proves{margin:.7rem 0;font-size:1.05rem}
dl{display:grid;grid-template-columns:8rem 1fr;gap:.3rem .8rem;margin:.6rem 0}
dt{color:var(--soft)}dd{margin:0}
.evidence{border-top:1px solid var(--line);padding:.7rem 0 .2rem;margin-top:.7rem}
.label{margin:0 0 .5rem}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:.8rem}
pre{margin:0;padding:.65rem .8rem;background:var(--bg);border-radius:6px;font-size:.78rem;
line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th{text-align:left;font-weight:600}
.matrix th{white-space:nowrap;padding:.25rem 1.2rem .25rem 0;font-weight:500;width:1%}
.cell{display:inline-block;width:2.6rem;margin:.1rem .12rem;padding:.12rem 0;border-radius:5px;
text-align:center;font-size:.74rem;border:1px solid var(--line);color:var(--soft);cursor:help}
.cell.safe{border-color:transparent;color:var(--card);background:var(--safe)}
.cell.vulnerable{border-color:transparent;color:var(--card);background:var(--c);font-weight:700}
.cell.inconclusive{border-style:dashed;border-color:var(--medium);color:var(--medium)}
.all{margin-top:1.6rem}
.all td,.all th{padding:.35rem .7rem .35rem 0;border-top:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
.all .vulnerable td{color:var(--high)}
footer{margin-top:2.5rem}
@media print{body{background:#fff}.finding{break-inside:avoid}}
@media(max-width:38rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}
.matrix th{display:block;width:auto}.matrix td{display:block}}
"""
