"""Findings as a colored table."""

from __future__ import annotations

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
    for finding in report.findings:
        # Text: what came from data is no markup
        row = (
            Text(finding.severity, COLORS[finding.severity]),
            *map(Text, (finding.check, finding.where, finding.message)),
        )
        table.add_row(*row)
    return table


def plain_findings(report: CheckReport) -> PlainTable:
    """For a page, worst first."""
    rows = [(finding.severity, finding.check, finding.where, finding.message) for finding in report.findings]
    return PlainTable("Findings", HEADER, rows)
