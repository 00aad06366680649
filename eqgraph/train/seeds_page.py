"""The page of a training with several seeds: means, deviations, and links to the pages of the seeds."""

from __future__ import annotations

import csv
import html
import os
from pathlib import Path
from urllib.parse import quote

from eqgraph.report import PlainTable, Section, paragraph, write_page
from eqgraph.report.plain_text import printable

from .output import RunDirectory


def write_seeds_page(path: str | Path, output: RunDirectory) -> None:
    """Write the page from seeds.csv and from which seeds there are.

    Args:
        path: of the HTML file.
        output: directory of all seeds.
    """
    if output.seeds.is_file():
        with output.seeds.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        names = header.index("mean")
        shown = [(*row[:names], *(f"{float(text):.4g}" for text in row[names:])) for row in rows]
        results = PlainTable("", header, shown).html()
    else:
        results = paragraph("There is no seeds.csv yet: not all seeds are over.", "notice")
    pages = sorted(output.path.glob("seed_*/report.html"), key=lambda page: (len(page.parent.name), page))
    links = "".join(f"<li>{_link(page, Path(path).parent)}</li>" for page in pages)
    sections = [
        Section("Means and deviations", [results]),
        Section("Seeds", [f"<ul>{links}</ul>" if links else paragraph("No seed has a page yet.")]),
        Section("Configuration", [f"<pre>{html.escape(output.config.read_text(encoding='utf-8'))}</pre>"]),
    ]
    write_page(path, f"Several seeds: {printable(output.path.resolve().name)}", (), sections)


def _link(page: Path, start: Path) -> str:
    target = quote(Path(os.path.relpath(page, start)).as_posix())
    return f"<a href='{target}'>{html.escape(page.parent.name)}</a>"
