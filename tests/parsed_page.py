"""What is in a page of a report: headings, tables, charts, and what it would load."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "br", "img", "link", "input", "hr"}


class ParsedPage(HTMLParser):
    """A page, taken apart.

    Attributes:
        tables: heading above -> rows of texts; the first is the header if there is one.
        charts: plotly figures, texts that are said once written out.
        scripts: their attributes and contents.
        loaded: values of src and href.
        attributes: names of all attributes.
        text: all that is to be read.
        open: tags that were not closed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.scripts: list[tuple[dict, str]] = []
        self.loaded: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.headings: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self._table: list[list[str]] = []
        self.policy = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.charts = [_figure(text) for attributes, text in self.scripts if attributes]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.add(tag)
        self.attributes |= attributes.keys()
        self.loaded += [attributes[name] for name in ("src", "href", "action", "data") if name in attributes]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag not in _VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        elif tag == "table":
            self._table = self.tables.setdefault(self.headings[-1], [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")
        elif tag == "script":
            self.scripts.append((attributes, ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        if tag == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
            return
        if tag == "style":
            return
        self.text += data
        if tag in ("td", "th"):
            self._table[-1][-1] += data
        elif tag in ("h1", "h2", "h3"):
            self.headings[-1] += data

    @property
    def hover_texts(self) -> list[str]:
        """Of all points."""
        texts = [text for chart in self.charts for trace in chart["data"] for text in trace.get("text", [])]
        return [text for text in texts if isinstance(text, str)]


def _figure(text: str) -> dict:
    figure = json.loads(text)
    for trace in figure["data"]:
        if isinstance(trace.get("text"), dict):
            trace["text"] = figure["data"][trace["text"]["of"]]["text"]
    return figure
