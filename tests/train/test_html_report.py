"""A report that says what it was given, whatever is in it."""

import base64
import io
from html.parser import HTMLParser

from rich.console import Console

from eqgraph.report import PlainTable
from eqgraph.train.html_report import write_report


class Texts(HTMLParser):
    """What a reader sees, and the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.pictures, self.depth = [], [], 0

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.pictures.append(dict(attrs)["src"])
        elif tag not in ("meta", "br"):
            self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= 1

    def handle_data(self, data):
        self.texts.append(data)


def test_report(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    table = PlainTable("Accuracy <of> classes", ("set", "a & b"), [("test", "97.00"), ("<script>", "1")])
    figures = [("Who's who", tmp_path / "a.png")]
    write_report(tmp_path / "r.html", "Run {0} & more", {"seed": "0 {x}"}, [table], figures, "data:\n  train: <a>")
    parser = Texts()
    parser.feed((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert parser.depth == 0, "every tag is closed"
    for text in (
        "Run {0} & more",
        "Accuracy <of> classes",
        "a & b",
        "97.00",
        "<script>",
        "0 {x}",
        "data:\n  train: <a>",
    ):
        assert text in parser.texts
    assert [base64.b64decode(src.partition("base64,")[2]) for src in parser.pictures] == [b"picture"]


def test_the_same_table_in_the_terminal():
    console = Console(width=60, file=io.StringIO())
    console.print(PlainTable("Title", ("set", "accuracy"), [("test", "97.00")]).rich())
    text = console.file.getvalue()
    assert all(words in text for words in ("Title", "set", "accuracy", "97.00"))
