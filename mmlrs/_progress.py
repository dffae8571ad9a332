"""One progress bar for long work: downloads, searches, tables. It is shown where someone looks and tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmlrs._environment import is_true, text_of
from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError, MissingPackageError

__all__ = ["Bar", "progress", "show_progress"]

#: The environment variable that shows or hides bars, unless `show_progress` does.
VARIABLE = "MMLRS_PROGRESS"

#: The choice of `show_progress`.
_choice: dict[str, bool | None] = {"show": None}
#: The bars that are shown.
_open: list[object] = []


def show_progress(show: bool | None = True) -> None:
    """Show or hide progress bars in this process: those of downloads, of searches, and of long work on a table.

    Parameters
    ----------
    show : bool or None, default True
        None returns to the usual rule: the environment variable `MMLRS_PROGRESS`, 0 or 1, decides. If it is not set, bars are
        shown on a terminal and in a notebook. Bars need the package tqdm, and without it are hidden.

    Raises
    ------
    MissingPackageError
        `show` is True and tqdm is not installed.
    InvalidParamError
        `show` is neither a bool nor None.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.show_progress(False)
    >>> mmlrs.show_progress(None)
    """
    if show is not None and not isinstance(show, bool):
        raise InvalidParamError(f"show_progress: param `show` must be a bool or None, got {shown(show)}")
    if show and _tqdm() is None:
        raise MissingPackageError("show_progress: progress bars need the package tqdm: pip install tqdm")
    _choice["show"] = show


class Bar:
    """A progress bar. If it is hidden, only `line` does something.

    Parameters
    ----------
    bar : tqdm, optional
        The bar that is shown.
    """

    def __init__(self, bar: Any = None) -> None:
        self._bar = bar

    def update(self, count: int = 1) -> None:
        """Add a number of units that are done."""
        if self._bar is not None:
            self._bar.update(count)

    def line(self, text: str) -> None:
        """Write a line to stderr, above the bar if it is shown."""
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._bar.write(text, file=sys.stderr)

    def note(self, text: str) -> None:
        """Show a text behind the numbers, in place of the one before."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)


@contextmanager
def progress(
    description: str, total: int | None, unit: str, *, scale: bool = False, done: int = 0, delay: float = 0
) -> Iterator[Bar]:
    """Show a progress bar on stderr for the work of a `with` block: what is done, the rate and the time left.

    Parameters
    ----------
    description : str
        What is done, in front of the bar.
    total : int or None
        Number of units; None if it is not known.
    unit : str
        Name of a unit, such as "trial", or "B" for bytes.
    scale : bool, default False
        Whether large numbers have a prefix, as in 12.3MB. Those of bytes are powers of 1024.
    done : int, default 0
        Number of units that were done before. They do not count for the rate.
    delay : float, default 0
        Show the bar when the work has lasted so many seconds. A bar with a delay is for work that may be a part of other work:
        it is not shown while another bar is.

    Examples
    --------
    >>> from mmlrs._progress import progress
    >>> with progress("search", 2, "trial") as bar:
    ...     for accuracy in (0.7, 0.8):
    ...         bar.update()
    ...         bar.note(f"best accuracy {accuracy}")
    """
    tqdm = _tqdm() if _is_shown() and not (delay and _open) else None
    if tqdm is None:
        yield Bar()
        return
    with tqdm(
        desc=description,
        total=total,
        unit=unit,
        unit_scale=scale,
        unit_divisor=1024 if unit == "B" else 1000,
        initial=done,
        file=sys.stderr,
        dynamic_ncols=True,
        delay=delay,
    ) as shown_bar:
        bar = Bar(shown_bar)
        _open.append(bar)
        try:
            yield bar
        finally:
            _open.remove(bar)


def _is_shown() -> bool:
    choice = _choice["show"]
    if choice is not None:
        return choice
    if text_of(VARIABLE) is not None:
        return is_true(VARIABLE)
    return bool(sys.stderr and sys.stderr.isatty()) or _in_notebook()


def _in_notebook() -> bool:
    """Return whether this is the kernel of a notebook. IPython is not imported."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


def _tqdm() -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        return None
    return tqdm
