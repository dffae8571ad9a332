"""The progress bar: who sees it, and what it shows."""

from __future__ import annotations

import io
import sys
import types

import pytest

import mmlrs
from mmlrs import _progress
from mmlrs._progress import progress
from mmlrs.errors import InvalidParamError, MissingPackageError


class Screen(io.StringIO):
    """A stderr that is a terminal, or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    monkeypatch.delenv("MMLRS_PROGRESS", raising=False)
    monkeypatch.setitem(_progress._choice, "show", None)
    monkeypatch.setitem(sys.modules, "IPython", None)


def work(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> str:
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("search", 4, "trial", done=1) as bar:
        bar.update(3)
        bar.note("best accuracy 0.8")
    return screen.getvalue()


def test_a_bar_shows_what_is_done_the_rate_and_the_note(monkeypatch):
    text = work(monkeypatch, terminal=True)
    assert "search:" in text
    assert "4/4" in text
    assert "trial/s" in text
    assert "best accuracy 0.8" in text


def test_bytes_are_shown_in_powers_of_1024(monkeypatch):
    screen = Screen(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    with progress("model.onnx", 3 << 20, "B", scale=True) as bar:
        bar.update(3 << 20)
    assert "3.00M/3.00M" in screen.getvalue()


@pytest.mark.parametrize(
    ("terminal", "variable", "choice", "visible"),
    [
        (True, None, None, True),
        (False, None, None, False),
        (True, "0", None, False),
        (False, "1", None, True),
        (True, "1", False, False),
        (False, "0", True, True),
    ],
)
def test_the_function_decides_before_the_variable_and_the_terminal(
    monkeypatch, terminal, variable, choice, visible
):
    if variable is not None:
        monkeypatch.setenv("MMLRS_PROGRESS", variable)
    mmlrs.show_progress(choice)
    assert ("search" in work(monkeypatch, terminal)) is visible


def test_a_notebook_shows_bars(monkeypatch):
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert "search" in work(monkeypatch, terminal=False)


def test_without_tqdm_nothing_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert work(monkeypatch, terminal=True) == ""
    with pytest.raises(MissingPackageError, match="progress bars need the package tqdm: pip install tqdm"):
        mmlrs.show_progress()


def test_another_value_is_refused():
    with pytest.raises(InvalidParamError, match="param `show` must be a bool or None, got 'yes'"):
        mmlrs.show_progress("yes")  # type: ignore[arg-type]
