"""A page in one file that any browser shows without a network: whatever came from data is escaped."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from eqgraph.replacing import replacing

from .chart import CHART, DRAW_CHARTS
from .section import Section

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; style-src 'unsafe-inline'"
_STYLE = """:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; overflow-wrap: anywhere; }
section > h2 { font-size: 1.25rem; margin-top: 2.6rem; padding-bottom: .2rem; border-bottom: 2px solid #0072b2; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { max-width: 52rem; } a { color: #0b57d0; }
nav { margin: 1rem 0; } nav a { display: inline-block; margin: 0 1.2rem .3rem 0; }
.notice { border-left: 4px solid #a15c00; background: #fff6e8; padding: .5rem .9rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th { vertical-align: bottom; } td { overflow-wrap: break-word; max-width: 24rem; }
th:first-child, td:first-child { text-align: left; }
.choices td { text-align: left; overflow-wrap: anywhere; } .choices td:first-child { font-weight: 600; white-space: nowrap; }
#errors :is(th, td):nth-child(-n+3), #worst-frames :is(th, td):nth-child(3) { text-align: left; }
.choices td { max-width: none; vertical-align: top; white-space: pre-line; }
.text td, .text th { text-align: left; vertical-align: top; } .text td:nth-child(n+3) { overflow-wrap: anywhere; }
.text td:nth-child(-n+2) { white-space: nowrap; } .text td:first-child { font-weight: 600; }
tr[data-row=error] td:first-child { color: #b3261e; } tr[data-row=warning] td:first-child { color: #a15c00; }
tr[data-row=info] td:first-child { color: #0b57d0; } tr[data-row=ok] td:first-child { color: #1e7d34; }
.wide { overflow-x: auto; } img { max-width: 100%; height: auto; }
pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .87rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: .5rem 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .5rem 1rem; }
figure { margin: 0; min-width: 0; break-inside: avoid; } figcaption { font-size: .87rem; color: #444; overflow-wrap: anywhere; }
figure > h3 { margin: .4rem 0 0; } figure.drawing { border: 1px solid #e2e2e2; border-radius: 4px; padding: .4rem .6rem; }
svg.drawing { display: block; margin: auto; max-width: 100%; }
@media print { body { margin: 0; max-width: none; font-size: 12px; } nav { display: none; } section > h2 { break-after: avoid; }
  .modebar-container { display: none; } tr, figure { break-inside: avoid; } }"""


def picture(caption: str, png: bytes) -> str:
    """A picture with a heading; its bytes become a part of the page.

    Example:
        >>> picture("a < b", b"png")
        "<h2>a &lt; b</h2><img alt='a &lt; b' src='data:image/png;base64,cG5n'>"
    """
    content, text = base64.b64encode(png).decode(), html.escape(caption)
    return f"<h2>{text}</h2><img alt='{text}' src='data:image/png;base64,{content}'>"


def write_page(path: str | Path, title: str, parts: Iterable[str] = (), sections: Sequence[Section] = ()) -> None:
    """Write a page that appears complete or not at all.

    The page tells the browser to load nothing and to run no scripts but those that draw its charts, which are known by their
    checksums. If it has charts, plotly.js is inside, once.

    Args:
        path: of the HTML file.
        title: its heading, as plain text.
        parts: HTML, in which all that came from data is escaped: see `picture`, `Chart.html` and `PlainTable.html`.
        sections: what follows; with a table of contents.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "page.html"
        >>> write_page(file, "a < b", ["<p>text</p>"], [Section("Results", ["<p>none</p>"])])
        >>> "<h1>a &lt; b</h1>" in file.read_text(), "<a href='#results'>Results</a>" in file.read_text()
        (True, True)
    """
    contents = "".join(f"<a href='#{section.name}'>{html.escape(section.title)}</a>" for section in sections)
    nav = [f"<nav>{contents}</nav>"] if sections else []
    body = "\n".join([*parts, *nav, *(section.html() for section in sections)])
    scripts: list[str] = []
    if CHART in body:
        from plotly.offline import get_plotlyjs

        scripts = [get_plotlyjs(), DRAW_CHARTS]
    body += "".join(f"\n<script>{script}</script>" for script in scripts)
    allowed = " ".join(f"'sha256-{_checksum(script)}'" for script in scripts) or "'none'"
    policy = f"{_POLICY}; script-src {allowed}"
    text = _PAGE.format(title=html.escape(title), policy=policy, style=_STYLE, body=body)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _checksum(script: str) -> str:
    """As Content-Security-Policy wants it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
