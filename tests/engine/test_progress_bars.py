"""Long work on a table shows a bar of its rows to whoever looks; other work shows none."""

from __future__ import annotations

import pyarrow as pa
import pytest

import mmlrs
from mmlrs._progress import progress
from mmlrs.engine import table as tables
from mmlrs.errors import DecodeError
from mmlrs.featurize import CleanMissingData
from mmlrs.text import UnicodeNormalize

ROWS = 10_000
TEXTS = UnicodeNormalize(inputCol="text", outputCol="plain")
NUMBERS = CleanMissingData(inputCols=["x"], outputCols=["y"])
TABLE = pa.table({"text": ["A"] * ROWS, "x": [1.0, None] * (ROWS // 2)})


class Screen:
    """What was written to standard error."""

    def __init__(self, capsys) -> None:
        self.capsys = capsys
        self.text = ""

    def getvalue(self) -> str:
        self.text += self.capsys.readouterr().err
        return self.text


@pytest.fixture
def screen(monkeypatch, capsys):
    """Standard error, on which bars are shown as soon as the work begins."""
    monkeypatch.setattr(tables, "_BAR_AFTER", 1e-9)
    mmlrs.show_progress()
    yield Screen(capsys)
    mmlrs.show_progress(None)


@pytest.mark.parametrize(
    ("work", "name"),
    [(lambda: TEXTS.transform(TABLE), "UnicodeNormalize"), (lambda: NUMBERS.fit(TABLE), "CleanMissingData")],
    ids=["transform", "fit"],
)
def test_the_rows_that_are_done_are_shown(screen, work, name):
    work()
    shown = screen.getvalue().split("\r")[-1]
    assert shown.startswith(f"{name}: 100%")
    assert "10.0k/10.0k" in shown
    assert "row/s" in shown
    assert screen.getvalue().endswith("\n")


def test_short_work_shows_none(screen, monkeypatch):
    monkeypatch.setattr(tables, "_BAR_AFTER", 1e6)
    TEXTS.transform(TABLE)
    assert screen.getvalue() == ""


def test_work_inside_other_work_shows_none_of_its_own(screen):
    with progress("search", 2, "trial") as bar:
        TEXTS.transform(TABLE)
        bar.line("one of two")
        bar.update()
    assert "UnicodeNormalize" not in screen.getvalue()
    assert "one of two\n" in screen.getvalue()
    TEXTS.transform(TABLE)
    assert "UnicodeNormalize" in screen.getvalue()


def test_an_error_ends_the_bar(screen):
    bad = pa.table({"text": ["a"] * (ROWS - 1) + [None]})
    with pytest.raises(DecodeError, match="row 9999"):
        UnicodeNormalize(inputCol="text", outputCol="plain").transform(bad)
    assert screen.getvalue().endswith("\n")
    with progress("after it", 1, "row", delay=1e-9) as bar:
        bar.update()
    assert "after it: 100%" in screen.getvalue()


def test_without_a_bar_its_lines_are_written(capsys):
    with progress("search", 2, "trial") as bar:
        bar.line("one of two")
    assert capsys.readouterr().err == "one of two\n"
