"""A page in one file that any browser shows without a network: whatever came from data is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path

from eqgraph.replacing import replacing

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }}
th:first-child, td:first-child {{ text-align: left; }}
.choices td {{ text-align: left; overflow-wrap: anywhere; }} .choices td:first-child {{ font-weight: 600; white-space: nowrap; }}
.text td, .text th {{ text-align: left; vertical-align: top; }} .text td:nth-child(n+3) {{ overflow-wrap: anywhere; }}
.text td:nth-child(-n+2) {{ white-space: nowrap; }} .text td:first-child {{ font-weight: 600; }}
tr[data-row=error] td:first-child {{ color: #b3261e; }} tr[data-row=warning] td:first-child {{ color: #a15c00; }}
tr[data-row=info] td:first-child {{ color: #0b57d0; }} tr[data-row=ok] td:first-child {{ color: #1e7d34; }}
.wide {{ overflow-x: auto; }} img {{ max-width: 100%; height: auto; }} pre {{ background: #f5f5f5; padding: 1rem; overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
{parts}
</body>
</html>
"""


def picture(caption: str, png: bytes) -> str:
    """A picture with a heading; its bytes become a part of the page.

    Example:
        >>> picture("a < b", b"png")
        "<h2>a &lt; b</h2><img alt='a &lt; b' src='data:image/png;base64,cG5n'>"
    """
    content, text = base64.b64encode(png).decode(), html.escape(caption)
    return f"<h2>{text}</h2><img alt='{text}' src='data:image/png;base64,{content}'>"


def write_page(path: str | Path, title: str, parts: Iterable[str]) -> None:
    """Write a page that appears complete or not at all.

    Args:
        path: of the HTML file.
        title: its heading, as plain text.
        parts: HTML, in which all that came from data is escaped: see `picture` and `PlainTable.html`.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "page.html"
        >>> write_page(file, "a < b", ["<p>text</p>"])
        >>> "<h1>a &lt; b</h1>" in file.read_text()
        True
    """
    text = _PAGE.format(title=html.escape(title), parts="\n".join(parts))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
