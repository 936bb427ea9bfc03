"""How the pages look, on a light and on a dark ground, as the reader's system asks.

The hues of right and wrong are bluish green and vermilion of Okabe and Ito (2008), "Color Universal
Design", as in the pictures of a run; a sign says the same without any colour.
"""

_TONES = {
    "light": {
        "paper": "#f4f6f9", "card": "#ffffff", "edge": "#dde2ea", "well": "#eceff4",
        "ink": "#1d2330", "muted": "#5b6472", "accent": "#0068a8", "on": "#ffffff",
        "right": "#007f5c", "wrong": "#b84d00", "out": "#69727f", "bar": "#9db2cc",
    },
    "dark": {
        "paper": "#12161d", "card": "#1b212b", "edge": "#323b49", "well": "#262e3a",
        "ink": "#eef1f6", "muted": "#a5b0c0", "accent": "#7cc0f5", "on": "#0f141b",
        "right": "#38d3a3", "wrong": "#ff9a4d", "out": "#97a2b3", "bar": "#4d6484",
    },
}  # fmt: skip


def _variables(ground: str) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in _TONES[ground].items())


_FORMS = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.45;
  font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',Arial,sans-serif;font-size:15px}
main{max-width:1720px;margin:0 auto;padding:28px clamp(14px,2.5vw,40px) 60px}
h1{font-size:25px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:15px;margin:0;font-weight:600}
p{margin:0}
.muted,figcaption{color:var(--muted);overflow-wrap:anywhere}
.facts{display:flex;flex-wrap:wrap;gap:12px 34px;margin:20px 0 22px;padding:0}
.facts div{display:flex;flex-direction:column}
.facts dt{font-size:12px;color:var(--muted)}
.facts dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}
.facts dd.words{font-size:15px;font-weight:500;line-height:1.75}
.legend{display:flex;flex-wrap:wrap;gap:8px 22px;font-size:13.5px;color:var(--muted);
  align-items:center;margin:0 0 20px}
.legend span{display:inline-flex;align-items:center;gap:7px}
.card{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:14px 16px;
  margin:0 0 16px}
.head{display:flex;flex-wrap:wrap;gap:2px 22px;align-items:baseline;margin:0 0 12px}
.head p{font-size:13.5px;color:var(--muted)}
.head b{color:var(--ink);font-weight:600;font-variant-numeric:tabular-nums}
figure{margin:0;min-width:0}
figcaption{font-size:11.5px;line-height:1.35;margin-top:6px;overflow-wrap:anywhere}
figcaption strong{color:var(--ink);font-size:13px;font-variant-numeric:tabular-nums}
figcaption small{display:block;font-size:11px;line-height:1.3;margin-top:2px}
.well{position:relative;display:flex;align-items:center;justify-content:center;
  background:var(--well);border-radius:8px;overflow:hidden}
.well img{display:block;width:100%;height:100%;object-fit:contain}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
"""

STYLE = (
    f":root{{color-scheme:light dark;{_variables('light')}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables('dark')}}}}}{_FORMS}"
)
"""What all pages share."""

RANKED = """
.well{aspect-ratio:var(--aspect)}
.tabs{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 18px}
.choice{position:absolute;opacity:0;pointer-events:none}
.tabs label{padding:6px 15px;border:1px solid var(--edge);border-radius:999px;cursor:pointer;
  background:var(--card);font-size:14px}
.tabs label:hover{border-color:var(--accent)}
.queries{display:none}
.row{display:grid;grid-template-columns:132px minmax(0,1fr);gap:20px}
.query .well{outline:3px solid var(--accent)}
.ranks{list-style:none;margin:0;padding:0 0 0 20px;border-left:1px solid var(--edge);display:grid;
  grid-template-columns:repeat(auto-fill,minmax(max(74px,(100% - 120px)/13.01),1fr));
  gap:14px 10px;align-content:start}
.ranks .well{border:3px solid var(--tone)}
.right{--tone:var(--right)}.wrong{--tone:var(--wrong)}.out{--tone:var(--out)}
.ranks .out .well{border-style:dashed}
.ranks .out img{opacity:.38}
.badge{position:absolute;left:0;top:0;display:flex;align-items:center;gap:4px;
  padding:1px 7px 2px 5px;background:var(--tone);color:var(--on);font-size:12.5px;font-weight:700;
  border-radius:0 0 8px 0;font-variant-numeric:tabular-nums}
.badge svg,.sign svg{width:12px;height:12px;fill:none;stroke:currentColor;stroke-width:2.4;
  stroke-linecap:round;stroke-linejoin:round}
.sign{flex:none;width:21px;height:21px;border-radius:6px;background:var(--tone);color:var(--on);
  justify-content:center}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.beyond{position:relative}
.beyond::before{content:"";position:absolute;left:-6px;top:0;bottom:0;
  border-left:3px dotted var(--muted)}
.more{align-self:center;color:var(--muted);font-size:12.5px;text-align:center}
.spread{display:flex;align-items:flex-end;gap:2px;height:44px;margin:4px 0 3px}
.spread{border-bottom:1px solid var(--bar)}
.spread i{display:block;width:9px;background:var(--bar);border-radius:2px 2px 0 0}
.scale{font-weight:400;display:flex;justify-content:space-between;font-size:11px;color:var(--muted)}
@media (max-width:640px){.row{grid-template-columns:1fr}.query{display:flex;gap:12px}
  .query .well{width:72px;flex:none}
  .ranks{padding:14px 0 0;border-left:0;border-top:1px solid var(--edge);
  grid-template-columns:repeat(auto-fill,minmax(80px,1fr))}}
@media print{.card{break-inside:avoid}}
"""
"""Of the ranked lists; ``--aspect`` is a picture's width by its height.

A wide window has 13 places in a row: ten ranks, the first right one, and two that are left out.
"""

MAPS = """
.pair{display:grid;gap:10px 12px;overflow-x:auto;align-items:start;
  grid-template-columns:repeat(calc(1 + var(--columns)),minmax(96px,224px))}
.over{grid-column:span 2;font-size:13px;font-weight:600;border-bottom:2px solid var(--edge);
  padding-bottom:5px;overflow-wrap:anywhere}
.over small{display:block;font-size:11.5px;font-weight:400;color:var(--muted)}
.well img{height:auto}
.ramp{display:inline-block;width:120px;height:12px;border-radius:6px}
"""
"""Of the activation maps; ``--columns`` are those beside the pictures."""
