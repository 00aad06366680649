"""Findings as a colored table."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from eqgraph.report import PlainTable

from .finding import CheckReport

COLORS = {"error": "bold red", "warning": "yellow", "info": "cyan", "ok": "green"}
HEADER = ("severity", "check", "where", "what")


def findings_table(report: CheckReport) -> Table:
    """For the terminal, worst first."""
    table = Table(title=f"Check: {report.summary}", title_justify="left")
    for name in HEADER:
        table.add_column(
            name, overflow="fold", ratio=1 if name == "what" else None, max_width=30 if name == "where" else None
        )
    files = {finding.file for finding in report.findings}
    names = [Path(file).name for file in files]
    short = {file: Path(file).name if names.count(Path(file).name) == 1 else file for file in files}
    for finding in report.findings:
        texts = (finding.check, short[finding.file] + finding.where[len(finding.file) :], finding.message)
        # Text: what came from data is no markup
        table.add_row(Text(finding.severity, COLORS[finding.severity]), *map(Text, texts))
    return table


def plain_findings(report: CheckReport) -> PlainTable:
    """For a page, worst first."""
    rows = [(finding.severity, finding.check, finding.where, finding.message) for finding in report.findings]
    return PlainTable("Findings", HEADER, rows)
