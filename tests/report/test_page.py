"""Pages load nothing, run nothing that came from data, and hold what they were given."""

import base64
import hashlib
import io

import numpy as np
import pytest
from opened_page import open_page
from parsed_page import ParsedPage
from rich.console import Console

from eqgraph.report import (
    Chart,
    PlainTable,
    Section,
    axis,
    chart_text,
    grid,
    named_texts,
    numbers,
    paragraph,
    write_page,
)

HOSTILE = "</script><script>document.title='attacked'</script><img src=x onerror=\"document.title='attacked'\">"


def hostile_chart() -> Chart:
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(np.array([1.0, 2.0])),
        "y": numbers(np.array([1.0, 2.0])),
        "name": chart_text(HOSTILE, cut=True),
        "text": [chart_text(HOSTILE), chart_text("<a href='https://example.org'>frame 7</a>")],
    }
    layout = {
        "xaxis": axis("x (Å)", tickvals=[1, 2], ticktext=[chart_text(HOSTILE, cut=True), "2"]),
        "yaxis": axis("y"),
        "showlegend": True,
    }
    return Chart([trace], layout, HOSTILE, HOSTILE)


def write(path, *parts):
    sections = [Section(f"Results {HOSTILE}", list(parts)), Section("Nothing", [paragraph(HOSTILE, "notice")])]
    write_page(path, HOSTILE, [named_texts({HOSTILE: HOSTILE})], sections)
    return ParsedPage(path)


def test_a_page_without_charts_has_no_scripts(tmp_path):
    table = PlainTable(HOSTILE, ("set", HOSTILE), [(HOSTILE, "97.00")])
    page = write(tmp_path / "a.html", table.html())
    assert not page.open
    assert not page.scripts
    assert "script-src 'none'" in page.policy
    assert page.tables[HOSTILE][-2:] == [["set", HOSTILE], [HOSTILE, "97.00"]]
    assert page.text.count(HOSTILE) > 5, "shown as it is"
    assert "img" not in page.tags
    assert (tmp_path / "a.html").stat().st_size < 20_000


def test_a_page_with_charts_has_plotly_once_and_says_which_scripts_may_run(tmp_path):
    page = write(tmp_path / "a.html", grid([hostile_chart().html(), hostile_chart().html()]))
    ours = [text for attributes, text in page.scripts if not attributes]
    assert len(ours) == 2, "plotly and what draws"
    assert sum("plotly.js v" in text for text in ours) == 1
    for text in ours:
        checksum = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{checksum}'" in page.policy
    assert "default-src 'none'" in page.policy
    assert len(page.charts) == 2
    assert page.charts[0]["data"][0]["text"][1] == "&lt;a href='https://example.org'&gt;frame 7&lt;/a&gt;"
    assert all(not name.startswith("on") for name in page.attributes)
    assert all(target.startswith("#") for target in page.loaded)


def test_no_button_sends_data_away():
    from plotly.offline import get_plotlyjs

    from eqgraph.report.chart import DRAW_CHARTS

    assert "showSendToCloud:{valType" in get_plotlyjs(), "plotly has such a button"
    assert "showSendToCloud: false" in DRAW_CHARTS


@pytest.mark.browser
def test_names_are_shown_and_not_obeyed_by_a_browser(tmp_path):
    write(tmp_path / "a.html", hostile_chart().html())
    opened = open_page(tmp_path / "a.html", tmp_path / "profile")
    assert not opened.console, "no errors, nothing refused"
    assert opened.dom.count('class="main-svg"') >= 2
    assert "<title>attacked" not in opened.dom
    assert "<img" not in opened.dom
    assert "xlink:href" not in opened.dom.partition("main-svg")[2]


@pytest.mark.browser
def test_a_chart_that_cannot_be_drawn_says_so(tmp_path):
    """And what the tests above look for is to be seen where something goes wrong."""
    chart = hostile_chart().html().replace('"data": [', '"data": [nonsense')
    write_page(tmp_path / "a.html", "title", (), [Section("One", [chart, hostile_chart().html()])])
    opened = open_page(tmp_path / "a.html", tmp_path / "profile")
    assert "This chart could not be drawn: SyntaxError" in opened.dom
    assert 'class="main-svg"' in opened.dom, "the other one is there"
    injected = (tmp_path / "a.html").read_text().replace("<h1>", "<script>document.title = 'attacked'</script><h1>")
    (tmp_path / "b.html").write_text(injected)
    opened = open_page(tmp_path / "b.html", tmp_path / "profile_2")
    assert any("Content Security Policy" in line for line in opened.console)
    assert "<title>title</title>" in opened.dom


def test_the_same_table_in_the_terminal():
    console = Console(width=60, file=io.StringIO())
    console.print(PlainTable("Title", ("set", "accuracy"), [("test", "97.00")]).rich())
    text = console.file.getvalue()
    assert all(words in text for words in ("Title", "set", "accuracy", "97.00"))
